"""Training on the blobs."""

import pytest


@pytest.fixture
def fit(blobs):
    """Train on the blobs: `fit(model, *callbacks, **arguments of Model.fit)`.

    Without a graph, unless `eager=False`: for so few steps that is faster than to trace one.
    """

    def fit(model, *callbacks, eager=True, **arguments):
        x, y = blobs
        model.run_eagerly = eager
        defaults = {"epochs": 20, "batch_size": 32, "shuffle": False, "verbose": 0}
        return model.fit(x, y, callbacks=list(callbacks), **defaults | arguments)

    return fit
