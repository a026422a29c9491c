"""Stages of a growing data set."""

import pytest


@pytest.fixture
def stages(blobs):
    x, y = blobs
    return [(x[:n], y[:n]) for n in (20, 50, 96)]
