"""Rounds leave nothing behind."""

import gc
import tracemalloc

import keras
import numpy as np
import pytest

from tests.settings import all_methods

ROUNDS = 200


class Measure(keras.callbacks.Callback):
    """Counts live objects and traced bytes at the beginning of some rounds."""

    def __init__(self):
        super().__init__()
        self.objects, self.bytes = [], []

    def on_epoch_begin(self, epoch, logs=None):
        if epoch in (40, ROUNDS - 1):
            gc.collect()
            self.objects.append(len(gc.get_objects()))
            self.bytes.append(tracemalloc.get_traced_memory()[0])


@pytest.mark.slow
@all_methods
def test_two_hundred_rounds_leave_nothing(setting):
    per_block = ROUNDS // 3 + 1
    own = {"iterations": per_block} if setting.identifier == "LW" else {"rounds": ROUNDS}
    method, measure = setting.callback(**own), Measure()
    model = setting.model()
    x = np.random.default_rng(0).normal(size=(8, 6)).astype("float32")
    tracemalloc.start()
    try:
        model.fit(x, np.arange(8) % 3, epochs=ROUNDS, callbacks=[method, measure], verbose=0)
    finally:
        tracemalloc.stop()
    (objects, more_objects), (size, more) = measure.objects, measure.bytes
    assert more_objects - objects < 160  # fewer than one a round
    assert more - size < 160 * 2**10  # logs of the history are some hundred bytes a round
