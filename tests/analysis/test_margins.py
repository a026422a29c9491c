"""Softmax margins against closed forms, and models that they must not touch."""

import math

import keras
import numpy as np
import pytest

from keras_reinit.analysis import margins, smallest
from tests.analysis.networks import linear


def test_two_classes_are_a_hyperbolic_tangent():
    model = linear(np.eye(2))
    logits = np.array([[3.0, 1.0], [3.0, 1.0], [0.0, 0.0]], "float32")
    expected = [math.tanh(1), -math.tanh(1), 0.0]
    np.testing.assert_allclose(margins(model, logits, [0, 1, 0]), expected, rtol=1e-15)


def test_the_runner_up_counts_whoever_it_is(rng):
    logits = rng.normal(0, 3, (50, 5)).astype("float32")
    y = rng.integers(0, 5, 50)
    p = np.exp(logits.astype("float64"))
    p /= p.sum(-1, keepdims=True)
    expected = [p[i, c] - max(np.delete(p[i], c)) for i, c in enumerate(y)]
    np.testing.assert_allclose(margins(linear(np.eye(5)), logits, y), expected, rtol=1e-12)


def test_large_and_close_logits_lose_no_digits():
    logits = np.array([[1e4, -1e4], [-1e4, 1e4], [1e3 + 2**-10, 1e3]], "float32")
    expected = [1.0, -1.0, math.tanh(2**-11)]
    np.testing.assert_allclose(margins(linear(np.eye(2)), logits, [0, 0, 0]), expected, rtol=1e-14)


def test_probabilities():
    model = linear(np.eye(3), activation="softmax")
    x = np.log(np.array([[0.7, 0.2, 0.1], [0.2, 0.5, 0.3]], "float32"))
    found = margins(model, x, [0, 2], from_logits=False)
    np.testing.assert_allclose(found, [0.5, -0.2], rtol=1e-6)


def test_batches_cover_every_example_once(rng):
    model, x = linear(rng.normal(size=(4, 3))), rng.normal(size=(11, 4)).astype("float32")
    y = np.arange(11) % 3
    whole = margins(model, x, y)
    assert whole.shape == (11,)
    assert whole.dtype == "float64"
    np.testing.assert_allclose(margins(model, x, y, batch_size=4), whole, rtol=1e-6)


def test_several_inputs(rng):
    first, second = keras.Input((2,), name="first"), keras.Input((2,), name="second")
    model = keras.Model({"first": first, "second": second}, keras.layers.Add()([first, second]))
    x = {"first": np.array([[1.0, 0.0]] * 3), "second": np.array([[1.0, 0.0]] * 3)}
    np.testing.assert_allclose(margins(model, x, [0, 0, 1], batch_size=2), [
        math.tanh(1), math.tanh(1), -math.tanh(1)
    ])  # fmt: skip


def test_the_model_is_as_before(trained, blobs, state):
    before = state(trained)
    found = margins(trained, *blobs, batch_size=32)
    assert np.isfinite(found).all()
    assert state(trained) == before


def test_replicas_do_not_repeat_examples(strategy, blobs):
    x, y = blobs
    with strategy.scope():
        model = keras.Sequential([keras.Input((6,)), keras.layers.Dense(3)])
    found = margins(model, x, y, batch_size=40)
    alone = linear(*model.get_weights())
    np.testing.assert_allclose(found, margins(alone, x, y), rtol=1e-5)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"y": [0, 3]}, "none of the model's 3 classes. Received: y from 0 to 3"),
        ({"y": [-1, 0]}, "Received: y from -1 to 0"),
        ({"y": [0]}, "one int for each of 2 examples. Received: y of shape"),
        ({"y": np.eye(3)[:2]}, "argmax"),
        ({"y": [0.0, 1.0]}, "dtype float64"),
        ({"x": np.zeros((0, 3)), "y": []}, "At least one example"),
        ({"x": np.array([[np.nan, 0, 0], [1, 2, 3]])}, "not finite for 1 of 2 examples"),
        ({"x": np.array([[1.0, 0, 0], [0, 1, 0]])}, "returns probabilities"),
        ({"from_logits": False}, "does not return probabilities. Received: from_logits=False"),
        ({"batch_size": 0}, "batch_size=0"),
    ],
)
def test_bad_input(changes, message):
    arguments = {"x": np.array([[3.0, 1, 2], [0, 1, 2]]), "y": [0, 1], **changes}
    with pytest.raises(ValueError, match=message):
        margins(linear(np.eye(3)), **arguments)


def test_a_data_set_is_refused_by_type():
    with pytest.raises(TypeError, match="Received: x of <class 'zip'>"):
        margins(linear(np.eye(3)), zip([1], [2], strict=True), [0])


def test_a_model_with_one_output_does_not_classify():
    with pytest.raises(ValueError, match=r"does not classify. Received: .*\(1, 1\)"):
        margins(linear([[1.0], [1.0]]), np.ones((1, 2)), [0])


def test_smallest():
    assert smallest([0.9, -0.1, 0.4], count=2).tolist() == [-0.1, 0.4]
    assert smallest(np.arange(500.0)[::-1]).tolist() == list(range(400))
    assert smallest([0.2]).tolist() == [0.2]


@pytest.mark.parametrize("bad", [{"margins": [[0.1]]}, {"margins": [np.nan]}, {"count": 0}])
def test_smallest_of_nonsense(bad):
    with pytest.raises(ValueError, match="Received: (margins|count)"):
        smallest(**{"margins": [0.1], **bad})
