"""Searches on the blobs with a network of some units."""

import keras
import pytest

keras_tuner = pytest.importorskip("keras_tuner")

import keras_reinit as kr  # noqa: E402
from tests.settings import CLASSES, FEATURES  # noqa: E402

TUNERS = {
    "random": keras_tuner.RandomSearch,
    "bayesian": keras_tuner.BayesianOptimization,
    "hyperband": keras_tuner.Hyperband,
}


def network(parameters):
    """A compiled network of one block; eager, which is faster than a trace for so few steps."""
    model = kr.backbones.mlp((FEATURES,), classes=CLASSES, hidden=(4,))
    model.compile(
        keras.optimizers.SGD(0.1, momentum=0.9),
        keras.losses.SparseCategoricalCrossentropy(from_logits=True),
        metrics=["accuracy"],
        run_eagerly=True,
    )
    return model


@pytest.fixture
def make_tuner(tmp_path):
    """`make_tuner(hypermodel, kind, ...)`: a tuner in the test's directory."""

    def make_tuner(hypermodel, kind="random", objective="val_loss", direction="min", **arguments):
        return TUNERS[kind](
            hypermodel,
            keras_tuner.Objective(objective, direction),
            directory=tmp_path,
            project_name="search",
            seed=1,
            **arguments,
        )

    return make_tuner


@pytest.fixture
def search(blobs):
    """Search on the blobs: `search(tuner, epochs, ...)`."""
    x, y = blobs

    def search(tuner, epochs=4, **arguments):
        defaults = {"validation_data": (x[48:], y[48:]), "batch_size": 48, "verbose": 0}
        tuner.search(x[:48], y[:48], epochs=epochs, shuffle=False, **defaults | arguments)
        return tuner

    return search
