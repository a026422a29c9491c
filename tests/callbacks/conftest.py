"""Training on the blobs."""

import pytest

from tests.settings import EAGER


@pytest.fixture
def fit(blobs):
    """Train on the blobs: `fit(model, *callbacks, **arguments of Model.fit)`.

    Without a graph where that is faster, unless `eager=False`.
    """

    def fit(model, *callbacks, eager=EAGER, **arguments):
        x, y = blobs
        model.run_eagerly = eager
        defaults = {"epochs": 20, "batch_size": 32, "shuffle": False, "verbose": 0}
        return model.fit(x, y, callbacks=list(callbacks), **defaults | arguments)

    return fit
