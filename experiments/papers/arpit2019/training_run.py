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

import keras
import numpy as np

import keras_reinit as kr
from experiments import data
from experiments.engine.errors import UsageError
from experiments.engine.run import Run, keep_network
from experiments.papers.arpit2019 import networks
from experiments.training import protocol
from experiments.training.curves import Curves
from keras_reinit import core

# Depths of these networks are multiples of the first number, and the second.
DEPTHS = {"plain_cnn": (1, 3), "cifar_resnet": (6, 2), "wide_resnet": (6, 4)}


@dataclasses.dataclass(frozen=True)
class InitializedRun(Run):
    """One training run.

    Args:
        dataset: as `experiments.data.load` names it.
        network: of `networks.NETWORKS`.
        depth: of it, as `networks.network` counts.
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

    task = "initialized"
    fitted = True

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
    def arm(self):
        """How its network is initialised, as `networks.initialize` takes it."""
        return {"norm": self.norm, "scheme": self.scheme, "v": self.v}

    def check(self, context):
        self.check_names(network=networks.NETWORKS)
        if self.arm not in networks.ARMS.values():
            raise UsageError(
                f"No arm of the paper. Received: {self.arm}. "
                f"Expected one of: {list(networks.ARMS.values())}."
            )
        of, others = DEPTHS.get(self.network, (1, 0))
        if (self.depth - others) % of or self.depth <= others:
            raise UsageError(
                f"{self.network} has {of} n + {others} layers. Received: depth={self.depth}. "
                f"Expected e.g. {of + others} or {2 * of + others}."
            )
        if self.scheme == "hanin" and self.network in ("mlp", "plain_cnn"):
            raise UsageError(
                f"'hanin' is for residual networks. Received: network='{self.network}'."
            )
        if self.recompute is not None and self.network != "cifar_resnet":
            raise UsageError(
                "Only cifar_resnet recomputes activations. "
                f"Received: network='{self.network}', recompute={self.recompute}. Expected None."
            )
        if not (self.learning_rate > 0 and self.warmup >= 0):
            raise UsageError(
                f"Received: learning_rate={self.learning_rate}, warmup={self.warmup}. "
                "Expected learning_rate > 0, warmup >= 0."
            )
        train, held_out = data.count(
            self.dataset, context.data_dir, context.download, self.image_size, self.validation,
            self.train_size,
        )  # fmt: skip
        if self.validation and not held_out:
            raise UsageError(
                "Nothing is held out to choose settings with. Received: "
                f"validation={self.validation}, train_size={self.train_size}. Expected more, or 0."
            )
        data.check_batch(self.batch_size, train, self.dataset)

    def result(self, context, folder):
        """Train once; returns the result.

        Returns:
            A dict: "train_images", "classes", "steps" of the whole training; "train_curve" and
            "test_curve", the accuracies in and after every epoch that ended with a finite loss;
            "diverged"; "test_accuracy" after the last epoch and, where something is held out,
            "validation_accuracy": of a run that diverged those of chance.
        """
        part = _examples(self, context)
        steps = len(part.y_train) // self.batch_size
        model = _model(self, part.x_train.shape[1:], part.classes)
        over: list = []
        curves = Curves(over, folder)
        try:
            _begin(self, model, part)
            _train(self, model, part, steps, folder, curves, context.callbacks)
            diverged = False
        except protocol.Diverged:
            diverged = True
        over.append("training")
        found = curves.columns()
        chance = 1 / part.classes
        result = {
            "train_images": len(part.y_train),
            "classes": part.classes,
            "steps": steps * self.epochs,
            "diverged": diverged,
            "train_curve": found["train_curves"][0],
            "test_curve": found["accuracy_curves"][0],
            "test_accuracy": chance if diverged else found["accuracy_curves"][0][-1],
        }
        if len(part.y_validation):
            held_out = data.evaluation_batches(part.x_validation, part.y_validation)
            result["validation_accuracy"] = (
                chance if diverged else protocol.evaluate(model, held_out)
            )
        return result

    @property
    def total_steps(self):
        images = self.train_size or data.known(self.dataset)[0]
        return (images - round(images * self.validation)) // self.batch_size * self.epochs

    @property
    def step_key(self):
        _, (size, *_), _ = data.known(self.dataset, self.image_size)
        name = f"{self.network}-{self.depth} x{self.width:g} {self.norm}"
        return name, size, self.batch_size, bool(self.weight_decay)

    def seconds_per_step(self):
        """The time of an optimizer step, measured on random images."""
        _, shape, classes = data.known(self.dataset, self.image_size)
        model = _model(self, shape, classes)
        return protocol.seconds_per_step(model, shape, classes, self.batch_size)


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


@keep_network
def _compiled(network, shape, classes, depth, width, norm, recompute, momentum, is_decayed):
    model = networks.network(network, shape, classes, depth, width, norm, recompute)
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
    networks.initialize(model, run.arm, run.network, run.seed, part.x_train[chosen])
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


def _train(run, model, part, steps, folder, curves, callbacks):
    callbacks = [protocol.StopOnDivergence(), curves, *callbacks]
    if run.warmup or run.decay_epochs:
        callbacks = [Rate(_schedule(run, steps)), *callbacks]
    first_epoch, backup = protocol.backup(folder)
    curves.check(first_epoch)
    stream = data.batches(
        part.x_train, part.y_train, run.batch_size, run.seed, first_epoch, augment=run.augment,
        padding=round(protocol.PADDING * part.x_train.shape[1]),
    )  # fmt: skip
    if run.cutout:
        stream = _with_holes(run, stream, first_epoch * steps)
    tested = data.evaluation_batches(part.x_test, part.y_test)
    try:
        protocol.fit(
            model, stream, run.epochs, steps, [*callbacks, *backup], validation_data=tested
        )
    except protocol.Diverged:
        for callback in backup:
            callback.on_train_end()  # or the next run of this model would begin where this one did
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
