"""The papers' networks have the papers' layers and parameter counts."""

import itertools

import keras
import numpy as np
import pytest

import keras_reinit as kr


def names(model):
    return [layer.name for layer in model.layers if not isinstance(layer, keras.layers.InputLayer)]


def test_mlp_has_the_layers_of_the_synthetic_experiment():
    model = kr.backbones.mlp((128,), classes=8)
    assert names(model) == [
        "block1_dense",
        "block1_out",
        "block2_dense",
        "block2_out",
        "head",
    ]
    assert model.count_params() == (128 + 1) * 32 + (32 + 1) * 32 + (32 + 1) * 8


def test_mlp_starts_with_glorot_uniform_kernels_and_zero_biases():
    layer = kr.backbones.mlp((128,), classes=8).get_layer("block1_dense")
    limit = np.sqrt(6 / (128 + 32))
    kernel = np.array(layer.kernel)
    assert 0.98 * limit < np.abs(kernel).max() <= limit
    assert np.std(kernel) == pytest.approx(limit / np.sqrt(3), rel=0.02)
    assert not np.any(np.array(layer.bias))


def test_mlp_flattens_images_and_takes_activation_and_initializer():
    model = kr.backbones.mlp(
        (4, 4, 1), 3, hidden=(5,), activation="tanh", kernel_initializer="ones"
    )
    assert model.output_shape == (None, 3)
    assert model.get_layer("block1_out").activation is keras.activations.tanh
    assert np.all(np.array(model.get_layer("head").kernel) == 1)


def test_mlp_without_hidden_layers_is_logistic_regression(rng):
    model = kr.backbones.mlp((4, 4, 1), classes=3, hidden=())
    assert names(model) == ["flatten", "head"]
    kernel, bias = (np.array(weight.value) for weight in model.weights)
    x = rng.normal(size=(5, 4, 4, 1)).astype("float32")
    np.testing.assert_allclose(
        model.predict_on_batch(x), x.reshape(5, 16) @ kernel + bias, rtol=1e-5, atol=1e-6
    )
    with pytest.raises(ValueError, match="No block was found"):
        kr.ReinitModel(model)
    kr.shrink_perturb(model, shrink=0.5, perturb=0, seed=0)
    np.testing.assert_allclose(np.array(model.get_layer("head").kernel.value), 0.5 * kernel)


def test_mlp_without_biases_keeps_its_decisions_when_it_shrinks(rng):
    """Proposition 1 of Ash & Adams: the logits scale by shrink^L."""
    model = kr.backbones.mlp((7,), classes=5, hidden=(12, 12), use_bias=False)
    assert [weight.name for weight in model.weights] == ["kernel"] * 3
    x = rng.normal(size=(64, 7)).astype("float32")
    before = model.predict_on_batch(x)
    kr.shrink_perturb(model, 0.7, 0, seed=0)
    after = model.predict_on_batch(x)
    np.testing.assert_array_equal(before.argmax(1), after.argmax(1))
    np.testing.assert_allclose(after, 0.7**3 * before, rtol=1e-4, atol=1e-6)


def scnn_params(side, channels, classes, per_channel):
    """Parameters of scnn, with so many numbers a channel for each normalisation."""
    widths = [channels, 32, 32, 64, 64]
    convolutions = sum(9 * a * b + b for a, b in itertools.pairwise(widths))
    dense = (side // 4) ** 2 * 64 * 512 + 512
    head = 512 * classes + classes
    return convolutions + dense + head + per_channel * (sum(widths[1:]) + 512)


@pytest.mark.parametrize(("norm", "per_channel"), [("group", 2), ("batch", 4), (None, 0)])
@pytest.mark.parametrize("side", [8, 28])
def test_scnn_parameter_count(norm, per_channel, side):
    model = kr.backbones.scnn((side, side, 3), classes=10, norm=norm)
    assert model.count_params() == scnn_params(side, 3, 10, per_channel)


def test_scnn_layers_in_the_order_of_the_paper():
    model = kr.backbones.scnn((8, 8, 1), classes=10, dropout=0.25)
    block = ["block{}_conv", "block{}_norm", "block{}_out"]
    assert names(model) == [
        *[name.format(1) for name in block],
        *[name.format(2) for name in block],
        "block2_pool",
        *[name.format(3) for name in block],
        *[name.format(4) for name in block],
        "block4_pool",
        "flatten",
        "dense",
        "dense_norm",
        "dense_relu",
        "dropout",
        "head",
    ]
    assert "dropout" not in names(kr.backbones.scnn((8, 8, 1), classes=10))


def test_scnn_group_norm_is_layer_norm_of_an_example(rng):
    model = kr.backbones.scnn((8, 8, 1), classes=10)
    part = keras.Model(model.input, model.get_layer("block1_norm").output)
    z = part.predict_on_batch(rng.normal(size=(3, 8, 8, 1)).astype("float32"))
    np.testing.assert_allclose(z.mean(axis=(1, 2, 3)), 0, atol=1e-5)
    np.testing.assert_allclose(z.std(axis=(1, 2, 3)), 1, atol=5e-3)


def test_scnn_weight_decay_is_an_l2_term_on_kernels():
    model = kr.backbones.scnn((8, 8, 1), classes=10, weight_decay=0.1)
    kernels = [layer.kernel for layer in model.layers if hasattr(layer, "kernel")]
    expected = 0.1 * sum(float(np.sum(np.square(np.array(kernel)))) for kernel in kernels)
    assert float(sum(model.losses)) == pytest.approx(expected, rel=1e-5)
    assert kr.backbones.scnn((8, 8, 1), classes=10, weight_decay=0).losses == []


@pytest.mark.parametrize("build", [kr.backbones.mlp, kr.backbones.scnn])
def test_heads_return_logits(build, rng):
    model = build((8, 8, 1), classes=4)
    outputs = model.predict_on_batch(rng.normal(size=(5, 8, 8, 1)).astype("float32"))
    assert model.get_layer("head").activation is keras.activations.linear
    assert not np.allclose(outputs.sum(axis=-1), 1, atol=1e-3)


@pytest.mark.parametrize(("build", "blocks"), [(kr.backbones.mlp, 2), (kr.backbones.scnn, 4)])
def test_blocks_are_found_by_name(build, blocks):
    model = kr.ReinitModel(build((8, 8, 1), classes=4))
    assert [block.layers[-1].name for block in model.blocks] == [
        f"block{k}_out" for k in range(1, blocks + 1)
    ]


def test_unknown_norm_is_named():
    with pytest.raises(ValueError, match="Received: norm='layer'"):
        kr.backbones.scnn((8, 8, 1), classes=10, norm="layer")


@pytest.mark.parametrize("shape", [(8,), (3, 8, 1), (8, 8)])
def test_scnn_needs_images(shape):
    with pytest.raises(ValueError, match="scnn needs images. Received: input_shape="):
        kr.backbones.scnn(shape, classes=10)
