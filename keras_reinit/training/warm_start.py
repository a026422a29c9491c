"""One model, trained again and again while its data set grows."""

import contextlib
import dataclasses
import pathlib
import time
from typing import Any

import keras
import numpy as np

from keras_reinit import distribution
from keras_reinit.callbacks import Backup, Reinit, sealed
from keras_reinit.callbacks.carried import StateInWeights, set_torch_states, torch_states
from keras_reinit.core import (
    check_bool,
    check_int,
    check_number,
    check_text,
    fold_in,
    resolve_seed,
)
from keras_reinit.keras_private import set_initial_epoch
from keras_reinit.methods import Continue, FullReset, Method
from keras_reinit.rounds import Accuracy, check_rule
from keras_reinit.training.epochs import Epochs, can_compile, fit_compiled
from keras_reinit.weights import reset_optimizer
from keras_reinit.weights.optimizer import learning_rate_of, set_learning_rate

_FINISHED = "_keras_reinit_stages"
_CLOCK = "_keras_reinit_clock"


STRATEGIES = {"random": FullReset(), "warm": Continue()}


@dataclasses.dataclass(frozen=True)
class Stage:
    """What came of one stage.

    Attributes:
        stage: its number, from 0.
        samples: training examples; None where a `tf.data.Dataset` does not tell.
        epochs: epochs trained.
        steps: optimizer steps.
        seconds: time of these epochs alone, without evaluation, over a kill too.
        converged: whether the rule's goal was reached; False where its limit of epochs ended it.
        logs: of the last epoch: {name: float}.
        evaluation: of the model on the evaluation data: {name: float}, empty without such data.
    """

    stage: int
    samples: int | None
    epochs: int
    steps: int
    seconds: float
    converged: bool
    logs: dict
    evaluation: dict = dataclasses.field(default_factory=dict)


class WarmStart:
    """Train a compiled model on a stream of growing data sets.

    Each stage but the first begins with the strategy; each has a fresh optimizer, trains until the
    rule says so, and is evaluated. Data sets of any size share one compiled step; on TensorFlow, an
    epoch over arrays is a single call, whatever `steps_per_execution` says, so that small networks
    train as fast as they can (hooks of your callbacks on batches are then called once an epoch).

    Args:
        model: a built and compiled `keras.Model`, with metric "accuracy" for the default rule.
        strategy: "random" (train from scratch), "warm" (go on), or a value of
            `keras_reinit.methods`, such as `ShrinkPerturb(0.4, 0.1)`. One that needs data gets
            those of the stage; its round is the number of the stage.
        until: a rule of `keras_reinit.rounds`: when a stage has been trained enough.
        batch_size: examples of a batch, for stages of arrays.
        seed: int, of the order of examples and of what the strategy draws. Strategies with the same
            seed see the same batches. None to draw one, where there is no backup.
        perturb_first: apply the strategy before the first stage, too, as the paper's code does.
        backup_dir: directory for a backup, to go on after a kill, within a stage or between two, or
            None. The same stages have to be given again.
        interval: seconds between two backups within a stage, at least.

    Raises:
        ValueError: if an argument is out of its range, or the model is not built and compiled.

    Example:
        >>> warm = WarmStart(model, kr.methods.ShrinkPerturb(0.4, 0.1), backup_dir="stream")
        >>> for stage in warm.run([(x[:1000], y[:1000]), (x[:2000], y[:2000])], (x_test, y_test)):
        ...     print(stage.samples, stage.seconds, stage.evaluation["accuracy"])

    Reference:
        Ash & Adams 2020.
    """

    def __init__(
        self,
        model,
        strategy,
        until=None,
        batch_size=128,
        seed=0,
        perturb_first=False,
        backup_dir=None,
        interval=60.0,
    ):
        if not isinstance(model, keras.Model):
            raise TypeError(f"Expected a keras.Model. Received: model={model!r} ({type(model)})")
        if not (model.built and model.compiled):
            raise ValueError(f"Model '{model.name}' has to be built and compiled first")
        if not model.optimizer.built:
            model.optimizer.build(model.trainable_variables)
        self.model = model
        self._optimizer, self._rate = model.optimizer, learning_rate_of(model.optimizer)
        self.strategy = strategy
        self._method = _method_of(strategy)
        self.until = Accuracy(0.99, max_epochs=350, patience=10) if until is None else until
        check_rule(self.until)
        if self.until.steps is not None:
            raise ValueError(
                "A stage ends with an epoch. Received: a rule that counts steps, "
                f"until={until!r}. Expected e.g. Accuracy(0.99) or Fixed(epochs=10)"
            )
        self.batch_size = check_int("batch_size", batch_size)
        if seed is None and (backup_dir is not None or distribution.worker_count(model) > 1):
            raise ValueError(
                "A run that can be resumed, or has several workers, needs a seed that is the same "
                f"for all. Received: seed=None, {backup_dir=}. Expected an int"
            )
        self.seed = resolve_seed(seed)
        self.perturb_first = check_bool("perturb_first", perturb_first)
        if not isinstance(backup_dir, pathlib.Path | None):
            check_text("backup_dir", backup_dir)
        self.backup_dir: Any = None if backup_dir is None else pathlib.Path(backup_dir)
        self.interval = check_number("interval", interval)

    def run(self, stages, evaluation=None, validation=None, callbacks=(), verbose=0):
        """Train on one data set after the other.

        Args:
            stages: an iterable of data sets, each all the data there is by then: `(x, y)` arrays,
                or a `tf.data.Dataset` of batches, which is taken as it is: shuffled by you.
            evaluation: `(x, y)` arrays or a `tf.data.Dataset` of batches to evaluate on after each
                stage, or None.
            validation: as `validation_data` of `fit`, for a rule that monitors it.
            callbacks: more Keras callbacks for every `fit`.
            verbose: as `fit`.

        Yields:
            A `Stage` for each data set. After a kill, those that were over come from the backup.

        Raises:
            TypeError: if a stage is neither arrays nor a data set.
            ValueError: if a stage is empty or endless, or the backup is that of other arguments or
                of other data (as far as numbers of examples tell).
        """
        done = self._restore()
        where = f"Give all a `backup_dir` that all see. Here it is {self.backup_dir}"
        distribution.check_workers_agree(self.model, "finished stages", len(done), where)
        for number, data in enumerate(stages):
            if number < len(done):
                _check_same(done[number], data)
                yield done[number]
                continue
            trained = self._train(
                number, data, validation_data=validation, callbacks=callbacks, verbose=verbose
            )
            done.append(dataclasses.replace(trained, evaluation=self._evaluate(evaluation)))
            self._keep(done)
            yield done[-1]

    def _train(self, number, data, callbacks, **options):
        seed = fold_in(self.seed, "stage", number)
        method = self._method if number > 0 or self.perturb_first else STRATEGIES["warm"]
        batches = _batches(data, self.batch_size, seed)
        start = _StageStart(method, self.until, seed, number, data, batches)
        clock = _Clock(batches)
        options["callbacks"] = [start, clock, *callbacks]
        if self.backup_dir is not None:
            backup = Backup(self.backup_dir / f"stage{number}", interval=self.interval)
            options["callbacks"].append(backup)
        self._reset_optimizer()
        try:
            self._fit(data, batches, epochs=start.max_epochs(self.model), shuffle=False, **options)
        finally:
            set_initial_epoch(self.model, None)  # a resumed fit that breaks off would leave it
            set_learning_rate(self.model.optimizer, self._rate)  # whatever a rule has made of it
        if not clock.logs:
            raise ValueError(f"A stage has some batches. Received: stage {number} with none")
        return Stage(
            number,
            None if batches is None else batches.samples,
            clock.epochs,
            int(np.array(self.model.optimizer.iterations)),
            clock.seconds,
            start.converged,
            clock.logs,
        )

    def _reset_optimizer(self):
        """As new, with the rate it was compiled with, whatever the last stage has made of it."""
        optimizer = self.model.optimizer
        if optimizer is not self._optimizer:  # compiled again
            self._optimizer, self._rate = optimizer, learning_rate_of(optimizer)
        reset_optimizer(optimizer, self._rate)

    def _fit(self, data, batches, **options):
        if batches is None:
            self.model.fit(data, **options)
        elif can_compile(self.model):
            fit_compiled(self.model, batches, **options)
        else:
            self.model.fit(batches, **options)

    def _evaluate(self, evaluation):
        if evaluation is None:
            return {}
        if not _is_data_set(evaluation):
            x, y, weight = (*evaluation, None)[:3]
            return self.model.evaluate(
                x, y, batch_size=1024, sample_weight=weight, verbose=0, return_dict=True
            )
        return self.model.evaluate(evaluation, verbose=0, return_dict=True)

    # Stages that are over, in a weights file of their own.

    def _file(self):
        return self.backup_dir / "finished.weights.h5"

    def _identity(self):
        first = ", from the first stage" if self.perturb_first else ""
        numbers = f"{self.batch_size}, {self.seed}, {type(self.model.optimizer).__name__}"
        return f"{self.strategy!r}{first}, {self.until!r}, {numbers}"

    def _keep(self, done):
        if self.backup_dir is None:
            return
        facts = {"identity": self._identity(), "stages": list(map(dataclasses.asdict, done))}
        with _carried(self.model):
            sealed.write(self.model, self._file(), facts)

    def _restore(self):
        if self.backup_dir is None or not self._file().exists():
            return []
        backup = sealed.read_facts(self._file())
        if backup["identity"] != self._identity():
            raise ValueError(
                f"The backup in '{self.backup_dir}' is that of other arguments. Received: "
                f"{self._identity()}. Expected: {backup['identity']}. Use another directory, or "
                "the same arguments"
            )
        with _carried(self.model):
            self.model.load_weights(self._file())
        return [Stage(**entry) for entry in backup["stages"]]


def refit(model, x, y, strategy, until=None, batch_size=128, seed=0, evaluation=None, **options):
    """Train a model of yesterday on the data of today, in one call.

    The strategy, a fresh optimizer, training until the rule says so: one stage of `WarmStart`.

    Args:
        model: a built and compiled `keras.Model`, such as one that was loaded from a file.
        x: all examples there are by now: an array, or a structure of arrays.
        y: their targets.
        strategy: "random", "warm" or a value of `keras_reinit.methods`, such as
            `ShrinkPerturb(0.4, 0.1)`.
        until: a rule of `keras_reinit.rounds`.
        batch_size: examples of a batch.
        seed: int; another one every day.
        evaluation: `(x, y)` to evaluate on, or None.
        **options: `validation`, `callbacks` and `verbose`, as `WarmStart.run`.

    Returns:
        A `Stage`.

    Raises:
        ValueError: as `WarmStart`.

    Example:
        >>> model = keras.models.load_model("yesterday.keras")
        >>> stage = refit(model, x, y, kr.methods.ShrinkPerturb(0.4, 0.1), seed=20)

    Reference:
        Ash & Adams 2020, Section 4.
    """
    warm = WarmStart(model, strategy, until, batch_size, seed, perturb_first=True)
    return next(warm.run([(x, y)], evaluation, **options))


def _method_of(strategy):
    """The method that a strategy is."""
    if isinstance(strategy, str) and strategy in STRATEGIES:
        return STRATEGIES[strategy]
    if not isinstance(strategy, Method):
        raise ValueError(
            f"Unknown strategy. Received: strategy={strategy!r}. Expected 'random', 'warm' or "
            "a value of keras_reinit.methods, such as keras_reinit.methods.ShrinkPerturb()"
        )
    return strategy


def _is_data_set(data):
    return hasattr(data, "element_spec")


def _batches(data, batch_size, seed):
    """The `Epochs` of a stage of arrays; None for a data set, which has batches of its own."""
    if _is_data_set(data):
        if int(data.cardinality()) in (0, -1):
            raise ValueError(
                "A stage has some batches and an end. Received: a tf.data.Dataset that is empty or "
                "repeats for ever. Expected one with examples, without `repeat()`"
            )
        return None
    if not isinstance(data, tuple | list) or len(data) not in (2, 3):
        raise TypeError(
            "A stage is (x, y) or (x, y, sample_weight) of arrays, or a tf.data.Dataset of "
            f"batches, and `stages` is a list or an iterator of stages. Received: {type(data)}"
        )
    return Epochs(data, batch_size, seed)


def _check_same(stage, data):
    """That a stage which is over was one of as many examples."""
    samples = None if _is_data_set(data) else Epochs(data, 1, 0).samples
    if samples != stage.samples:
        raise ValueError(
            f"Stage {stage.stage} of the backup had other data. Received: {samples} examples. "
            f"Expected: {stage.samples}. Use another directory, or the same data"
        )


@contextlib.contextmanager
def _carried(model):
    """The positions of generators go with the weights while a file is written or read."""
    holder = StateInWeights(lambda: ({}, []), lambda meta, arrays: None)
    holder.attach(model, _FINISHED)
    try:
        yield
    finally:
        holder.detach(model, _FINISHED)


def _data_for(method, data):
    """What a method is to see of a stage: all of it, or its inputs."""
    if method.needs_targets:
        return data
    return data.map(lambda x, *_: x) if _is_data_set(data) else data[0]


class _StageStart(Reinit):
    """One round of training, which begins with a strategy."""

    def __init__(self, method, until, seed, number, data, batches):
        given = _data_for(method, data) if method.needs_data else None
        super().__init__(method, until, rounds=1, data=given, seed=seed, before_first=True)
        self._number = number
        self._size = None if batches is None else (batches.samples, batches.batch_size)

    def context(self, index, training_seed):
        return dataclasses.replace(super().context(index, training_seed), round=self._number)

    def get_config(self):
        return {**super().get_config(), "data": self._size}

    @property
    def converged(self):
        """Whether the rule's goal was reached."""
        return self.until.converged(self._training.state.progress)


class _Clock(keras.callbacks.Callback):
    """Tells `Epochs` which epoch begins; counts them, and their seconds without evaluation."""

    async_safe = True

    def __init__(self, batches):
        super().__init__()
        self._batches = batches
        self._generators = torch_states()

    def set_model(self, model):
        super().set_model(model)
        self.epochs, self.seconds, self.logs, self._start = 0, 0.0, {}, None
        self._holder = StateInWeights(self._write, self._read)
        self._holder.attach(model, _CLOCK)

    def on_train_begin(self, logs=None):
        set_torch_states(self._generators)  # a model's first `fit` looks at a batch before

    def on_epoch_begin(self, epoch, logs=None):
        self._holder.listening = False
        if self._batches is not None:
            self._batches.epoch = epoch
        self._start = time.perf_counter()

    def on_test_begin(self, logs=None):
        self._stop()

    def on_epoch_end(self, epoch, logs=None):
        self._stop()
        self.epochs += 1
        self.logs = {
            name: float(value)
            for name, value in (logs or {}).items()
            if np.ndim(value) == 0 and not name.startswith("reinit_")
        }

    def _stop(self):
        if self._start is not None:
            self.seconds += time.perf_counter() - self._start
            self._start = None

    def on_train_end(self, logs=None):
        self._holder.detach(self.model, _CLOCK)

    def _write(self):
        return {"epochs": self.epochs, "seconds": self.seconds, "logs": self.logs}, []

    def _read(self, meta, arrays):
        self.epochs, self.seconds, self.logs = meta["epochs"], meta["seconds"], meta["logs"]
