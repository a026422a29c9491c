"""The gradient of the compiled loss: against finite differences, and on every kind of model."""

import keras
import numpy as np
import pytest
from keras import layers

from keras_reinit.gradients import loss_gradients
from tests.conftest import BACKEND

LOSS = keras.losses.SparseCategoricalCrossentropy(from_logits=True)


def network():
    model = keras.Sequential(
        [
            keras.Input((6,)),
            layers.Dense(5, activation="tanh", kernel_regularizer=keras.regularizers.L2(0.1)),
            layers.BatchNormalization(),
            layers.Dropout(0.5),
            layers.Dense(3),
        ]
    )
    model.layers[1].moving_variance.assign(np.full(5, 2.0))
    model.compile("sgd", LOSS, run_eagerly=BACKEND == "torch")
    return model


def test_it_is_the_slope_of_the_loss_with_its_penalties(blobs, rng):
    model = network()
    x, y = blobs
    (gradients,) = loss_gradients(model, [(x, y)])
    weights = [np.array(variable) for variable in model.trainable_variables]
    state = [np.array(variable) for variable in model.variables]
    direction = [rng.normal(size=w.shape) for w in weights]

    def loss_at(step):
        for variable, w, d in zip(model.trainable_variables, weights, direction, strict=True):
            variable.assign(w + step * d)
        return float(model.evaluate(x, y, batch_size=96, verbose=0))

    slope = (loss_at(1e-2) - loss_at(-1e-2)) / 2e-2
    loss_at(0.0)
    expected = sum(np.sum(np.array(g) * d) for g, d in zip(gradients, direction, strict=True))
    assert slope == pytest.approx(expected, rel=1e-2)
    for before, variable in zip(state, model.variables, strict=True):
        np.testing.assert_array_equal(before, np.array(variable))


def test_batches_of_any_size_and_sample_weights(blobs):
    model = network()
    x, y = blobs
    whole, half, weighted = (
        [np.array(g) for g in each]
        for each in loss_gradients(
            model, [(x, y), (x[:48], y[:48]), (x, y, np.r_[np.full(48, 2.0), np.zeros(48)])]
        )
    )
    for a, b in zip(half, weighted, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-6)
    assert any(not np.allclose(a, b) for a, b in zip(whole, half, strict=True))


def test_a_variable_that_the_loss_does_not_see_has_a_gradient_of_zero(blobs):
    class Idle(keras.layers.Layer):
        def build(self, _):
            self.idle = self.add_weight(shape=(2,), name="idle")

        def call(self, inputs):
            return inputs

    model = keras.Sequential([keras.Input((6,)), Idle(), layers.Dense(3)])
    model.compile("sgd", LOSS)
    (gradients,) = loss_gradients(model, [blobs])
    np.testing.assert_array_equal(np.array(gradients[0]), 0.0)
    assert np.any(np.array(gradients[1]))


def test_a_new_loss_and_new_weights_are_seen(blobs):
    model = network()
    x, y = blobs
    one = [np.array(g) for g in next(loss_gradients(model, [(x, y)]))]
    model.layers[-1].kernel.assign(2 * model.layers[-1].kernel)
    two = [np.array(g) for g in next(loss_gradients(model, [(x, y)]))]
    assert not np.allclose(one[0], two[0])
    model.compile("sgd", lambda t, p: 3 * LOSS(t, p))
    three = [np.array(g) for g in next(loss_gradients(model, [(x, y)]))]
    np.testing.assert_allclose(three[-1], 3 * two[-1], rtol=1e-4)


def test_in_the_mode_of_training_batches_have_statistics_of_their_own_and_nothing_is_kept(blobs):
    model = keras.Sequential([keras.Input((6,)), layers.BatchNormalization(), layers.Dense(3)])
    model.compile("sgd", LOSS)
    before = [np.array(variable) for variable in model.variables]
    modes = [next(loss_gradients(model, [blobs], training=mode)) for mode in (True, False, True)]
    first, other, again = ([np.array(g) for g in gradients] for gradients in modes)
    for a, b in zip(first, again, strict=True):
        np.testing.assert_array_equal(a, b)
    assert not np.allclose(first[2], other[2])
    for value, variable in zip(before, model.variables, strict=True):
        np.testing.assert_array_equal(value, np.array(variable))


def test_a_model_that_is_not_compiled():
    model = keras.Sequential([keras.Input((6,)), layers.Dense(3)], name="plain")
    with pytest.raises(ValueError, match="'plain' has to be built and compiled"):
        next(loss_gradients(model, []))
