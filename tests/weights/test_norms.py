"""Norms and factors at the ends of what numbers can hold."""

import keras
import numpy as np
import pytest

import keras_reinit as kr
from keras_reinit import core
from keras_reinit.weights.norms import assign_rescaled
from keras_reinit.weights.select import select_weights

RANGE = {"float16": (1e-2, 1e3), "bfloat16": (1e-30, 1e30), "float32": (1e-30, 1e30)}
scales = pytest.mark.parametrize(
    ("dtype", "scale"), [(dtype, scale) for dtype, ends in RANGE.items() for scale in ends]
)


def network(dtype="float32", scale=1.0):
    layer = keras.layers.Dense(4, dtype=dtype, name="d")
    model = keras.Sequential([keras.Input((5,)), layer])
    values = np.random.default_rng(0).normal(size=(5, 4)) * scale
    layer.kernel.assign(keras.ops.cast(values, dtype))
    layer.bias.assign(keras.ops.cast(values[0], dtype))
    return model


def float64(variable):
    return keras.ops.convert_to_numpy(keras.ops.cast(variable.value, "float32")).astype("float64")


@scales
@pytest.mark.parametrize("unit", ["variables", "layers"])
def test_norms_of_tiny_and_huge_weights_are_kept(dtype, scale, unit):
    model = network(dtype, scale)
    kernel = model.layers[0].kernel
    before, norms = float64(kernel), kr.init_norms(model)
    np.testing.assert_allclose(norms["d/kernel"], np.linalg.norm(before), rtol=1e-5)
    kernel.assign(keras.ops.cast(kernel.value, dtype) * 0.5)
    model.layers[0].bias.assign(model.layers[0].bias.value * 0.5)
    assign_rescaled(select_weights(model), norms, unit)
    np.testing.assert_allclose(float64(kernel), before, rtol=1e-2 if "16" in dtype else 1e-5)


@pytest.mark.parametrize("scale", [1e-35, 1e-25, 1e-12, 1.0, 1e12, 1e25, 1e35])
def test_a_norm_over_axes_is_that_of_each(scale):
    w = (np.random.default_rng(0).normal(size=(6, 3)) * scale).astype("float32")
    w[:, 1] *= 1e-2
    w[:, 2] = 0
    norms = keras.ops.convert_to_numpy(core.frobenius_norm(w, axes=(0,)))
    assert norms.shape == (1, 3)
    expected = np.linalg.norm(w.astype("float64"), axis=0)
    np.testing.assert_allclose(norms[0], expected, rtol=1e-5)


@pytest.mark.parametrize("scale", [1e-22, 1e22])
def test_a_weight_normalised_layer_of_any_length_of_v(scale):
    layer = kr.layers.WeightNormalization(keras.layers.Dense(2))
    layer.build((None, 3))
    x = np.ones((1, 3), "float32")
    before = keras.ops.convert_to_numpy(layer(x))
    layer.layer.kernel.assign(layer.layer.kernel.value * scale)
    np.testing.assert_allclose(keras.ops.convert_to_numpy(layer(x)), before, rtol=1e-5)


def unchanged(act, model, match):
    before = model.get_weights()
    with pytest.raises(ValueError, match=match):
        act(model)
    for one, other in zip(model.get_weights(), before, strict=True):
        np.testing.assert_array_equal(one, other)


@pytest.mark.parametrize(
    ("dtype", "act", "match"),
    [
        ("float32", lambda m: kr.shrink_perturb(m, 1e39, 0.1), "shrink=1e\\+39"),
        ("float32", lambda m: kr.shrink_perturb(m, 0.5, 1e39), "perturb=1e\\+39"),
        ("float32", lambda m: kr.shrink_perturb(m, 0.5, 1e-50), "perturb=1e-50"),
        ("float16", lambda m: kr.shrink_perturb(m, 70_000, 0.1), "shrink=70000"),
        ("float16", lambda m: kr.shrink_perturb(m, 1e-8, 0.1), "shrink=1e-08"),
        ("float16", lambda m: kr.shrink_perturb(m, 60_000, 0.1), "out of the range of its type"),
        ("float16", lambda m: kr.rescale(m, {"d/kernel": 1e6}), "norm=1e\\+06"),
        ("float32", lambda m: kr.rescale(m, {"d/kernel": 1e39}), "norm=1e\\+39|norm=inf"),
        ("float32", lambda m: kr.rescale(m, {"d/kernel": 1.0, "d/bias": 1e39}), "d/bias"),
    ],
)
def test_what_a_type_cannot_hold_is_refused_and_nothing_changed(dtype, act, match):
    unchanged(act, network(dtype), match)


def test_a_norm_beyond_the_type_of_entries_within_it_is_fine():
    model = network("float16", scale=1e4)
    kernel = model.layers[0].kernel
    norm = float(np.linalg.norm(float64(kernel)))
    model.layers[0].kernel.assign(kernel.value * 0.5)
    kr.rescale(model, {"d/kernel": 1.5 * norm})
    assert np.isfinite(float64(kernel)).all()
    np.testing.assert_allclose(kr.init_norms(model)["d/kernel"], 1.5 * norm, rtol=1e-3)


@pytest.mark.parametrize(
    "act",
    [
        lambda m: kr.reinitialize(m),
        lambda m: kr.shrink_perturb(m, 0.5, 0.5),
        lambda m: kr.apply(m, kr.methods.FullReset()),
        lambda m: kr.apply(m, kr.methods.RandomSubset()),
    ],
)
def test_a_frozen_model_is_refused(act):
    model = network()
    model.trainable = False
    unchanged(act, model, "no trainable")


def test_rounds_of_a_frozen_model_are_refused_before_the_first_step():
    model = network()
    model.trainable = False
    model.compile("sgd", "mse")
    method = kr.callbacks.Reinit(kr.methods.Continue(), until=kr.rounds.Fixed(1), rounds=2)
    with pytest.raises(ValueError, match="no trainable variable"):
        model.fit(np.ones((4, 5)), np.ones((4, 4)), epochs=2, callbacks=[method], verbose=0)
