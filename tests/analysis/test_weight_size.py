"""Norm of the head's input times norm of its kernel: in closed form, and of this model."""

import keras
import numpy as np
import pytest

import keras_reinit as kr
from keras_reinit.analysis import gaussian_density, weight_size
from keras_reinit.core import fold_in
from tests.analysis.networks import linear


def test_a_linear_model(rng):
    kernel, x = rng.normal(size=(4, 3)), rng.normal(size=(20, 4)).astype("float32")
    expected = np.linalg.norm(x) * np.linalg.norm(kernel)
    np.testing.assert_allclose(weight_size(linear(kernel, [9.0] * 3), x), expected, rtol=1e-6)
    np.testing.assert_allclose(weight_size(linear(kernel), x, batch_size=7), expected, rtol=1e-6)


def test_some_of_the_examples_once_each():
    """Powers of two: the square of the norm tells which examples were taken."""
    x = np.sqrt(2.0 ** np.arange(20))[:, None].astype("float32")
    model = linear([[1.0, 0.0]])
    chosen = sorted(np.random.default_rng(fold_in(5, "examples")).permutation(20)[:6])
    found = weight_size(model, x, count=6, seed=5, batch_size=4)
    np.testing.assert_allclose(found**2, sum(2.0**i for i in chosen), rtol=1e-6)
    assert weight_size(model, x, count=6, seed=6) != found
    assert weight_size(model, x, count=6, seed=5) == weight_size(model, x, count=6, seed=5)


def test_by_default_256_examples():
    found = weight_size(linear([[1.0, 0.0]]), np.ones((1000, 1), "float32"))
    np.testing.assert_allclose(found, np.sqrt(256))


def test_frozen_normalizations_count(blobs):
    """A normalisation of this model, which the backbone that shares its layers does not have."""
    x, _ = blobs
    backbone = kr.backbones.mlp((6,), classes=3, hidden=(8,))
    model = kr.ReinitModel(backbone)
    plain = weight_size(model, x)
    np.testing.assert_allclose(weight_size(backbone, x), plain)
    model.blocks[0].normalization.freeze(mean=0.0, stddev=4.0)
    np.testing.assert_allclose(weight_size(model, x), plain / 4)
    np.testing.assert_allclose(weight_size(backbone, x), plain)


def test_the_head_is_the_last_layer_with_a_kernel(blobs):
    x, _ = blobs
    inner = keras.Sequential([keras.Input((6,)), keras.layers.Dense(5, name="inner")])
    model = keras.Sequential(
        [keras.Input((6,)), inner, keras.layers.Dense(3, name="outer"), keras.layers.Softmax()]
    )
    hidden = inner.predict(x, verbose=0)
    kernels = {name: w[0] for name, w in (("inner", inner.get_weights()),)}
    outer = model.get_layer("outer").kernel
    expected = np.linalg.norm(hidden) * np.linalg.norm(np.asarray(outer))
    np.testing.assert_allclose(weight_size(model, x), expected, rtol=1e-5)
    expected = np.linalg.norm(x) * np.linalg.norm(kernels["inner"])
    np.testing.assert_allclose(weight_size(model, x, head="inner"), expected, rtol=1e-5)


def test_inference_mode(blobs):
    """Dropout in training mode would change the size from call to call, and its mean square."""
    x, _ = blobs
    model = keras.Sequential([keras.Input((6,)), keras.layers.Dropout(0.9), keras.layers.Dense(3)])
    kernel = np.asarray(model.layers[-1].kernel)
    np.testing.assert_allclose(
        weight_size(model, x), np.linalg.norm(x) * np.linalg.norm(kernel), rtol=1e-5
    )


def test_the_model_is_as_before(trained, blobs, state):
    before, layer = state(trained), trained.get_layer("head")
    nodes, attributes = len(layer._inbound_nodes), set(vars(layer))
    assert weight_size(trained, blobs[0], batch_size=40) > 0
    assert state(trained) == before
    assert len(layer._inbound_nodes) == nodes
    assert set(vars(layer)) == attributes


def test_the_model_is_as_before_an_exception(trained, blobs, state):
    before, layer = state(trained), trained.get_layer("head")
    attributes = set(vars(layer))
    with pytest.raises(ValueError, match="not finite"):
        weight_size(trained, np.full((4, 6), np.nan, "float32"))
    with pytest.raises(Exception, match="(?i)shape|incompatible|axis"):
        weight_size(trained, np.ones((4, 5), "float32"))
    assert state(trained) == before
    assert set(vars(layer)) == attributes
    assert weight_size(trained, blobs[0]) > 0


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"head": "hed"}, r"Received: head='hed'. Expected one of \['head'\]"),
        ({"count": 0}, "Received: count=0"),
        ({"x": np.zeros((0, 3))}, "At least one example"),
        ({"batch_size": 1.5}, "batch_size=1.5"),
    ],
)
def test_bad_input(changes, message):
    with pytest.raises(ValueError, match=message):
        weight_size(linear(np.eye(3)), **{"x": np.ones((2, 3)), **changes})


def test_a_model_without_a_kernel(blobs):
    model = keras.Sequential([keras.Input((6,)), keras.layers.LayerNormalization()])
    with pytest.raises(ValueError, match=r"no such layer with a kernel. .* Expected one of \[\]"):
        weight_size(model, blobs[0])


def test_a_head_that_is_never_run():
    class Forgetful(keras.Model):
        def __init__(self):
            super().__init__()
            self.used, self.spare = keras.layers.Dense(2, name="used"), keras.layers.Dense(2)
            self.spare.build((None, 3))

        def call(self, inputs):
            return self.used(inputs)

    model = Forgetful()
    model(np.ones((1, 3)))
    with pytest.raises(ValueError, match="does not run its layer"):
        weight_size(model, np.ones((2, 3)))
    assert weight_size(model, np.ones((2, 3)), head="used") > 0


def test_gaussian_density():
    ratios = [0.9, 1.1, 1.3]
    fit = gaussian_density(ratios)
    np.testing.assert_allclose(fit, (1.1, 0.2))
    assert gaussian_density([1.2]) == (1.2, 0.0)


@pytest.mark.parametrize("ratios", [[], [1.0, -1.0], [np.inf], [[1.0]]])
def test_ratios_of_nothing(ratios):
    with pytest.raises(ValueError, match="Received: ratios="):
        gaussian_density(ratios)
