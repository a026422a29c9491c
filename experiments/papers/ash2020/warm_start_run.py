"""One network trained again and again while its data set grows, as Ash & Adams 2020 do.

A third of the examples, drawn by the seed, is held out and only ever measured; the others come in
an order that the seed fixes, so that strategies with one seed see the same stages and the same
batches. There is neither augmentation nor early stopping: a stage ends at 99 % running training
accuracy, the rule of the public code, or where that has not grown for `patience` epochs, or at
`max_epochs`; those two are ours, for models that never get there.

A result has lists with one entry a stage: "samples", "epochs", "steps", "converged",
"train_seconds" (of training alone), "train_accuracy" (running, of the last epoch) and "accuracy"
(of the examples held out). "correlation" (Pearson) and "rank_correlation" (Spearman) compare the
weights after the last stage with those that the stage before it ended with.
"""

import dataclasses
import os
import time

import keras
import numpy as np

import keras_reinit as kr
from experiments import data
from experiments.engine import devices
from experiments.engine.errors import BackupLost, UsageError
from experiments.engine.run import Run
from experiments.papers.ash2020 import networks
from experiments.training import protocol
from experiments.training.curves import Curves
from keras_reinit.core import fold_in

SCHEMES = ("halves", "transfer", "stream", "repeat")
STRATEGIES = ("random", "warm", "shrink_perturb")
COLUMNS = ("samples", "epochs", "steps", "converged")  # of a stage, as WarmStart records it
WORDS = 5000  # vocabulary of texts (ours)
PROBE_SECONDS, PROBE_STEPS = 1, 200  # steps are timed for about so long, and no more of them


@dataclasses.dataclass(frozen=True)
class WarmStartRun(Run):
    """One network over all its stages; the defaults are the paper's.

    With "halves" and "transfer", the strategy acts once: before the last stage. A run of "random"
    has that stage alone, since nothing of what was before is left.

    Args:
        dataset: as `experiments.data.load` names it, or a set of texts for "birnn".
        network: of `networks.NETWORKS`.
        strategy: "random", "warm" or "shrink_perturb".
        seed: of weights, examples, batches and noise.
        scheme: "halves": the share `first` of the examples, then all; "transfer": all of `source`,
            then the share `first`; "stream": `stage_size` more a stage, up to all; "repeat": all,
            `rounds` times.
        train_size: examples of the training split, those held out included, or None for all.
        held_out: share of them that is measured on.
        first: share of the examples, in (0, 1].
        source: the data set that "transfer" begins with, `train_size` of it, too; None for
            "random". Its images are brought to the size and channels of the others. Where it has
            more classes the head has as many, and keeps them; that of a random start has its own.
        stage_size: examples that each stage of "stream" adds.
        rounds: stages of "repeat".
        shrink: factor on the weights, of "shrink_perturb".
        perturb: factor on the fresh draw.
        noise: "fresh" or "gaussian", as `keras_reinit.methods.ShrinkPerturb`.
        last_layer: shrink and perturb the head alone.
        optimizer: "sgd" or "adam".
        learning_rate: of it.
        decay_epochs: a stage's epochs after each of which the rate is a tenth of what it was, or
            None for a constant rate.
        batch_size: examples of a batch.
        weight_decay: as `networks.decayed`.
        penalty: of `networks.PENALTIES`.
        strength: of the penalty.
        first_learning_rate: of the first stage of "halves" and "transfer", or None for
            `learning_rate`.
        first_batch_size: likewise.
        first_epochs: exactly so many epochs of the first stage, or None to train it as the others.
        head_first: put a stage between the two of "halves", on all examples, in which only the head
            is trained, on what the other layers make of them.
        norm: normalisation of "resnet18".
        width: multiplier of its filters; 1 is the original, 0.25 the public code's.
        length: words of a text.
        goal: running training accuracy that ends a stage, or None for `max_epochs` always.
        patience: epochs without a better training accuracy that end it too, or None.
        max_epochs: most epochs of a stage.
        curves: record training and held-out accuracy after every epoch.
    """

    task = "warm_start"
    fitted = True

    dataset: str
    network: str
    strategy: str
    seed: int = 0
    scheme: str = "halves"
    train_size: int | None = None
    held_out: float = 1 / 3
    first: float = 0.5
    source: str | None = None
    stage_size: int = 1000
    rounds: int = 20
    shrink: float = 1.0
    perturb: float = 0.0
    noise: str = "fresh"
    last_layer: bool = False
    optimizer: str = "sgd"
    learning_rate: float = 0.001
    decay_epochs: int | None = None
    batch_size: int = 128
    weight_decay: float = 0.0
    penalty: str = "none"
    strength: float = 0.0
    first_learning_rate: float | None = None
    first_batch_size: int | None = None
    first_epochs: int | None = None
    head_first: bool = False
    norm: str | None = "batch"
    width: float = 1.0
    length: int = 256
    goal: float | None = 0.99
    patience: int | None = 10
    max_epochs: int = 350
    curves: bool = False

    def check(self, context):
        self.check_names(
            network=networks.NETWORKS,
            strategy=STRATEGIES,
            scheme=SCHEMES,
            optimizer=networks.OPTIMIZERS,
            penalty=networks.PENALTIES,
        )
        if not (0 < self.first <= 1 and 0 < self.held_out < 1):
            raise UsageError(
                f"Shares of the examples. Received: first={self.first}, held_out={self.held_out}. "
                "Expected 0 < first <= 1 and 0 < held_out < 1."
            )
        transfer = self.scheme == "transfer" and self.strategy != "random"
        if transfer != (self.source is not None) or (transfer and self.network == "birnn"):
            raise UsageError(
                "A transfer, and nothing else, has a source, an image set. Received: "
                f"scheme='{self.scheme}', strategy='{self.strategy}', network='{self.network}', "
                f"source={self.source!r}. Expected None for another scheme than 'transfer', or "
                "where 'random' leaves nothing of it."
            )
        if transfer:
            data.count(self.source, context.data_dir, context.download, size=self.train_size)
        count = data.count_text if self.network == "birnn" else data.count
        available, _ = count(self.dataset, context.data_dir, context.download, size=self.train_size)
        trained = data.trained(available, self.held_out)
        if min(int(self.first * trained), available - trained) < 1:
            raise UsageError(
                f"Not enough examples. Received: train_size={self.train_size}, first={self.first}, "
                f"held_out={self.held_out}, with {available} of '{self.dataset}'. Expected at "
                "least one in every stage and one held out."
            )

    def result(self, context, folder):
        """Train over all stages; returns the result."""
        part, source = _examples(self, self.dataset, context), None
        if self.source:
            source = data.alike(_examples(self, self.source, context), part.x.shape[1:])
        classes = max(part.classes, source.classes if source else 0)
        model = _model(self, part.x.shape[1:], classes)
        protocol.restart(model, self.seed, self.learning_rate)
        return _train(self, model, part, source, folder, context.callbacks)

    @property
    def total_steps(self):
        available, _, _ = data.known(self.dataset)
        source, _, _ = data.known(self.source)
        trained = [
            data.trained(self.train_size or size, self.held_out) for size in (available, source)
        ]
        return sum(
            phase.until.max_epochs * -(-size // phase.batch_size)
            for phase in _phases(self, *trained)
            for size in phase.sizes
        )

    @property
    def step_key(self):
        network = self.network
        if network == "resnet18":
            network += f" x{self.width:g} {self.norm}"
        return network, self.dataset, self.optimizer, self.penalty, self.batch_size

    def seconds_per_step(self):
        texts: tuple = (None, (self.length,), 2)
        _, shape, classes = texts if self.network == "birnn" else data.known(self.dataset)
        rng = np.random.default_rng(0)
        x = rng.integers(256, size=(self.batch_size, *shape), dtype="uint8")
        model = _model(self, shape, classes)
        batch = data.full_batch(x, np.arange(self.batch_size) % classes)
        seconds = [_timed(model, batch, 1) for _ in range(2)][-1]  # the first one compiles
        count = max(1, min(PROBE_STEPS, round(PROBE_SECONDS / seconds)))
        return _timed(model, batch, count) / count


@dataclasses.dataclass(frozen=True)
class Phase:
    """Stages that are trained in one way.

    Args:
        name: "first", "head" or "rest"; it has a random stream of its own.
        sizes: examples of each stage.
        strategy: what acts before a stage.
        acts_first: whether it does before the first of these stages, too.
        learning_rate: of the optimizer.
        batch_size: examples of a batch.
        until: rule that ends a stage.
    """

    name: str
    sizes: list
    strategy: object
    acts_first: bool
    learning_rate: float
    batch_size: int
    until: kr.rounds.Rule


def _timed(model, batch, steps):
    start = time.perf_counter()
    model.fit(batch.take(steps), shuffle=False, verbose=0)
    return time.perf_counter() - start


def _examples(run, name, context):
    """The examples of a set in the order of the run's seed."""
    arguments = name, context.data_dir, context.download
    if run.network == "birnn":
        whole, words = data.load_text(*arguments, run.length), WORDS
    else:
        whole, words = data.load(*arguments), None
    return data.shuffled(whole, run.seed, run.train_size, run.held_out, words)


def _model(run, shape, classes):
    """A compiled network for all runs that differ in nothing it is made of."""
    return networks.compiled(
        run.network, shape, classes, run.norm, run.width, WORDS, run.optimizer, run.weight_decay,
        run.penalty, run.strength,
    )  # fmt: skip


# The training.


def _phases(run, trained, source):
    """The phases of a run.

    Args:
        run: `WarmStartRun`.
        trained: number of examples that are trained on.
        source: number of examples that "transfer" begins with.
    """
    settings = run.learning_rate, run.batch_size, _rule(run, run.goal, run.max_epochs)
    if run.scheme == "stream":
        sizes = [*range(run.stage_size, trained, run.stage_size), trained]
        return [Phase("rest", sizes, _strategy(run), False, *settings)]
    if run.scheme == "repeat":
        return [Phase("rest", [trained] * run.rounds, _strategy(run), False, *settings)]
    share = int(run.first * trained)
    before, after = (share, trained) if run.scheme == "halves" else (source, share)
    rest = Phase("rest", [after], _strategy(run), True, *settings)
    if run.strategy == "random":
        return [rest]
    first_settings = (
        run.first_learning_rate or run.learning_rate,
        run.first_batch_size or run.batch_size,
        _rule(run, None, run.first_epochs) if run.first_epochs else settings[-1],
    )
    first = Phase("first", [before], "warm", False, *first_settings)
    head = Phase("head", [after], "warm", False, *settings)
    return [first, *([head] if run.head_first else []), rest]


def _rule(run, goal, epochs):
    if goal is None:
        return kr.rounds.Fixed(epochs)
    return kr.rounds.Accuracy(goal, epochs, patience=run.patience)


def _strategy(run):
    if run.strategy != "shrink_perturb":
        return run.strategy
    where = "head" if run.last_layer else None
    return kr.methods.ShrinkPerturb(run.shrink, run.perturb, run.noise, where)


def _train(run, model, part, source, folder, callbacks):
    phases = _phases(run, len(part.y), len(source.y) if source else 0)
    devices.check_even(size for phase in phases for size in phase.sizes)
    last = sum(len(phase.sizes) for phase in phases) - 1
    stages, before = [], None
    curves = Curves(stages, folder) if run.curves else None
    for phase in phases:
        examples = source if phase.name == "first" and source else part
        measured = part.x_held_out, part.y_held_out
        own = [*callbacks, *([curves] if curves else [])]
        for stage in _stages(run, phase, model, examples, measured, folder, own):
            if curves:
                curves.check(stage.epochs, len(stages))
            stages.append(stage)
            if len(stages) == last:
                before = _kept(_weights(model), folder)
    found = {name: [getattr(stage, name) for stage in stages] for name in COLUMNS}
    return {
        **found,
        "train_seconds": [stage.seconds for stage in stages],
        "train_accuracy": [stage.logs["accuracy"] for stage in stages],
        "accuracy": [stage.evaluation["accuracy"] for stage in stages],
        **_correlations(before, _weights(model)),
        **(curves.columns() if curves else {}),
    }


def _stages(run, phase, model, examples, measured, folder, callbacks):
    """Train the stages of one phase; yields a `keras_reinit.training.Stage` after each."""
    x = examples.x
    if phase.name == "head":
        body, model = networks.body_and_head(model, run.optimizer)
        x = body.predict(x, batch_size=500, verbose=0)
        measured = body.predict(measured[0], batch_size=500, verbose=0), measured[1]
    if not model.optimizer.built:
        model.optimizer.build(model.trainable_variables)
    kr.reset_optimizer(model.optimizer, phase.learning_rate)
    if run.decay_epochs:
        decay = lambda epoch: phase.learning_rate * 0.1 ** (epoch // run.decay_epochs)  # noqa: E731
        callbacks = [*callbacks, keras.callbacks.LearningRateScheduler(decay)]
    warm = kr.training.WarmStart(
        model,
        phase.strategy,
        phase.until,
        phase.batch_size,
        fold_in(run.seed, phase.name),
        perturb_first=phase.acts_first,
        backup_dir=None if folder is None else folder / phase.name,
        interval=protocol.BACKUP_SECONDS,
    )
    evaluation = data.evaluation_batches(*measured)
    return warm.run(
        ((x[:size], examples.y[:size]) for size in phase.sizes),
        evaluation=evaluation,
        validation=evaluation if run.curves else None,
        callbacks=callbacks,
    )


# What is measured.


def _weights(model):
    return np.concatenate([np.ravel(variable) for variable in model.trainable_variables])


def _kept(weights, folder):
    """The weights before the last stage; those of an earlier process, where there was one."""
    if folder is None:
        return weights
    file, unfinished = folder / "before.npy", folder / "unfinished.npy"
    if file.exists():
        try:
            return np.load(file)
        except (EOFError, OSError, ValueError) as error:
            raise BackupLost(f"{error}. Received: {file}. Expected weights.") from error
    with open(unfinished, "wb") as writer:
        np.save(writer, weights)
        writer.flush()
        os.fsync(writer.fileno())
    os.replace(unfinished, file)
    return weights


def _correlations(before, after):
    """Of the weights before and after the last stage; None where nothing was before."""
    if before is None:
        return {"correlation": None, "rank_correlation": None}
    ranks = [np.argsort(np.argsort(weights)) for weights in (before, after)]
    return {
        "correlation": float(np.corrcoef(before, after)[0, 1]),
        "rank_correlation": float(np.corrcoef(ranks[0], ranks[1])[0, 1]),
    }
