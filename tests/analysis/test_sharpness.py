"""Noise in the weights: closed forms, and weights that come back bit for bit."""

import keras
import numpy as np
import pytest

from keras_reinit.analysis import sharpness
from keras_reinit.core import stream
from tests.analysis.networks import linear


def test_no_noise_changes_nothing_exactly(trained, blobs):
    found = sharpness(trained, *blobs, sigmas=[0.0, 0.1], draws=2)
    assert found.sigmas == (0.0, 0.1)
    assert found.accuracy.shape == found.loss.shape == (2, 2)
    assert not found.accuracy[0].any()
    assert not found.loss[0].any()
    assert found.loss[1].all()


def test_against_numpy(rng):
    """Each weight gets the noise of its own stream, and the changes are those of that network."""
    kernel, bias = rng.normal(size=(4, 3)), rng.normal(size=3)
    x, y = rng.normal(size=(30, 4)).astype("float32"), np.arange(30) % 3
    found = sharpness(linear(kernel, bias), x, y, sigmas=[0.5, 2.0], draws=3, seed=7)

    def measure(kernel, bias):
        z = x.astype("float64") @ kernel + bias
        losses = np.log(np.exp(z).sum(-1)) - z[np.arange(30), y]
        return np.array([(z.argmax(-1) == y).mean(), losses.mean()])

    plain = measure(kernel, bias)
    for row, sigma in enumerate([0.5, 2.0]):
        for draw in range(3):
            noise = [
                sigma
                * np.asarray(
                    keras.random.normal(shape, seed=stream(7, "noise", row, draw, position=i))
                )
                for i, shape in enumerate([(4, 3), (3,)])
            ]
            change = measure(kernel + noise[0], bias + noise[1]) - plain
            np.testing.assert_allclose(found.accuracy[row, draw], change[0], atol=1e-12)
            np.testing.assert_allclose(found.loss[row, draw], change[1], atol=1e-5)


def test_noise_has_the_deviation_asked_for():
    """`z = w` on one example: the difference of two logits has the deviation `sigma * sqrt(2)`."""
    model = linear([[0.0, 0.0]])
    loss = sharpness(model, np.ones((1, 1)), [0], sigmas=[0.01], draws=400).loss[0]
    # log(1 + exp(d)) - log 2 is d / 2 for small d.
    np.testing.assert_allclose((2 * loss).std(), 0.01 * np.sqrt(2), rtol=0.15)
    assert abs((2 * loss).mean()) < 0.003


def test_draws_do_not_depend_on_what_else_is_asked(trained, blobs):
    more = sharpness(trained, *blobs, sigmas=[0.1, 0.3], draws=3, seed=1)
    less = sharpness(trained, *blobs, sigmas=[0.1], draws=1, seed=1)
    assert less.loss[0, 0] == more.loss[0, 0]
    assert sharpness(trained, *blobs, sigmas=[0.1], draws=1, seed=2).loss[0, 0] != less.loss[0, 0]


def test_the_model_is_as_before(trained, blobs, state):
    before = state(trained)
    sharpness(trained, *blobs, sigmas=[0.1, 1.0], draws=2, batch_size=40)
    assert state(trained) == before


def test_the_model_is_as_before_an_exception(trained, blobs, state, monkeypatch):
    before, predict, calls = state(trained), trained.predict_on_batch, []

    def fail_at_the_fourth(x):
        calls.append(state(trained))
        if len(calls) == 4:
            raise KeyboardInterrupt
        return predict(x)

    monkeypatch.setattr(trained, "predict_on_batch", fail_at_the_fourth)
    with pytest.raises(KeyboardInterrupt):
        sharpness(trained, *blobs, sigmas=[0.1], draws=5)
    assert calls[3] != before  # it happened in the midst of the noise
    assert state(trained) == before


def test_one_compiled_function_serves_every_draw(blobs):
    x, y = blobs
    traces = []

    class Counting(keras.layers.Layer):
        def call(self, inputs):
            traces.append(1)
            return inputs

    model = keras.Sequential([keras.Input((6,)), Counting(), keras.layers.Dense(3)])
    model.predict_on_batch(x[:32])
    traces.clear()
    sharpness(model, x, y, sigmas=[0.1, 0.2, 0.3], draws=4, batch_size=32)
    assert traces == []


def test_replicas_get_the_same_noise_and_get_rid_of_it(strategy, blobs):
    with strategy.scope():
        model = keras.Sequential([keras.Input((6,)), keras.layers.Dense(3)])
    weights = model.get_weights()
    found = sharpness(model, *blobs, sigmas=[0.3], draws=2, batch_size=40)
    alone = sharpness(linear(*weights), *blobs, sigmas=[0.3], draws=2)
    np.testing.assert_allclose(found.loss, alone.loss, atol=1e-5)
    for weight, before in zip(model.trainable_variables, weights, strict=True):
        for replica in strategy.experimental_local_results(weight.value):
            np.testing.assert_array_equal(replica.numpy(), before)


def test_frozen_weights_get_no_noise(blobs):
    model = linear(np.ones((6, 3)), np.zeros(3))
    model.add(keras.layers.Dense(3, trainable=False))
    model.layers[0].trainable = False
    with pytest.raises(ValueError, match="no trainable weight"):
        sharpness(model, *blobs, sigmas=[0.1])


def test_outputs_that_overflow_are_wrong_and_infinitely_costly():
    model = linear([[2.0, 0.0]])
    found = sharpness(model, np.ones((2, 1)), [0, 1], sigmas=[3e38], draws=20)
    assert set(found.accuracy[0]) <= {-0.5, 0.0}
    assert -0.5 in found.accuracy[0]
    assert np.isposinf(found.loss[found.accuracy == -0.5]).all()


def test_probabilities(blobs):
    x, y = blobs
    kernel = np.linspace(-1, 1, 18).reshape(6, 3)
    logits = sharpness(linear(kernel), x, y, [0.1], seed=3)
    probabilities = sharpness(
        linear(kernel, activation="softmax"), x, y, [0.1], seed=3, from_logits=False
    )
    np.testing.assert_array_equal(probabilities.accuracy, logits.accuracy)
    np.testing.assert_allclose(probabilities.loss, logits.loss, atol=1e-5)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"sigmas": [0.1, -0.1]}, r"finite numbers, at least 0. Received: sigmas=\[0.1, -0.1\]"),
        ({"sigmas": [np.inf]}, "Received: sigmas"),
        ({"sigmas": []}, "Received: sigmas"),
        ({"sigmas": 0.1}, "Received: sigmas=0.1"),
        ({"draws": 0}, "Received: draws=0"),
        ({"y": [5, 0]}, "none of the model's 3 classes"),
        ({"x": np.full((2, 3), np.nan)}, "not finite for 2 of 2"),
        ({"from_logits": False}, "does not return probabilities"),
    ],
)
def test_bad_input(changes, message):
    arguments = {"x": np.arange(6.0).reshape(2, 3), "y": [0, 1], "sigmas": [0.1], **changes}
    with pytest.raises(ValueError, match=message):
        sharpness(linear(np.eye(3)), **arguments)


def test_a_seed_is_an_int():
    with pytest.raises(TypeError, match="seed"):
        sharpness(linear(np.eye(3)), np.ones((1, 3)), [0], [0.1], seed="a")
