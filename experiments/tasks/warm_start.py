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
import shutil
import time

import keras
import numpy as np

import keras_reinit as kr
from experiments import data, devices, networks, protocol, store
from experiments.course import Curves
from experiments.errors import UsageError, unknown
from keras_reinit.core import fold_in

SCHEMES = ("halves", "transfer", "stream", "repeat")
STRATEGIES = ("random", "warm", "shrink_perturb")
COLUMNS = ("samples", "epochs", "steps", "converged")  # of a stage, as WarmStart records it
BACKUP_SECONDS = 60  # at least, between two backups within a stage
WORDS = 5000  # vocabulary of texts (ours)
PROBE_SECONDS, PROBE_STEPS = 1, 200  # steps are timed for about so long, and no more of them
# For a plan, which looks into no data set: examples of the training split, shape and classes.
KNOWN = {
    "fashion_mnist": (60_000, (28, 28, 1), 10),
    "mnist": (60_000, (28, 28, 1), 10),
    "svhn_cropped": (73_257, (32, 32, 3), 10),
    "cifar100": (50_000, (32, 32, 3), 100),
    "imdb_reviews": (25_000, (), 2),  # a text's shape is the run's length
}
OTHERS = (50_000, (32, 32, 3), 10)


@dataclasses.dataclass(frozen=True)
class WarmStartRun:
    """One network over all its stages; the defaults are the paper's.

    With "halves" and "transfer", the strategy acts once: before the last stage. A run of "random"
    has that stage alone, since nothing of what was before is left.

    Args:
        dataset: as `experiments.data.load` names it, or a set of texts for "birnn".
        network: of `experiments.networks.NETWORKS`.
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
        noise: "fresh" or "gaussian", as `keras_reinit.training.ShrinkPerturb`.
        last_layer: shrink and perturb the head alone.
        optimizer: "sgd" or "adam".
        learning_rate: of it.
        decay_epochs: a stage's epochs after each of which the rate is a tenth of what it was, or
            None for a constant rate.
        batch_size: examples of a batch.
        weight_decay: as `experiments.networks.decayed`.
        penalty: of `experiments.networks.PENALTIES`.
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

    @property
    def spec(self):
        """The run as the store knows it."""
        return {"task": "warm_start", **dataclasses.asdict(self)}


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


def check(spec, context):
    """Raise `UsageError` if a run cannot start; reads no example and takes no time."""
    run = _run(spec)
    for name, expected in (
        ("network", networks.NETWORKS),
        ("strategy", STRATEGIES),
        ("scheme", SCHEMES),
        ("optimizer", networks.OPTIMIZERS),
        ("penalty", networks.PENALTIES),
    ):
        if getattr(run, name) not in expected:
            raise UsageError(unknown(name, getattr(run, name), expected))
    if not (0 < run.first <= 1 and 0 < run.held_out < 1):
        raise UsageError(
            f"Shares of the examples. Received: first={run.first}, held_out={run.held_out}. "
            "Expected 0 < first <= 1 and 0 < held_out < 1."
        )
    transfer = run.scheme == "transfer" and run.strategy != "random"
    if transfer != (run.source is not None) or (transfer and run.network == "birnn"):
        raise UsageError(
            "A transfer, and nothing else, has a source, an image set. Received: "
            f"scheme='{run.scheme}', strategy='{run.strategy}', network='{run.network}', "
            f"source={run.source!r}. Expected None for another scheme than 'transfer', or where "
            "'random' leaves nothing of it."
        )
    if transfer:
        data.count(run.source, context.data_dir, context.download, size=run.train_size)
    count = data.count_text if run.network == "birnn" else data.count
    available, _ = count(run.dataset, context.data_dir, context.download, size=run.train_size)
    trained = data.trained(available, run.held_out)
    if min(int(run.first * trained), available - trained) < 1:
        raise UsageError(
            f"Not enough examples. Received: train_size={run.train_size}, first={run.first}, "
            f"held_out={run.held_out}, with {available} of '{run.dataset}'. Expected at least one "
            "in every stage and one held out."
        )


def execute(spec, context):
    """Train over all stages; returns the result.

    Raises:
        UsageError: as `check`.
    """
    check(spec, context)
    run = _run(spec)
    part, source = _examples(run, run.dataset, context), None
    if run.source:
        source = data.alike(_examples(run, run.source, context), part.x.shape[1:])
    classes = max(part.classes, source.classes if source else 0)
    model = _model(run, part.x.shape[1:], classes)
    protocol.restart(model, run.seed, run.learning_rate)
    folder = None if context.backups is None else context.backups / store.digest(run.spec)
    try:
        result = _train(run, model, part, source, folder, context.callbacks)
    except Exception:
        networks.compiled.cache_clear()  # whatever a training that broke off has left in the model
        raise
    if folder is not None:
        shutil.rmtree(folder, ignore_errors=True)
    return result


def steps(spec):
    """The most optimizer steps of a run."""
    run = _run(spec)
    available, _, _ = KNOWN.get(run.dataset, OTHERS)
    trained = data.trained(run.train_size or available, run.held_out)
    source, _, _ = KNOWN.get(run.source, OTHERS)
    return sum(
        phase.until.max_epochs * -(-size // phase.batch_size)
        for phase in _phases(run, trained, data.trained(run.train_size or source, run.held_out))
        for size in phase.sizes
    )


def step_key(spec):
    """Runs with the same key take the same time for a step."""
    run = _run(spec)
    network = f"{run.network} x{run.width:g} {run.norm}" if _is_resnet(run) else run.network
    return network, run.dataset, run.optimizer, run.penalty, run.batch_size


def seconds_per_step(spec):
    """The time of an optimizer step, measured on a batch of generated examples, over and over."""
    run = _run(spec)
    texts: tuple = (None, (run.length,), 2)
    _, shape, classes = texts if run.network == "birnn" else KNOWN.get(run.dataset, OTHERS)
    rng = np.random.default_rng(0)
    x = rng.integers(256, size=(run.batch_size, *shape), dtype="uint8")
    model = _model(run, shape, classes)
    batch = data.full_batch(x, np.arange(run.batch_size) % classes)
    seconds = [_timed(model, batch, 1) for _ in range(2)][-1]  # the first one compiles
    count = max(1, min(PROBE_STEPS, round(PROBE_SECONDS / seconds)))
    return _timed(model, batch, count) / count


def _timed(model, batch, steps):
    start = time.perf_counter()
    model.fit(batch.take(steps), shuffle=False, verbose=0)
    return time.perf_counter() - start


def _run(spec):
    return WarmStartRun(**{name: value for name, value in spec.items() if name != "task"})


def _is_resnet(run):
    return run.network == "resnet18"


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
    return kr.training.ShrinkPerturb(run.shrink, run.perturb, run.noise, where)


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
        interval=BACKUP_SECONDS,
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
        return np.load(file)
    np.save(unfinished, weights)
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
