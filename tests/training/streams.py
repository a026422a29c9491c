"""A small network to be trained in stages, and what a stage begins with."""

import keras
import numpy as np

import keras_reinit as kr
from tests.settings import EAGER

FIXED = kr.rounds.Fixed(epochs=2)


def network(dropout=0.0, eager=EAGER):
    keras.utils.set_random_seed(7)
    model = keras.Sequential(
        [
            keras.Input((6,)),
            keras.layers.Dense(8),
            keras.layers.BatchNormalization(),
            keras.layers.ReLU(),
            keras.layers.Dropout(dropout),
            keras.layers.Dense(3, name="head"),
        ]
    )
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    optimizer = keras.optimizers.SGD(0.01, momentum=0.9)
    model.compile(optimizer, loss, metrics=["accuracy"], run_eagerly=eager)
    return model


class Starts(keras.callbacks.Callback):
    """Weights, and optimizer slots, at the start of each `fit` after the strategy, and before."""

    def __init__(self):
        super().__init__()
        self.before, self.after = [], []

    def on_train_begin(self, logs=None):
        self.before.append(self.model.get_weights())

    def on_epoch_begin(self, epoch, logs=None):
        if epoch == 0:
            slots = [np.array(v) for v in self.model.optimizer.variables]
            self.after.append((self.model.get_weights(), slots))


def equal(one, other):
    return all(np.array_equal(a, b) for a, b in zip(one, other, strict=True))
