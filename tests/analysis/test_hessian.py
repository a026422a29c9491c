"""The largest eigenvalue of the Hessian, against the whole matrix from loss values in NumPy."""

import keras
import numpy as np
import pytest
from keras import layers

import keras_reinit as kr
from keras_reinit.analysis import hessian_spectral_norm
from keras_reinit.layers import WeightNormalization
from tests.analysis.networks import linear

pytestmark = pytest.mark.skipif(
    keras.backend.backend() != "tensorflow", reason="needs TensorFlow's gradient tapes"
)


def cross_entropy(z, y):
    return np.mean(np.log(np.exp(z).sum(-1)) - z[np.arange(len(y)), y])


def numerical_hessian(loss, w, step=1e-3):
    """From values of the loss alone, in float64."""
    n = len(w)
    moves = step * np.eye(n)
    hessian = np.zeros((n, n))
    for i in range(n):
        for j in range(i + 1):
            corners = [
                a * b * loss(w + a * moves[i] + b * moves[j]) for a in (1, -1) for b in (1, -1)
            ]
            hessian[i, j] = hessian[j, i] = sum(corners) / (4 * step**2)
    return hessian


def largest(hessian):
    return np.abs(np.linalg.eigvalsh(hessian)).max()


def test_softmax_regression_in_closed_form(rng):
    """`H = mean(x x^T (x) (diag(p) - p p^T))`."""
    kernel, x = rng.normal(size=(4, 3)), rng.normal(size=(50, 4)).astype("float32")
    y = np.arange(50) % 3
    z = x.astype("float64") @ kernel
    p = np.exp(z) / np.exp(z).sum(-1, keepdims=True)
    inner = p[:, :, None] * np.eye(3) - p[:, :, None] * p[:, None, :]
    hessian = np.einsum("ni,nj,nab->iajb", x, x, inner).reshape(12, 12) / 50
    found = hessian_spectral_norm(linear(kernel), x, y, iterations=200, batch_size=16)
    assert found.norm == pytest.approx(largest(hessian), rel=1e-4)
    assert found.log == pytest.approx(np.log(found.norm))
    assert found.history.shape == (200,)
    assert (np.diff(found.history) > -1e-5 * found.norm).all()
    assert found.history[0] < 0.9 * found.norm


def normalized_network(v1, g1, b1, w2, b2):
    inputs = keras.Input((3,))
    hidden = WeightNormalization(layers.Dense(4, activation="tanh", name="hidden"))
    model = keras.Model(inputs, layers.Dense(2, name="head")(hidden(inputs)))
    for variable, value in zip(
        (hidden.layer.kernel, hidden.gains[0], hidden.layer.bias, *model.layers[-1].weights),
        (v1, g1, b1, w2, b2),
        strict=True,
    ):
        variable.assign(value)
    return model


def test_a_weight_normalised_network(rng):
    """Whose Hessian has eigenvalues of both signs."""
    shapes = [(3, 4), (4,), (4,), (4, 2), (2,)]
    ends = np.cumsum([np.prod(shape) for shape in shapes])
    w = rng.normal(size=ends[-1])
    x, y = rng.normal(size=(20, 3)).astype("float32"), np.arange(20) % 2

    def parts(w):
        flat = np.split(w, ends[:-1])
        return [part.reshape(shape) for part, shape in zip(flat, shapes, strict=True)]

    def loss(w):
        v1, g1, b1, w2, b2 = parts(w)
        hidden = np.tanh(x @ (g1 * v1 / np.linalg.norm(v1, axis=0)) + b1)
        return cross_entropy(hidden @ w2 + b2, y)

    hessian = numerical_hessian(loss, w)
    eigenvalues = np.linalg.eigvalsh(hessian)
    assert eigenvalues[0] < -0.01
    found = hessian_spectral_norm(normalized_network(*parts(w)), x, y, 60, batch_size=8, seed=3)
    assert found.norm == pytest.approx(largest(hessian), rel=1e-3)


def test_batches_and_seeds_do_not_matter_in_the_end(blobs):
    model = linear(np.ones((6, 3)))
    whole, *others = (
        hessian_spectral_norm(model, *blobs, iterations=60, batch_size=size, seed=seed)
        for size, seed in ((96, 0), (40, 0), (96, 1))
    )
    np.testing.assert_allclose(others[0].history, whole.history, rtol=1e-3)
    assert others[1].norm == pytest.approx(whole.norm, rel=1e-3)
    assert others[1].history[0] != whole.history[0]


def test_probabilities(rng):
    kernel, x = rng.normal(size=(4, 3)), rng.normal(size=(12, 4)).astype("float32")
    y = np.arange(12) % 3
    logits = hessian_spectral_norm(linear(kernel), x, y)
    found = hessian_spectral_norm(linear(kernel, activation="softmax"), x, y, from_logits=False)
    assert found.norm == pytest.approx(logits.norm, rel=1e-3)


def test_embeddings_and_frozen_weights(rng):
    """The slopes of an embedding are sparse; weights that are not trained have no curvature."""
    inputs = keras.Input((2,), dtype="int32")
    x = layers.Flatten()(layers.Embedding(5, 2, name="embedding")(inputs))
    model = keras.Model(inputs, layers.Dense(3, name="head")(x))
    ids, y = rng.integers(0, 5, (10, 2)), np.arange(10) % 3
    both = hessian_spectral_norm(model, ids, y).norm
    model.get_layer("head").trainable = False
    assert 0 < hessian_spectral_norm(model, ids, y).norm < both


def test_a_flat_loss():
    found = hessian_spectral_norm(linear([[0.0, 0.0]]), np.zeros((3, 1)), [0, 1, 0])
    assert found.norm == 0
    assert found.log == -np.inf


def test_the_model_is_as_before(trained, blobs, state):
    before = state(trained)
    assert hessian_spectral_norm(trained, *blobs, iterations=2, batch_size=40).norm > 0
    assert state(trained) == before


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"iterations": 0}, "Received: iterations=0"),
        ({"batch_size": 0}, "batch_size=0"),
        ({"y": [0, 7]}, "none of the model's 3 classes"),
        ({"from_logits": False}, "does not return probabilities"),
        ({"x": np.zeros((0, 3))}, "At least one example"),
        ({"x": np.full((2, 3), np.inf)}, "not finite"),
    ],
)
def test_bad_input(changes, message):
    arguments = {"x": np.ones((2, 3)), "y": [0, 1], **changes}
    with pytest.raises(ValueError, match=message):
        hessian_spectral_norm(linear(np.eye(3)), **arguments)


def test_one_trace_for_any_weights_and_sizes(rng, blobs):
    class Counting(layers.Layer):
        runs = 0

        def call(self, inputs):
            self.runs += 1
            return inputs

    x, y = blobs
    model = keras.Sequential([keras.Input((6,)), Counting(), layers.Dense(3, name="head")])
    first = hessian_spectral_norm(model, x, y, iterations=3, batch_size=50)
    runs = model.layers[0].runs
    kr.reinitialize(model, seed=1)
    second = hessian_spectral_norm(model, x[:46], y[:46], iterations=5, batch_size=46)
    assert model.layers[0].runs == runs
    assert second.norm != first.norm
    model.layers[-1].trainable = False
    with pytest.raises(ValueError, match="has no trainable weight"):
        hessian_spectral_norm(model, x, y)


def test_a_recomputed_part():
    model = kr.backbones.cifar_resnet((8, 8, 3), 3, depth=8, width=0.25, recompute=1)
    with pytest.raises(ValueError, match="recomputes activations"):
        hessian_spectral_norm(model, np.ones((2, 8, 8, 3)), [0, 1])


def test_another_backend(monkeypatch):
    monkeypatch.setattr(keras.backend, "backend", lambda: "torch")
    with pytest.raises(NotImplementedError, match="Received: backend 'torch'"):
        hessian_spectral_norm(linear(np.eye(3)), np.ones((2, 3)), [0, 1])
