"""A network trained from one of the initialisations that Arpit et al. 2019 compare.

Images are standardized channel by channel with the moments of those that are trained on.
Augmentation is flips, and crops after padding by an eighth of the side (4 on CIFAR). The learning
rate is set before every step. A run whose loss is no longer finite has diverged and ends there:
"reaches epoch 3 without diverging" is a run of three epochs that has not.

Each run takes the network that was compiled for the one before, where the two differ in nothing it
is made of, and initialises it anew: a deep network takes longer to trace than to train.

Where the poster is silent, batch, epochs, learning rate and the tenth that is held out are those of
the authors' program (github.com/victorcampos7/weightnorm-init).
"""

import dataclasses
import functools
import shutil

import keras
import numpy as np

import keras_reinit as kr
from experiments import data, devices, initializing, protocol, store
from experiments.course import Curves
from experiments.errors import UsageError, unknown
from keras_reinit import core

BACKUP_SECONDS = 60  # at least, between two backups of a run
# For a plan, which looks into no data set: images of the training split, shape and classes.
KNOWN: dict[str, tuple[int, tuple, int]] = {
    "mnist": (60_000, (28, 28, 1), 10),
    "fashion_mnist": (60_000, (28, 28, 1), 10),
    "digits": (898, (8, 8, 1), 10),
    "cifar100": (50_000, (32, 32, 3), 100),
}
OTHERS = (50_000, (32, 32, 3), 10)  # CIFAR-10
# Depths of these networks are multiples of the first number, and the second.
DEPTHS = {"plain_cnn": (1, 3), "cifar_resnet": (6, 2), "wide_resnet": (6, 4)}


@dataclasses.dataclass(frozen=True)
class InitializedRun:
    """One training run.

    Args:
        dataset: as `experiments.data.load` names it.
        network: of `experiments.initializing.NETWORKS`.
        depth: of it, as `experiments.initializing.network` counts.
        width: of it, likewise.
        norm: "weight" or "batch".
        scheme: of `keras_reinit.initialize`, None with "batch".
        v: how it draws directions, "orthogonal" with "batch".
        seed: of weights, batches and, where it is a part, of the choice of images.
        recompute: blocks of "cifar_resnet" whose activations are recomputed together, or None.
        image_size: side that images are resized to, or None to leave them as they are.
        train_size: images of the training split, those held out included, or None for all.
        validation: share of them that is held out, to choose settings with. It decides nothing
            within a run.
        test_size: the first so many test images, or None for all.
        epochs: of the training.
        batch_size: images of a batch, and of the data-dependent initialisation.
        learning_rate: of SGD.
        momentum: of SGD.
        weight_decay: `gradient = dL/dw + weight_decay * w` for all trainable variables, as the
            optimizers of PyTorch have it.
        warmup: epochs in which the learning rate grows, as `kr.training.QuadraticWarmup`.
        decay_epochs: after each of these epochs the learning rate is multiplied by `decay`.
        decay: factor.
        augment: random flips and crops.
        cutout: side of the hole in every training image, or None.
    """

    dataset: str
    network: str
    depth: int
    width: float
    norm: str = "weight"
    scheme: str | None = "arpit"
    v: str = "orthogonal"
    seed: int = 0
    recompute: int | None = None
    image_size: int | None = None
    train_size: int | None = None
    validation: float = 0.1
    test_size: int | None = None
    epochs: int = 200
    batch_size: int = 128
    learning_rate: float = 0.01
    momentum: float = 0.9
    weight_decay: float = 0.0
    warmup: float = 0.0
    decay_epochs: tuple[int, ...] = ()
    decay: float = 0.1
    augment: bool = False
    cutout: int | None = None

    @property
    def spec(self):
        """The run as the store knows it."""
        values = dataclasses.asdict(self)
        return {"task": "initialized", **values, "decay_epochs": list(self.decay_epochs)}

    @property
    def arm(self):
        """How its network is initialised, as `experiments.initializing.initialize` takes it."""
        return {"norm": self.norm, "scheme": self.scheme, "v": self.v}


def check(spec, context):
    """Raise `UsageError` if a run cannot start; reads no image and takes no time."""
    run = _run(spec)
    if run.network not in initializing.NETWORKS:
        raise UsageError(unknown("network", run.network, initializing.NETWORKS))
    if run.arm not in initializing.ARMS.values():
        raise UsageError(
            f"No arm of the paper. Received: {run.arm}. "
            f"Expected one of: {list(initializing.ARMS.values())}."
        )
    of, others = DEPTHS.get(run.network, (1, 0))
    if (run.depth - others) % of or run.depth <= others:
        raise UsageError(
            f"{run.network} has {of} n + {others} layers. Received: depth={run.depth}. Expected "
            f"e.g. {of + others} or {2 * of + others}."
        )
    if run.scheme == "hanin" and run.network in ("mlp", "plain_cnn"):
        raise UsageError(f"'hanin' is for residual networks. Received: network='{run.network}'.")
    if run.recompute is not None and run.network != "cifar_resnet":
        raise UsageError(
            "Only cifar_resnet recomputes activations. "
            f"Received: network='{run.network}', recompute={run.recompute}. Expected None."
        )
    if not (run.learning_rate > 0 and run.warmup >= 0):
        raise UsageError(
            f"Received: learning_rate={run.learning_rate}, warmup={run.warmup}. "
            "Expected learning_rate > 0, warmup >= 0."
        )
    train, held_out = data.count(
        run.dataset, context.data_dir, context.download, run.image_size, run.validation,
        run.train_size,
    )  # fmt: skip
    if run.validation and not held_out:
        raise UsageError(
            "Nothing is held out to choose settings with. Received: "
            f"validation={run.validation}, train_size={run.train_size}. Expected more, or 0."
        )
    if run.batch_size > train:
        raise UsageError(
            f"A batch is larger than the training set. Received: batch_size={run.batch_size} for "
            f"{train} images of '{run.dataset}'. Expected at most as many."
        )


def execute(spec, context):
    """Train once; returns the result.

    Returns:
        A dict: "train_images", "classes", "steps" of the whole training; "train_curve" and
        "test_curve", the accuracies in and after every epoch that ended with a finite loss;
        "diverged"; "test_accuracy" after the last epoch and, where something is held out,
        "validation_accuracy": of a run that diverged those of chance.

    Raises:
        UsageError: as `check`.
    """
    check(spec, context)
    run = _run(spec)
    part = _examples(run, context)
    steps = len(part.y_train) // run.batch_size
    model = _model(run, part.x_train.shape[1:], part.classes)
    folder = None if context.backups is None else context.backups / store.digest(spec)
    over: list = []
    curves = Curves(over, folder)
    try:
        _begin(run, model, part)
        callbacks = [protocol.StopOnDivergence(), curves, *context.callbacks]
        _train(run, model, part, steps, folder, callbacks)
        diverged = False
    except protocol.Diverged:
        diverged = True
    except Exception:
        _compiled.cache_clear()  # whatever a training that broke off has left in the model
        raise
    over.append("training")
    found = curves.columns()
    chance = 1 / part.classes
    result = {
        "train_images": len(part.y_train),
        "classes": part.classes,
        "steps": steps * run.epochs,
        "diverged": diverged,
        "train_curve": found["train_curves"][0],
        "test_curve": found["accuracy_curves"][0],
        "test_accuracy": chance if diverged else found["accuracy_curves"][0][-1],
    }
    if len(part.y_validation):
        held_out = data.evaluation_batches(part.x_validation, part.y_validation)
        result["validation_accuracy"] = chance if diverged else protocol.evaluate(model, held_out)
    if folder is not None:
        shutil.rmtree(folder, ignore_errors=True)
    return result


def steps(spec):
    """The most optimizer steps of a run."""
    run = _run(spec)
    images = run.train_size or KNOWN.get(run.dataset, OTHERS)[0]
    return (images - round(images * run.validation)) // run.batch_size * run.epochs


def step_key(spec):
    """Runs with the same key take the same time for a step."""
    run = _run(spec)
    size = run.image_size or KNOWN.get(run.dataset, OTHERS)[1][0]
    name = f"{run.network}-{run.depth} x{run.width:g} {run.norm}"
    return name, size, run.batch_size, bool(run.weight_decay)


def seconds_per_step(spec):
    """The time of an optimizer step, measured on random images."""
    run = _run(spec)
    shape, classes = planned(run.dataset, run.image_size)
    model = _model(run, shape, classes)
    return protocol.seconds_per_step(model, shape, classes, run.batch_size)


def planned(dataset, image_size):
    """The shape of an image and the number of classes, for a plan: no data set is looked into."""
    _, shape, classes = KNOWN.get(dataset, OTHERS)
    return (image_size, image_size, shape[-1]) if image_size else shape, classes


def _run(spec):
    values = {name: value for name, value in spec.items() if name != "task"}
    return InitializedRun(**values | {"decay_epochs": tuple(spec["decay_epochs"])})


def _examples(run, context):
    """The images of a run, standardized."""
    whole = data.load(
        run.dataset, context.data_dir, context.download, run.image_size, run.validation
    )
    part = data.subset(whole, run.train_size, run.seed)
    test = slice(run.test_size)
    train, held_out, tested = (
        np.asarray(data.floats(x, run.image_size))
        for x in (part.x_train, part.x_validation, part.x_test[test])
    )
    x_train, x_validation, x_test = data.standardized(train, held_out, tested)
    return dataclasses.replace(
        part, x_train=x_train, x_validation=x_validation, x_test=x_test, y_test=part.y_test[test]
    )


# The network.


def _model(run, shape, classes):
    """A compiled network for all runs that differ in nothing it is made of."""
    model, decay = _compiled(
        run.network, shape, classes, run.depth, run.width, run.norm, run.recompute, run.momentum,
        bool(run.weight_decay),
    )  # fmt: skip
    decay.assign(run.weight_decay)
    return model


@functools.lru_cache(maxsize=1)
def _compiled(network, shape, classes, depth, width, norm, recompute, momentum, is_decayed):
    devices.clear_session()
    model = initializing.network(network, shape, classes, depth, width, norm, recompute)
    decay = protocol.Decay()
    if is_decayed:
        for variable in model.trainable_variables:
            variable.regularizer = decay
    protocol.compile_for(model, keras.optimizers.SGD(momentum=momentum), steps=1)
    model.optimizer.build(model.trainable_variables)
    return model, decay.factor


def _begin(run, model, part):
    """Initialise the network, and put the optimizer back."""
    chosen = np.random.default_rng(run.seed).permutation(len(part.y_train))[: run.batch_size]
    initializing.initialize(model, run.arm, run.network, run.seed, part.x_train[chosen])
    kr.reset_optimizer(model.optimizer, run.learning_rate)


# The training.


class Rate(keras.callbacks.Callback):
    """Sets the learning rate before every step.

    Args:
        schedule: from the number of steps taken to the rate.
    """

    def __init__(self, schedule):
        super().__init__()
        self._schedule = schedule

    def on_train_batch_begin(self, batch, logs=None):
        optimizer = self.model.optimizer
        optimizer.learning_rate = self._schedule(optimizer.iterations)


def _train(run, model, part, steps, folder, callbacks):
    if run.warmup or run.decay_epochs:
        callbacks = [Rate(_schedule(run, steps)), *callbacks]
    first_epoch = 0
    if folder is not None:
        backup = kr.callbacks.Backup(folder / "training", interval=BACKUP_SECONDS)
        first_epoch = backup.next_epoch
        callbacks.append(backup)
    stream = data.batches(
        part.x_train, part.y_train, run.batch_size, run.seed, first_epoch, augment=run.augment,
        padding=round(protocol.PADDING * part.x_train.shape[1]),
    )  # fmt: skip
    if run.cutout:
        stream = _with_holes(run, stream, first_epoch * steps)
    tested = data.evaluation_batches(part.x_test, part.y_test)
    try:
        protocol.fit(model, stream, run.epochs, steps, callbacks, validation_data=tested)
    except protocol.Diverged:
        if folder is not None:
            backup.on_train_end()  # or the next run of this model would begin where this one did
        raise


def _schedule(run, steps):
    """The learning rate of each step: a schedule of Keras."""
    ends = [epoch * steps - 1 for epoch in run.decay_epochs]
    rates = [run.learning_rate * run.decay**passed for passed in range(len(ends) + 1)]
    rate = keras.optimizers.schedules.PiecewiseConstantDecay(ends, rates) if ends else rates[0]
    if not run.warmup:
        return rate
    return kr.training.QuadraticWarmup(rate, steps=max(1, round(run.warmup * steps)))


def _with_holes(run, stream, first_step):
    """The stream with a hole in every image; those of a step depend on the seed and its number."""
    import tensorflow as tf

    seed = core.fold_in(run.seed, "cutout")

    def cut(step, batch):
        images, labels = batch
        count, *sides = images.shape[:3]
        rows, columns = (
            tf.random.stateless_uniform([count], [seed + axis, step], 0, side, tf.int64)
            for axis, side in enumerate(sides)
        )
        return core.cutout(images, rows, columns, run.cutout), labels

    return stream.enumerate(first_step).map(cut, num_parallel_calls=tf.data.AUTOTUNE)
