"""Two and four replicas in one process."""

import keras
import numpy as np
import pytest

import keras_reinit as kr
from tests.settings import METHODS

if keras.backend.backend() != "tensorflow":
    pytest.skip("tf.distribute needs the TensorFlow backend", allow_module_level=True)

from tests.distribution import worker

LETTERS = [setting.identifier for setting in METHODS]
SLOW = [pytest.param(name, marks=pytest.mark.slow) for name in LETTERS[1:-1]]


@pytest.fixture(scope="module")
def four():
    """A second strategy beside that of the session."""
    return kr.distribution.strategy("mirrored", [f"CPU:{i}" for i in range(4)])


def assert_close(one, other):
    assert one.keys() == other.keys()
    for name, array in one.items():
        np.testing.assert_allclose(array, other[name], rtol=1e-3, atol=2e-4, err_msg=name)


@pytest.mark.parametrize("name", [LETTERS[0], *SLOW, LETTERS[-1], "distilled", "warm"])
def test_four_replicas_agree_and_are_as_one(name, four, tmp_path):
    together, history = worker.perform(name, tmp_path / "together", four.scope)
    alone, history_alone = worker.perform(name, tmp_path / "alone")
    assert_close(together, alone)
    for key, values in history_alone.items():
        np.testing.assert_allclose(history[key], values, rtol=1e-3, atol=1e-3, err_msg=key)


def compiled(**options):
    optimizer = keras.optimizers.SGD(0.1, **options.pop("optimizer", {}))
    model = worker.network()
    model.compile(optimizer, model.loss, **options)
    return model


def test_several_steps_an_execution_where_replicas_are_joined_on_one_device(four, tmp_path):
    found = worker.perform("several_steps", tmp_path, four.scope)[1]
    assert found == {"error": [None]}


@pytest.mark.parametrize(
    ("options", "received"),
    [
        ({"jit_compile": True}, "jit_compile=True"),
        ({"steps_per_execution": 2}, "steps_per_execution=2"),
        ({"optimizer": {"gradient_accumulation_steps": 3}}, "gradient_accumulation_steps=3"),
        (
            {"optimizer": {"use_ema": True, "ema_overwrite_frequency": 4}},
            "ema_overwrite_frequency=4",
        ),
    ],
)
def test_what_keras_cannot_do_on_replicas_is_refused_with_the_reason(options, received, strategy):
    x, y = worker.data()
    with strategy.scope():
        model = compiled(**options)
    method = kr.callbacks.ShrinkPerturb(rounds=2, until=kr.rounds.Fixed(1), seed=0)
    with pytest.raises(ValueError, match=f"on 2 replicas: .* Received: {received}"):
        model.fit(x, y, verbose=0, callbacks=[method])


def test_a_model_made_outside_the_scope(strategy):
    x, y = worker.data()
    model = worker.network()
    method = kr.callbacks.ShrinkPerturb(rounds=2, until=kr.rounds.Fixed(1), seed=0)
    with strategy.scope(), pytest.raises(ValueError, match="made outside the strategy's scope"):
        model.fit(x, y, verbose=0, callbacks=[method])


def test_large_draws_are_the_same_on_every_replica(strategy):
    def perturbed():
        dense = keras.layers.Dense(512, kernel_initializer="he_normal")
        model = keras.Sequential([keras.Input((600,)), dense])
        kr.reinitialize(model, seed=0)
        kr.shrink_perturb(model, 0.5, 0.5, seed=1)
        kr.reinitialize_subset(model, 0.3, seed=2)
        return dense.kernel

    with strategy.scope():
        together = perturbed()
    alone = perturbed().numpy()
    for replica in strategy.experimental_local_results(together.value):
        np.testing.assert_array_equal(replica.numpy(), alone)
    assert len(np.unique(alone)) > alone.size / 2
