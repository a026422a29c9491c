"""One compiled model for many runs: build it once, make it a new network before each."""

import math
import time

import keras
import numpy as np
from keras import ops

import keras_reinit as kr
from experiments.engine import devices
from keras_reinit.core import fold_in
from keras_reinit.model import renew

BACKUP_SECONDS = 60  # at least, between two backups of a run
PADDING = 1 / 8  # zeros on each side of an image before it is cropped, as a share of the side
PROBE_SECONDS, PROBE_STEPS = 1, 10  # steps are timed until either is reached


class Decay(keras.regularizers.Regularizer):
    """`factor / 2 * sum(w^2)`, with a factor that can be changed with no retrace."""

    def __init__(self):
        self.factor = keras.Variable(0.0, trainable=False, name="weight_decay")

    def __call__(self, x):
        return self.factor / 2 * ops.sum(ops.square(x))


class Diverged(Exception):
    """A loss is not finite."""


class StopOnDivergence(keras.callbacks.Callback):
    """Ends a training by `Diverged`; listed before a method, which would raise otherwise.

    A validation loss is that after the last step of an epoch, the other one that before it.
    """

    def on_epoch_end(self, epoch, logs=None):
        losses = (value for name, value in logs.items() if name in ("loss", "val_loss"))
        if not all(map(math.isfinite, losses)):
            raise Diverged(f"in epoch {epoch}")


def compile_for(model, optimizer, steps, loss=None):
    """Compile a classifier so that one epoch is one call of the compiled step.

    Not on several replicas: what joins these does not work in a loop over steps. There, batch
    normalisation sees the batches of all of them, as it would on one.

    Args:
        model: `keras.Model` that returns logits.
        optimizer: Keras optimizer.
        steps: optimizer steps of one epoch, or more.
        loss: Keras loss, or None for cross-entropy.
    """
    if devices.count() > 1:
        steps = 1
        devices.synchronize(model)
    model.compile(
        optimizer,
        loss=loss or keras.losses.SparseCategoricalCrossentropy(from_logits=True),
        metrics=["accuracy"],
        steps_per_execution=steps,
        jit_compile=False,
    )


def restart(model, seed, learning_rate=None):
    """Make a compiled model what it would be had it just been built, with no retrace.

    The network, its normalisations and its norms at initialisation are as new, dropout draws from
    the beginning of a stream of its own, and the optimizer has taken no step.

    Args:
        model: compiled `keras.Model`, such as a `ReinitModel`, with a constant learning rate.
        seed: int; the same seed gives the same network.
        learning_rate: float, or None to leave it as it is.
    """
    renew(model, seed)
    for layer in model.layers:
        for number, state in enumerate(layer.non_trainable_variables):
            if state.name == "seed_generator_state":
                state.assign([fold_in(seed, layer.name, number), 0])
    if not model.optimizer.built:
        model.optimizer.build(model.trainable_variables)
    kr.reset_optimizer(model.optimizer, learning_rate)


def fit(model, stream, epochs, steps, callbacks, **options):
    """`model.fit` on an endless stream of batches, silently.

    Args:
        model: compiled `keras.Model`.
        stream: `tf.data.Dataset`, as `experiments.data` makes them.
        epochs: int.
        steps: batches of an epoch.
        callbacks: list of Keras callbacks.
        **options: as `fit`, such as `validation_data`.

    Returns:
        The `keras.callbacks.History`.
    """
    return model.fit(
        stream,
        epochs=epochs,
        steps_per_epoch=steps,
        callbacks=callbacks,
        shuffle=False,
        verbose=0,
        **options,
    )


def backup(folder):
    """What makes a training go on after a kill.

    Args:
        folder: of the run's backups, or None.

    Returns:
        The epoch, from 0, that the training goes on with, and a list of callbacks, to be the last.
    """
    if folder is None:
        return 0, []
    callback = kr.callbacks.Backup(folder / "training", interval=BACKUP_SECONDS)
    return callback.next_epoch, [callback]


def seconds_per_step(model, shape, classes, batch_size):
    """The time of a step of a compiled model on random examples, after the one that compiles.

    Args:
        model: compiled `keras.Model`.
        shape: of one example.
        classes: number of labels.
        batch_size: examples of the batch.
    """
    x = np.random.default_rng(0).normal(size=(batch_size, *shape)).astype("float32")
    y = np.arange(batch_size) % classes
    model.train_on_batch(x, y)
    start, count, seconds = time.perf_counter(), 0, 0.0
    while seconds < PROBE_SECONDS and count < PROBE_STEPS:
        model.train_on_batch(x, y)
        count, seconds = count + 1, time.perf_counter() - start
    return seconds / count


def evaluate(model, batches):
    """Accuracy of a compiled model on a data set of batches."""
    return model.evaluate(batches, verbose=0, return_dict=True)["accuracy"]


def accuracy(model, x, y):
    """Share of examples whose largest logit is that of their label; all in one batch."""
    return float((model.predict_on_batch(x).argmax(axis=-1) == y).mean())
