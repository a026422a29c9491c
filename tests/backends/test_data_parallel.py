"""`keras.distribution` on JAX: the examples of a batch are shared by two devices."""

import keras
import numpy as np
import pytest

import keras_reinit as kr
from tests.settings import ROUNDS, all_methods, network

pytestmark = pytest.mark.backends("jax", reason="keras.distribution")


@pytest.fixture(scope="module")
def distribution():
    """Two of the host's devices; used by `on_two`."""
    return keras.distribution.DataParallel(devices=["cpu:0", "cpu:1"], auto_shard_dataset=False)


@pytest.fixture
def on_two(distribution):
    """Do something with the two devices, and what follows with one again."""

    def on_two(act):
        keras.distribution.set_distribution(distribution)
        try:
            return act()
        finally:
            keras.distribution.set_distribution(None)

    return on_two


def copies(model):
    """Each variable's values on all of its devices: a list of lists of arrays."""
    variables = [*model.weights, *model.optimizer.variables]
    return [[np.array(s.data) for s in v.value.addressable_shards] for v in variables]


class Watch(keras.callbacks.Callback):
    """All state as it is when an epoch begins, after the method; the same on all devices."""

    def __init__(self, devices):
        super().__init__()
        self.devices, self.begun = devices, []

    def on_epoch_begin(self, epoch, logs=None):
        self.begun.append([])
        for first, *others in copies(self.model):
            assert len(others) == self.devices - 1
            for other in others:
                np.testing.assert_array_equal(first, other)
            self.begun[-1].append(first)


def trained(setting, data, devices, wrap=lambda model: model):
    """Train on the blobs in `ROUNDS` rounds; returns the state round by round, and the history."""
    keras.utils.set_random_seed(1)
    x, y = data
    model = wrap(setting.model())
    model.compile(
        keras.optimizers.SGD(0.05, momentum=0.9),
        keras.losses.SparseCategoricalCrossentropy(from_logits=True),
    )
    watch = Watch(devices)
    callbacks = [setting.callback(), watch]
    fit = {"epochs": 9, "batch_size": 32, "shuffle": False, "verbose": 0, "callbacks": callbacks}
    history = model.fit(x, y, **fit).history
    assert history["reinit_round"] == list(range(ROUNDS))
    watch.on_epoch_begin(ROUNDS)
    return watch.begun, history


def assert_close(two, one):
    for begun, begun_alone in zip(two, one, strict=True):
        for a, b in zip(begun, begun_alone, strict=True):
            np.testing.assert_allclose(a, b, rtol=1e-3, atol=2e-4)


@all_methods
def test_two_devices_agree_and_are_as_one(setting, on_two, blobs):
    together, history = on_two(lambda: trained(setting, blobs, 2))
    alone, history_alone = trained(setting, blobs, 1)
    assert_close(together, alone)
    for name, values in history_alone.items():
        np.testing.assert_allclose(history[name], values, rtol=1e-3, err_msg=name)


def test_what_is_drawn_does_not_depend_on_the_devices(on_two):
    def begun():
        keras.utils.set_random_seed(1)
        model = network()
        kr.shrink_perturb(model, 0.4, 0.1, seed=3)
        kr.reinitialize_subset(model, 0.5, by="magnitude", seed=4)
        return model.get_weights()

    for two, one in zip(on_two(begun), begun(), strict=True):
        np.testing.assert_array_equal(two, one)
