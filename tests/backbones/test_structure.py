"""The networks for images are the standard ones, and stay themselves on small images."""

import re

import keras
import numpy as np
import pytest

import keras_reinit as kr
from keras_reinit.backbones.layer_factory import strides
from tests.backbones.networks import (
    all_networks,
    full_mobilenet,
    narrow_preact_resnet18,
    narrow_resnet18,
    standard_networks,
)


@pytest.fixture(autouse=True, scope="module")
def _shapes_only():
    """Networks made in this file have weights with shapes, and no values unless they are read."""
    with keras.StatelessScope(initialize_variables=False):
        yield


def names(model):
    return [layer.name for layer in model.layers]


def with_kernel(model):
    return [layer for layer in model.layers if hasattr(layer, "kernel")]


def convolution_kernels(model):
    shapes = [tuple(layer.kernel.shape) for layer in with_kernel(model)]
    return sorted(shape for shape in shapes if len(shape) == 4)


def outputs(model, pattern):
    """Output shapes of the layers whose names match, from input to output."""
    return [layer.output.shape for layer in model.layers if re.fullmatch(pattern, layer.name)]


def smallest_map(model):
    """The smallest side that a convolution larger than 1x1 works on."""
    return min(
        min(layer.input.shape[1:3])
        for layer in with_kernel(model)
        if getattr(layer, "kernel_size", (1, 1)) > (1, 1)
    )


# -- The standard networks ------------------------------------------------------------------------


@standard_networks
def test_large_images_get_the_standard_network(build, norm, standard, ends):
    model = build((224, 224, 3), classes=1000, norm=norm)
    reference = standard(weights=None)
    head = (1, 1, 1024, 1000)  # of the standard MobileNet, where it is a convolution
    expected = [shape for shape in convolution_kernels(reference) if shape != head]
    assert convolution_kernels(model) == expected
    assert model.count_params() == reference.count_params()
    assert outputs(model, r"block\d+_out") == outputs(reference, ends)


def test_shallow_mobilenet_lacks_the_five_equal_blocks():
    full = full_mobilenet((224, 224, 3), classes=10)
    shallow = kr.backbones.mobilenet((224, 224, 3), classes=10)
    lacking = [(1, 1, 512, 512), (3, 3, 512, 1)] * 5
    assert sorted(convolution_kernels(shallow) + lacking) == convolution_kernels(full)
    assert outputs(shallow, r"(block|separable)\d+_out") == (
        outputs(full, r"block[1-7]_out") + outputs(full, r"block1[34]_out")
    )


def test_mobilenet_layers_in_order():
    separable = ("depthwise_conv", "depthwise_norm", "depthwise_relu")
    separable += ("pointwise_conv", "pointwise_norm", "out")
    assert names(kr.backbones.mobilenet((8, 8, 3), classes=3, dropout=0.25)) == [
        "input",
        *("block1_conv", "block1_norm", "block1_out"),
        *(f"block{k}_{layer}" for k in range(2, 8) for layer in separable),
        *(f"separable{i}_{layer}" for i in (7, 8) for layer in separable),
        *("average", "dropout", "head"),
    ]


def test_vgg16_layers_in_order():
    block = ("conv", "norm", "out")
    expected = ["input"]
    for k in range(1, 14):
        expected += [f"block{k}_{layer}" for layer in block]
        expected += [f"block{k}_pool"] * (k in (2, 4, 7, 10, 13))
    dense = ("dense1", "dense1_norm", "dense1_relu", "dense2", "dense2_norm", "dense2_relu")
    assert names(kr.backbones.vgg16((32, 32, 3), classes=3, dropout=0.25)) == [
        *expected,
        *("flatten", *dense, "dropout", "head"),
    ]


# -- Small images ---------------------------------------------------------------------------------


@pytest.mark.parametrize("steps", [4, 5])
def test_as_many_steps_are_kept_as_leave_two_pixels(steps):
    for side in range(8, 300):
        kept = strides((side, 300, 3), steps).count(2)
        assert strides((side, 300, 3), steps) == (1,) * (steps - kept) + (2,) * kept
        assert side > 2**kept  # so that side / 2**kept, rounded up, is at least 2
        assert kept == steps or side <= 2 ** (kept + 1)


@all_networks
@pytest.mark.parametrize("side", [8, 16, 32])
def test_no_convolution_works_on_a_single_pixel(build, side):
    assert smallest_map(build((side, side, 3), classes=3)) >= 2


@pytest.mark.parametrize(
    ("build", "shape", "sides"),
    [
        (kr.backbones.vgg16, (8, 8, 3), [8, 4, 2]),
        (kr.backbones.vgg16, (9, 40, 1), [9, 5, 3, 2]),
        (kr.backbones.vgg16, (17, 17, 3), [17, 9, 5, 3, 2]),
        (full_mobilenet, (8, 8, 3), [8, 4, 2]),
        (full_mobilenet, (40, 28, 1), [40, 20, 10, 5, 3]),
        (full_mobilenet, (33, 33, 3), [17, 9, 5, 3, 2]),
        (kr.backbones.resnet50, (8, 8, 3), [8, 4, 2]),
        (kr.backbones.resnet50, (16, 16, 3), [16, 8, 4, 2]),
        (kr.backbones.resnet50, (32, 32, 3), [16, 8, 4, 2]),
        (kr.backbones.resnet50, (64, 64, 3), [16, 8, 4, 2]),
        (narrow_resnet18, (8, 8, 3), [8, 4, 2]),
        (narrow_resnet18, (9, 40, 1), [9, 5, 3, 2]),
        (narrow_resnet18, (32, 32, 3), [32, 16, 8, 4]),
        (narrow_preact_resnet18, (8, 8, 3), [8, 4, 2]),
        (narrow_preact_resnet18, (9, 40, 1), [9, 5, 3, 2]),
        (narrow_preact_resnet18, (64, 64, 3), [64, 32, 16, 8]),
    ],
)
def test_heights_of_the_blocks(build, shape, sides):
    heights = [output[1] for output in outputs(build(shape, classes=3), r"block\d+_out")]
    assert list(dict.fromkeys(heights)) == sides


@pytest.mark.parametrize(("side", "width"), [(8, 512), (32, 512), (64, 2048), (96, 4096)])
def test_vgg16_dense_layers_are_no_wider_than_their_input(side, width):
    model = kr.backbones.vgg16((side, side, 3), classes=3)
    assert [model.get_layer(name).units for name in ("dense1", "dense2", "head")] == [
        width,
        width,
        3,
    ]


def test_vgg16_at_a_quarter_of_its_width():
    whole, narrow = (kr.backbones.vgg16((32, 32, 3), 10, width=w, dense=8) for w in (1, 0.25))
    for one, other in zip(with_kernel(whole), with_kernel(narrow), strict=True):
        if one.name.endswith("_conv"):
            assert other.kernel.shape[-1] * 4 == one.kernel.shape[-1]


@pytest.mark.parametrize("name", ["vgg16", "resnet18", "preact_resnet18"])
def test_a_network_has_filters(name):
    with pytest.raises(ValueError, match="Received: width=0.001"):
        getattr(kr.backbones, name)((32, 32, 3), 10, width=0.001)


def test_vgg16_takes_the_width_of_its_dense_layers():
    model = kr.backbones.vgg16((8, 8, 3), classes=3, dense=7)
    assert [model.get_layer(name).units for name in ("dense1", "dense2", "head")] == [7, 7, 3]


# -- Options --------------------------------------------------------------------------------------


@all_networks
def test_weight_decay_and_initializer_reach_every_kernel_and_nothing_else(build):
    model = build((8, 8, 3), classes=3, weight_decay=0.1, kernel_initializer="ones")
    regularized = [variable for variable in model.weights if variable.regularizer is not None]
    assert regularized == [layer.kernel for layer in with_kernel(model)]
    for variable in regularized:
        assert float(variable.regularizer.l2) == pytest.approx(0.1)
        assert np.all(np.array(variable.value) == 1)
    plain = build((8, 8, 3), classes=3, weight_decay=0)
    assert {variable.regularizer for variable in plain.weights} == {None}


@all_networks
def test_dropout_is_before_the_head_and_the_head_returns_logits(build):
    model = build((8, 8, 3), classes=3, dropout=0.25)
    assert [layer.name for layer in model.layers if isinstance(layer, keras.layers.Dropout)] == [
        "dropout"
    ]
    assert names(model)[-2:] == ["dropout", "head"]
    assert model.get_layer("dropout").rate == 0.25
    assert model.get_layer("head").activation is keras.activations.linear
    assert "dropout" not in names(build((8, 8, 3), classes=3))


@all_networks
@pytest.mark.parametrize("norm", ["group", "batch", None])
def test_a_normalisation_follows_every_hidden_kernel(build, norm):
    kinds = {"group": keras.layers.GroupNormalization, "batch": keras.layers.BatchNormalization}
    model = build((8, 8, 3), classes=3, norm=norm)
    found = [type(layer) for layer in model.layers if isinstance(layer, tuple(kinds.values()))]
    shortcuts = len(outputs(model, r"block\d+_shortcut_conv")) if "preact" in model.name else 0
    hidden = len(with_kernel(model)) - 1 - shortcuts
    assert found == ([] if norm is None else [kinds[norm]] * hidden)


@all_networks
@pytest.mark.parametrize("shape", [(8,), (7, 8, 1), (8, 8), (None, 8, 3)])
def test_images_of_at_least_8x8_are_needed(build, shape):
    with pytest.raises(ValueError, match="needs images. Received: input_shape=.*at least 8"):
        build(shape, classes=3)


@all_networks
def test_unknown_norm_is_named(build):
    with pytest.raises(ValueError, match="one of .*'group'.* Received: norm='layer'"):
        build((8, 8, 3), classes=3, norm="layer")


def test_unknown_depth_is_named():
    with pytest.raises(ValueError, match="'shallow', 'full'.*Received: depth='deep'"):
        kr.backbones.mobilenet((8, 8, 3), classes=3, depth="deep")
