"""The quadratic warm-up: its formula, what it is around, what it becomes in a saved optimizer."""

import keras
import numpy as np
import pytest

from keras_reinit.training import QuadraticWarmup


def rates(schedule, steps):
    return [float(schedule(step)) for step in steps]


def test_the_formula():
    found = rates(QuadraticWarmup(0.5, steps=10, initial=0.1), range(15))
    expected = [0.1 + min(i / 10, 1) ** 2 * 0.4 for i in range(15)]
    np.testing.assert_allclose(found, expected, rtol=1e-6)
    assert found[0] == pytest.approx(0.1)
    assert found[10] == found[14] == pytest.approx(0.5)


def test_around_a_schedule():
    later = keras.optimizers.schedules.PiecewiseConstantDecay([6], [1.0, 0.1])
    found = rates(QuadraticWarmup(later, steps=4), range(9))
    np.testing.assert_allclose(found, [0, 1 / 16, 1 / 4, 9 / 16, 1, 1, 1, 0.1, 0.1], rtol=1e-6)


def test_an_optimizer_takes_it_step_by_step():
    optimizer = keras.optimizers.SGD(QuadraticWarmup(1.0, steps=2))
    variable = keras.Variable(0.0)
    seen = []
    for _ in range(4):
        optimizer.apply([keras.ops.ones(())], [variable])
        seen.append(variable.numpy())
    np.testing.assert_allclose(np.diff([0, *seen]), [0, -0.25, -1, -1])


@pytest.mark.parametrize("inner", [0.3, keras.optimizers.schedules.CosineDecay(0.3, 20)])
def test_configuration_round_trip(inner):
    schedule = QuadraticWarmup(inner, steps=5, initial=0.01)
    optimizer = keras.optimizers.SGD(schedule)
    copy = keras.optimizers.deserialize(keras.optimizers.serialize(optimizer))._learning_rate
    assert copy.get_config() == schedule.get_config()
    assert rates(copy, range(9)) == rates(schedule, range(9))


@pytest.mark.parametrize("changes", [{"learning_rate": 0}, {"steps": 0}, {"initial": -0.1}])
def test_bad_input(changes):
    ((name, value),) = changes.items()
    with pytest.raises(ValueError, match=f"Received: .*{name}={value}"):
        QuadraticWarmup(**{"learning_rate": 0.1, "steps": 3, **changes})
