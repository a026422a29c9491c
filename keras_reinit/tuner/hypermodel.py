"""The search space of methods and their parameters, and how a trial is trained and scored."""

import keras
import keras_tuner
import numpy as np
from keras_tuner.errors import FatalTypeError, FatalValueError
from keras_tuner.src.engine.tuner_utils import SaveBestEpoch

from keras_reinit.callbacks import Reinit
from keras_reinit.core import fold_in, resolve_seed
from keras_reinit.keras_private import compile_arguments
from keras_reinit.methods.method import check_usable
from keras_reinit.model import ReinitModel, renew
from keras_reinit.rounds import Fixed, Progress
from keras_reinit.tuner.space import OF_ALL, Space
from keras_reinit.weights.optimizer import set_learning_rate, set_weight_decay

_SAMPLE = 256  # training examples on which LW measures the output of a block


class ReinitHyperModel(keras_tuner.HyperModel):
    """A search space of re-initialisation methods around a model-building function.

    `search(..., epochs=E)` gives every trial the same budget: R rounds of `E // R` epochs, where LW
    has `blocks * iterations` rounds, and "BL", plain training, has one. The score is that of the
    network that training ends with, the last round's, and not the best epoch of all; the checkpoint
    of a trial, and so `get_best_models`, is that network.

    Each range is (low, high), a number that is not tuned, or, for rate and decay, None to leave the
    compiled optimizer alone. They are the hyperparameters "method", "rounds", "learning_rate",
    "weight_decay" and those of the methods, such as "shrink", inactive where a method has none.
    `build` may tune more. Where `Hyperband` gives a trial longer rounds, it starts over.

    Args:
        build: function from `keras_tuner.HyperParameters` to a built and compiled `keras.Model`, or
            a `keras_tuner.HyperModel`. Where LW is among the methods, each model is wrapped into a
            `ReinitModel` and keeps what it was compiled with, but no `train_step` of its own.
        methods: letters of the papers ("BL" is plain training), or values of
            `keras_reinit.methods`, which are taken as they are; None for all letters.
        rounds: ints, at least 1, for the methods whose number of rounds is free.
        learning_rate: above 0 (a logarithmic scale); where the optimizer follows a schedule, None.
        weight_decay: above 0 (a logarithmic scale), as the optimizer's argument of that name.
        until: from the epochs of a round to a rule of `keras_reinit.rounds` that ends it.
        blocks: as `ReinitModel` takes them.
        sample: inputs that LW measures the output of a block on; None for the first 256 training
            examples.
        seed: int: execution i of every trial draws its first weights and all else that a method
            draws from `(seed, i)`. None: the first weights are those that `build` returns.
        **ranges: ranges of the methods' parameters, in place of those of
            `keras_reinit.methods.METHODS`: `iterations` (LW), `shrink` and `perturb` (S&P),
            `fraction` (WELSR, WELS and DSD), and so on.

    Raises:
        ValueError: if a method or a range is none. When a tuner is made or searches, as a
            `keras_tuner.errors.FatalError` that ends the search: if `build` returns no such model,
            `epochs` is missing or too small for the rounds, the validation is not that of every
            epoch, or the search in the same directory had other methods.

    Example:
        >>> hypermodel = ReinitHyperModel(build, methods=("BL", "S&P"), rounds=(2, 5), seed=0)
        >>> tuner = keras_tuner.RandomSearch(
        ...     hypermodel, keras_tuner.Objective("val_accuracy", "max"), max_trials=20
        ... )
        >>> tuner.search(x, y, epochs=50, validation_data=validation)
        >>> print(table(tuner))
    """

    def __init__(
        self,
        build,
        methods=None,
        *,
        rounds=(2, 10),
        learning_rate=(1e-4, 1e-1),
        weight_decay=(1e-5, 1e-1),
        until=Fixed,
        blocks="auto",
        sample=None,
        seed=None,
        **ranges,
    ):
        super().__init__()
        self.network = build
        of_training = {"learning_rate": learning_rate, "weight_decay": weight_decay}
        self.space = Space(methods, {"rounds": rounds, **ranges, **of_training})
        self.methods = tuple(self.space.methods)
        self.until = until
        self.blocks = blocks
        self.sample = sample
        self.seed = seed if seed is None else resolve_seed(seed)
        self._values = None  # of the trial under way
        self._execution = 0
        self._untrained = None

    def declare_hyperparameters(self, hp):
        self.space.declare(hp)

    def build(self, hp):
        if not self.space.names <= {known.name for known in hp.space}:
            self.space.declare(hp)  # not again: KerasTuner would build for every condition
        if hp.get("method") not in self.methods:
            raise FatalValueError(
                "The search that is in the directory already was another one. Received: "
                f"method='{hp.get('method')}' of a trial, methods={self.methods}. Expected "
                "another directory or project name, or overwrite=True"
            )
        model = self._network(hp)
        self._set_optimizer(hp, model)
        self._untrained = None
        if "tuner/trial_id" in hp.values:  # Hyperband is about to load a trained network
            self._untrained = [np.array(variable) for variable in _variables(model)]
        return model

    def fit(self, hp, model, *args, **kwargs):
        if "tuner/epochs" in hp.values:
            del kwargs["initial_epoch"]
        given = kwargs.pop("callbacks", None) or []
        callbacks = [callback for callback in given if not isinstance(callback, SaveBestEpoch)]
        if any(isinstance(callback, Reinit) for callback in callbacks):
            raise FatalValueError(
                "The search chooses the method. Received: callbacks with a re-initialisation "
                "method. Expected none"
            )
        seed = self._begin_execution(hp, model)
        inputs = args[0] if args else kwargs.get("x")
        targets = args[1] if len(args) > 1 else kwargs.get("y")
        method = self._callback(hp, model, kwargs.get("epochs"), (inputs, targets), seed)
        kwargs["callbacks"] = [method, *callbacks]
        if isinstance(self.network, keras_tuner.HyperModel):
            history = self.network.fit(hp, model, *args, **kwargs)
        else:
            history = model.fit(*args, **kwargs)
        if not isinstance(history, keras.callbacks.History):
            raise FatalTypeError(
                "The `fit` of the wrapped HyperModel returns what `model.fit` returns. Received: "
                f"{history!r}. Expected a keras.callbacks.History"
            )
        scores = _scores(history.history, method.until)
        for checkpoint in given:
            if isinstance(checkpoint, SaveBestEpoch):  # of the executions, the best
                checkpoint.set_model(model)
                checkpoint.on_epoch_end(len(history.epoch) - 1, scores)
        return scores

    # The network.

    def _network(self, hp):
        by_user = self.network
        build = by_user.build if isinstance(by_user, keras_tuner.HyperModel) else by_user
        model = build(hp)
        if not (
            isinstance(model, keras.Model) and model.built and getattr(model, "optimizer", None)
        ):
            raise FatalTypeError(
                "`build` returns a keras.Model that has weights and is compiled. Received: "
                f"{model!r}. Expected a model with an Input and a call of `compile`"
            )
        if not self.space.needs_blocks or isinstance(model, ReinitModel):
            return model
        try:
            wrapped = ReinitModel(model, self.blocks)
        except ValueError as error:
            raise FatalValueError(
                f"LW needs a network that can be cut into blocks. Received: {error}. Expected "
                "`blocks=...`, or `methods` without 'LW'"
            ) from error
        wrapped.compile(**compile_arguments(model))
        return wrapped

    def _set_optimizer(self, hp, model):
        rate, decay = (self.space.value(hp, name) for name in OF_ALL)
        if rate is not None:
            set_learning_rate(model.optimizer, rate)
        if decay is not None:
            set_weight_decay(model.optimizer, decay)
        if not model.optimizer.built:
            model.optimizer.build(model.trainable_variables)

    # A training.

    def _begin_execution(self, hp, model):
        """Make the network untrained; returns the seed of the method."""
        self._execution = self._execution + 1 if hp.values == self._values else 0
        self._values = dict(hp.values)
        if self._untrained is not None:
            for variable, value in zip(_variables(model), self._untrained, strict=True):
                variable.assign(value)
        self._set_optimizer(hp, model)  # again: the tuner may have compiled the model anew
        if self.seed is None:
            return None
        seed = fold_in(self.seed, "execution", self._execution)
        renew(model, seed)
        return seed

    def _callback(self, hp, model, epochs, examples, seed):
        method = self.space.method(hp)
        rounds = self.space.rounds(hp) or method.rounds(model)
        hyperband = "tuner/epochs" in hp.values
        if epochs is None or (epochs < rounds and not hyperband):
            raise FatalValueError(
                "`epochs` is the budget that the rounds of a trial share. Received: "
                f"search(epochs={epochs}) for {rounds} rounds of {hp.get('method')}. Expected at "
                "least as many, or fewer rounds or iterations"
            )
        until = self.until(max(1, epochs // rounds))
        data = self._data(method, examples)
        try:
            check_usable(method, model, data)
        except ValueError as error:
            raise FatalValueError(f"A method cannot work on this network: {error}") from error
        return Reinit(method, until, rounds, data, seed)

    def _data(self, method, examples):
        """What a method measures the network on, of what `search` was given."""
        inputs, targets = examples
        if not method.needs_data:
            return None
        if not method.needs_targets:
            return _sample(inputs) if self.sample is None else self.sample
        return inputs if targets is None else (inputs, targets)


def _variables(model):
    return [*model.weights, *model.optimizer.variables]


def _scores(history, until):
    """The metrics of the network that training ended with."""
    rounds = history["reinit_round"]
    sparse = [name for name, values in history.items() if len(values) != len(rounds)]
    if sparse:
        raise FatalValueError(
            "The last round is scored by what was measured after each of its epochs. Received: "
            f"{sparse}, which some epochs lack. Expected validation_freq=1"
        )
    counted, progress = len(rounds) - 1, Progress()
    if until.restore_best:
        for epoch in range(rounds.index(rounds[-1]), len(rounds)):
            progress = until.update(progress, history[until.monitor][epoch])
            counted = epoch if progress.wait == 0 else counted
    return {
        name: float(values[counted])
        for name, values in history.items()
        if not name.startswith("reinit_")
    }


def _sample(data):
    """The first training inputs: of arrays, or of a data set of batches."""
    if all(hasattr(array, "shape") for array in keras.tree.flatten(data)):
        return keras.tree.map_structure(lambda array: array[:_SAMPLE], data)
    if isinstance(data, keras.utils.PyDataset):
        batches = (data[index] for index in range(len(data)))
    elif hasattr(data, "__iter__") and not hasattr(data, "__next__"):
        batches = iter(data)
    else:
        raise FatalValueError(
            "LW measures blocks on training examples, and a generator gives them only once. "
            f"Received: x of {type(data)}. Expected `sample=...`, or arrays or a data set"
        )
    taken, count = [], 0
    for batch in batches:
        inputs, _, _ = keras.utils.unpack_x_y_sample_weight(batch)
        taken.append(keras.tree.map_structure(np.asarray, inputs))
        count += len(keras.tree.flatten(inputs)[0])
        if count >= _SAMPLE:
            break
    return keras.tree.map_structure(lambda *parts: np.concatenate(parts)[:_SAMPLE], *taken)
