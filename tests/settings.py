"""The method table as tests see it: every generic test runs over the rows of `METHODS`.

A new method is a row of `keras_reinit.methods.METHODS`, and nothing here where it works with its
default arguments.
"""

import dataclasses

import keras
import numpy as np
import pytest

import keras_reinit as kr

FEATURES, CLASSES, ROUNDS = 6, 3, 3

# For a few steps it is faster to do without a graph than to trace one; but JAX compiles everything.
EAGER = keras.backend.backend() != "jax"


def network():
    """A multilayer perceptron for the `blobs`, with one hidden layer (one block) a round."""
    return kr.backbones.mlp((FEATURES,), classes=CLASSES, hidden=(8,) * ROUNDS)


def sample():
    """A batch for the statistics of a block's output."""
    return np.random.default_rng(1).normal(size=(16, FEATURES)).astype("float32")


def examples():
    """A batch with its labels."""
    return sample(), np.arange(16) % CLASSES


@dataclasses.dataclass(frozen=True)
class Setting:
    """How the generic tests make one method and a model for it.

    Attributes:
        identifier: a key of `kr.methods.METHODS`.
    """

    identifier: str

    @property
    def row(self):
        return kr.methods.METHODS[self.identifier]

    @property
    def needs_blocks(self):
        """Whether it works on a `ReinitModel` only."""
        return self.row.kind is kr.methods.Layerwise

    @property
    def arguments(self):
        """What the callback needs for `ROUNDS` rounds on `network()`, beside `until` and `seed`."""
        if self.needs_blocks:
            return {"sample": sample()}
        method = self.row.kind()
        if method.needs_data is None:
            return {"rounds": ROUNDS}
        return {"rounds": ROUNDS, "data": examples() if method.needs_targets else sample()}

    def callback(self, **changes):
        """The method: `ROUNDS` rounds of one epoch with seed 0, but for the given changes."""
        defaults = {"until": kr.rounds.Fixed(epochs=1), "seed": 0}
        return kr.callbacks.get(self.identifier)(**defaults | self.arguments | changes)

    def model(self):
        """A compiled model that the method can work on."""
        model = kr.ReinitModel(network()) if self.needs_blocks else network()
        model.compile(
            keras.optimizers.Adam(0.01),
            keras.losses.SparseCategoricalCrossentropy(from_logits=True),
            metrics=["accuracy"],
        )
        return model


SETTINGS = {name: Setting(name) for name in kr.methods.METHODS if name != "BL"}
METHODS = tuple(SETTINGS.values())


def over(*identifiers):
    """Run a test over some methods, as its argument `setting`."""
    chosen = [SETTINGS[name] for name in identifiers]
    return pytest.mark.parametrize("setting", chosen, ids=identifiers)


all_methods = over(*SETTINGS)
