"""The method table: every generic test runs over its rows.

A new method is one row here. `test_architecture` fails on a method that `keras_reinit.callbacks`
offers and this table does not list.
"""

import dataclasses
from collections.abc import Mapping

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


@dataclasses.dataclass(frozen=True)
class Setting:
    """How the generic tests make one method and a model for it.

    Attributes:
        letters: The papers' name, as `kr.callbacks.get` takes it.
        method: The callback's class.
        arguments: What it needs for `ROUNDS` rounds on `network()`, beside `until` and `seed`.
        needs_blocks: Whether it works on a `ReinitModel` only.
    """

    letters: str
    method: type[keras.callbacks.Callback]
    arguments: Mapping
    needs_blocks: bool = False

    def callback(self, **changes):
        """The method: `ROUNDS` rounds of one epoch with seed 0, but for the given changes."""
        defaults = {"until": kr.rounds.Fixed(epochs=1), "seed": 0}
        return self.method(**defaults | dict(self.arguments) | changes)

    def model(self):
        """A compiled model that the method can work on."""
        model = kr.ReinitModel(network()) if self.needs_blocks else network()
        model.compile(
            keras.optimizers.Adam(0.01),
            keras.losses.SparseCategoricalCrossentropy(from_logits=True),
            metrics=["accuracy"],
        )
        return model


METHODS = (
    Setting("LW", kr.callbacks.LayerwiseReinit, {"sample": sample()}, needs_blocks=True),
    Setting("FC", kr.callbacks.FullyConnectedReinit, {"rounds": ROUNDS}),
    Setting("WELSR", kr.callbacks.RandomSubsetReinit, {"rounds": ROUNDS}),
    Setting("WELS", kr.callbacks.FixedSubsetReinit, {"rounds": ROUNDS}),
    Setting("DSD", kr.callbacks.MagnitudeReinit, {"rounds": ROUNDS}),
    Setting("S&P", kr.callbacks.ShrinkPerturb, {"rounds": ROUNDS}),
)

all_methods = pytest.mark.parametrize("setting", METHODS, ids=lambda setting: setting.letters)
