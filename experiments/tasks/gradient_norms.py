"""Do old and new examples pull alike? Gradient norms after new examples have come.

A network is trained on a share of the examples as in `warm_start`; from its solution, the training
on all examples begins once as it is ("warm") and once for each factor, shrunk and perturbed. A
norm is that of the mean gradient over a batch of examples of one kind, in training mode; the mean
of `BATCHES` batches, the same ones always. Old examples are those of the first phase. A run that is
killed goes on within its first phase, and repeats the short trainings after it.
"""

import dataclasses
import functools
import shutil

import keras

import keras_reinit as kr
from experiments import data, networks, protocol, store
from experiments.errors import UsageError
from experiments.tasks import warm_start
from keras_reinit.core import fold_in

BATCHES = 8  # of old and of new examples, where there are so many


@dataclasses.dataclass(frozen=True)
class GradientNormsRun:
    """One solution, and all trainings that begin with it; the defaults are the paper's.

    Args:
        dataset: as `experiments.data.load` names it.
        network: of `experiments.networks.NETWORKS`, but for "birnn".
        seed: of weights, examples, batches and noise.
        train_size: examples of the training split, those held out included, or None for all.
        held_out: share of them that is not trained on, as in all other runs.
        first: share of the others that are old.
        shrink: factors on the weights; each makes one training.
        perturb: factor on the fresh draw of each of them.
        optimizer: "sgd" or "adam".
        learning_rate: of it, on all examples.
        first_learning_rate: on the old ones.
        batch_size: examples of a batch.
        epochs: of each training on all examples (ours).
        norm: normalisation of "resnet18".
        width: multiplier of its filters.
        goal: running training accuracy that ends the first phase.
        patience: epochs without a better one that end it, too, or None.
        max_epochs: its most epochs.
    """

    dataset: str
    network: str = "resnet18"
    seed: int = 0
    train_size: int | None = None
    held_out: float = 1 / 3
    first: float = 0.5
    shrink: tuple[float, ...] = (0.8, 0.6, 0.4, 0.2)
    perturb: float = 0.01
    optimizer: str = "sgd"
    learning_rate: float = 0.001
    first_learning_rate: float = 0.001
    batch_size: int = 128
    epochs: int = 20
    norm: str | None = "batch"
    width: float = 1.0
    goal: float = 0.99
    patience: int | None = 10
    max_epochs: int = 350

    @property
    def spec(self):
        """The run as the store knows it."""
        values = dataclasses.asdict(self)
        return {"task": "gradient_norms", **values, "shrink": list(self.shrink)}

    @property
    def phases(self):
        """The two phases of a warm start, as `warm_start` knows them, to plan and to check."""
        known = {field.name for field in dataclasses.fields(warm_start.WarmStartRun)}
        values = {name: value for name, value in dataclasses.asdict(self).items() if name in known}
        return warm_start.WarmStartRun(**values | {"strategy": "warm", "shrink": 1.0})


def check(spec, context):
    """Raise `UsageError` if a run cannot start; reads no example and takes no time."""
    run = _run(spec)
    warm_start.check(run.phases.spec, context)
    available, _ = data.count(run.dataset, context.data_dir, context.download, size=run.train_size)
    trained = data.trained(available, run.held_out)
    old = int(run.first * trained)
    if min(old, trained - old) < run.batch_size:
        raise UsageError(
            "Norms are those of whole batches of old and of new examples. Received: batch_size="
            f"{run.batch_size}, {old} old and {trained - old} new examples of '{run.dataset}'. "
            "Expected a smaller batch, or more examples."
        )


def execute(spec, context):
    """Train the first phase, then once from each start; returns the norms.

    Returns:
        A dict: "starts", a list of names; "old" and "new", for each start a list of norms, before
        the first epoch on all examples and after every one; "train_accuracy" of each start in its
        last epoch, "first_accuracy" of the first phase in its own.

    Raises:
        UsageError: as `check`.
    """
    check(spec, context)
    run = _run(spec)
    whole = data.load(run.dataset, context.data_dir, context.download)
    part = data.shuffled(whole, run.seed, run.train_size, run.held_out)
    old = int(run.first * len(part.y))
    model = _model(run, part.x.shape[1:], part.classes)
    protocol.restart(model, run.seed, run.first_learning_rate)
    until = kr.rounds.Accuracy(run.goal, run.max_epochs, patience=run.patience)
    folder = None if context.backups is None else context.backups / store.digest(spec)
    (first,) = _stage(run, model, "first", "warm", until, folder).run(
        [(part.x[:old], part.y[:old])], callbacks=context.callbacks
    )
    solution = model.get_weights()
    found = {"starts": [], "old": [], "new": [], "train_accuracy": []}
    for name, strategy in _starts(run):
        model.set_weights(solution)
        kr.reset_optimizer(model.optimizer, run.learning_rate)
        norms = GradientNorms(
            {"old": (part.x[:old], part.y[:old]), "new": (part.x[old:], part.y[old:])},
            run.batch_size,
        )
        (stage,) = _stage(run, model, "rest", strategy, kr.rounds.Fixed(run.epochs)).run(
            [(part.x, part.y)], callbacks=[norms, *context.callbacks]
        )
        found["starts"].append(name)
        found["train_accuracy"].append(stage.logs["accuracy"])
        for kind, values in norms.values.items():
            found[kind].append(values)
    if folder is not None:
        shutil.rmtree(folder, ignore_errors=True)
    return found | {"first_accuracy": first.logs["accuracy"]}


def steps(spec):
    """The most optimizer steps of a run."""
    run = _run(spec)
    first, rest = (
        warm_start.steps(phase.spec)
        for phase in (
            dataclasses.replace(run.phases, scheme="repeat", rounds=1),
            dataclasses.replace(
                run.phases, scheme="repeat", rounds=1, goal=None, max_epochs=run.epochs
            ),
        )
    )
    return int(run.first * first) + len(_starts(run)) * rest


def step_key(spec):
    """Runs with the same key take the same time for a step."""
    return warm_start.step_key(_run(spec).phases.spec)


def seconds_per_step(spec):
    """The time of an optimizer step; that of the norms is not in it."""
    return warm_start.seconds_per_step(_run(spec).phases.spec)


def _run(spec):
    values = {name: value for name, value in spec.items() if name != "task"}
    return GradientNormsRun(**values | {"shrink": tuple(spec["shrink"])})


def _model(run, shape, classes):
    return networks.compiled(
        run.network, shape, classes, run.norm, run.width, None, run.optimizer, 0.0, "none", 0.0
    )


def _stage(run, model, name, strategy, until, folder=None):
    """A single stage that begins with the strategy; all of one name have the same batches."""
    seed = fold_in(run.seed, name)
    return kr.training.WarmStart(
        model, strategy, until, run.batch_size, seed, perturb_first=True, backup_dir=folder
    )


def _starts(run):
    """Name and strategy of each training on all examples."""
    shrunk = [
        (f"shrink {shrink:g}", kr.training.ShrinkPerturb(shrink, run.perturb))
        for shrink in run.shrink
    ]
    return [("warm", "warm"), *shrunk]


class GradientNorms(keras.callbacks.Callback):
    """Gradient norms of kinds of examples, before the first epoch and after every one.

    Listed after the method that acts when a stage begins. Nothing of the model is changed.

    Args:
        kinds: dict {name: (x, y)}, each of at least a batch.
        batch_size: examples of a batch.
    """

    def __init__(self, kinds, batch_size):
        super().__init__()
        self._batches = {
            name: [
                (x[start : start + batch_size], y[start : start + batch_size])
                for start in range(0, len(y) - batch_size + 1, batch_size)[:BATCHES]
            ]
            for name, (x, y) in kinds.items()
        }
        self.values = {name: [] for name in kinds}

    def on_epoch_begin(self, epoch, logs=None):
        if epoch == 0:
            self._measure()

    def on_epoch_end(self, epoch, logs=None):
        self._measure()

    def _measure(self):
        before = [variable.numpy() for variable in self.model.non_trainable_variables]
        norm = _norm_of(self.model)
        for name, batches in self._batches.items():
            norms = [float(norm(x, y)) for x, y in batches]
            self.values[name].append(float(f"{sum(norms) / len(norms):.5g}"))
        for variable, value in zip(self.model.non_trainable_variables, before, strict=True):
            variable.assign(value)


@functools.lru_cache(maxsize=1)
def _norm_of(model):
    """The norm of the mean gradient over a batch, as a function that is traced once."""
    import tensorflow as tf

    cross_entropy = keras.losses.SparseCategoricalCrossentropy(from_logits=True)

    @tf.function(reduce_retracing=True)
    def norm(x, y):
        with tf.GradientTape() as tape:
            loss = cross_entropy(y, model(x, training=True))
        return tf.linalg.global_norm(tape.gradient(loss, model.trainable_variables))

    return norm
