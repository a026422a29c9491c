"""VGG16, MobileNet and ResNet-50 are the standard ones, and stay themselves on small images."""

import functools
import math
import re

import keras
import numpy as np
import pytest

import keras_reinit as kr

full_mobilenet = functools.partial(kr.backbones.mobilenet, depth="full")

BLOCKS = {
    "vgg16": (kr.backbones.vgg16, 13),
    "mobilenet": (kr.backbones.mobilenet, 7),
    "full mobilenet": (full_mobilenet, 14),
    "resnet50": (kr.backbones.resnet50, 16),
}
all_networks = pytest.mark.parametrize(
    "build", [build for build, _ in BLOCKS.values()], ids=list(BLOCKS)
)
# Our network, its normalisation in the standard one, that one, and the ends of its blocks.
standard_networks = pytest.mark.parametrize(
    ("build", "norm", "standard", "ends"),
    [
        (kr.backbones.vgg16, None, keras.applications.VGG16, r"block\d_conv\d"),
        (full_mobilenet, "batch", keras.applications.MobileNet, r"conv1_relu|conv_pw_\d+_relu"),
        (kr.backbones.resnet50, "batch", keras.applications.ResNet50, r"conv\d_block\d_out"),
    ],
    ids=["vgg16", "mobilenet", "resnet50"],
)


@pytest.fixture
def shapes_only():
    """Networks made in the test have weights with shapes, but without values."""
    with keras.StatelessScope(initialize_variables=False):
        yield
    keras.utils.clear_session()


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


def images(side, count=4):
    x = np.random.default_rng(0).normal(size=(count, side, side, 3)).astype("float32")
    return x, np.arange(count) % 3


def compiled(model, **options):
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(keras.optimizers.SGD(0.003, 0.9), loss, **options)
    return model


# -- The standard networks ------------------------------------------------------------------------


@standard_networks
@pytest.mark.usefixtures("shapes_only")
def test_large_images_get_the_standard_network(build, norm, standard, ends):
    model = build((224, 224, 3), classes=1000, norm=norm)
    reference = standard(weights=None)
    head = (1, 1, 1024, 1000)  # of the standard MobileNet, where it is a convolution
    expected = [shape for shape in convolution_kernels(reference) if shape != head]
    assert convolution_kernels(model) == expected
    assert model.count_params() == reference.count_params()
    assert outputs(model, r"block\d+_out") == outputs(reference, ends)


@pytest.mark.usefixtures("shapes_only")
def test_shallow_mobilenet_lacks_the_five_equal_blocks():
    full = full_mobilenet((224, 224, 3), classes=10)
    shallow = kr.backbones.mobilenet((224, 224, 3), classes=10)
    lacking = [(1, 1, 512, 512), (3, 3, 512, 1)] * 5
    assert sorted(convolution_kernels(shallow) + lacking) == convolution_kernels(full)
    assert outputs(shallow, r"(block|separable)\d+_out") == (
        outputs(full, r"block[1-7]_out") + outputs(full, r"block1[34]_out")
    )


def test_blocks_have_the_layers_that_the_docstrings_name():
    layers = names(kr.backbones.mobilenet((8, 8, 3), classes=3, dropout=0.25))
    separable = ("depthwise_conv", "depthwise_norm", "depthwise_relu")
    separable += ("pointwise_conv", "pointwise_norm", "out")
    assert layers == [
        "input",
        *("block1_conv", "block1_norm", "block1_out"),
        *(f"block{k}_{layer}" for k in range(2, 8) for layer in separable),
        *(f"separable{i}_{layer}" for i in (7, 8) for layer in separable),
        *("average", "dropout", "head"),
    ]


# -- Small images ---------------------------------------------------------------------------------


@all_networks
@pytest.mark.parametrize("side", [8, 9, 15, 16, 17, 28, 32, 33, 64])
@pytest.mark.usefixtures("shapes_only")
def test_every_tap_of_a_kernel_is_used(build, side):
    assert smallest_map(build((side, side, 3), classes=3)) >= 2
    assert smallest_map(build((side, 4 * side, 1), classes=3)) >= 2


@pytest.mark.parametrize(
    ("build", "side", "steps"),
    [
        (kr.backbones.vgg16, 8, [8, 8, 8, 4, 2]),
        (kr.backbones.vgg16, 9, [9, 9, 5, 3, 2]),
        (kr.backbones.vgg16, 17, [17, 9, 5, 3, 2]),
        (kr.backbones.vgg16, 32, [32, 16, 8, 4, 2]),
        (full_mobilenet, 8, [8, 8, 8, 4, 2]),
        (full_mobilenet, 28, [28, 14, 7, 4, 2]),
        (full_mobilenet, 33, [17, 9, 5, 3, 2]),
        (kr.backbones.resnet50, 8, [8, 8, 4, 2]),
        (kr.backbones.resnet50, 16, [16, 8, 4, 2]),
        (kr.backbones.resnet50, 32, [16, 8, 4, 2]),
        (kr.backbones.resnet50, 64, [16, 8, 4, 2]),
    ],
)
@pytest.mark.usefixtures("shapes_only")
def test_the_first_reductions_are_skipped(build, side, steps):
    sides = [shape[1] for shape in outputs(build((side, side, 3), 3), r"block\d+_out")]
    assert [side for i, side in enumerate(sides) if sides[i - 1 : i] != [side]] == list(
        dict.fromkeys(steps)
    )


@pytest.mark.parametrize(("side", "width"), [(8, 512), (32, 512), (64, 2048), (96, 4096)])
@pytest.mark.usefixtures("shapes_only")
def test_vgg16_dense_layers_are_no_wider_than_their_input(side, width):
    layers = {layer.name: layer for layer in kr.backbones.vgg16((side, side, 3), 3).layers}
    assert [layers[name].units for name in ("dense1", "dense2", "head")] == [width, width, 3]
    chosen = kr.backbones.vgg16((side, side, 3), 3, dense=7)
    assert [chosen.get_layer(name).units for name in ("dense1", "dense2")] == [7, 7]


# -- Options --------------------------------------------------------------------------------------


@all_networks
@pytest.mark.usefixtures("shapes_only")
def test_options_reach_every_layer(build):
    model = build((8, 8, 3), 3, dropout=0.25, weight_decay=0.1, kernel_initializer="ones")
    entries = sum(math.prod(layer.kernel.shape) for layer in with_kernel(model))
    assert float(sum(model.losses)) == pytest.approx(0.1 * entries, rel=1e-5)
    assert names(model)[-2:] == ["dropout", "head"]
    assert model.get_layer("dropout").rate == 0.25
    assert model.get_layer("head").activation is keras.activations.linear
    plain = build((8, 8, 3), 3, weight_decay=0)
    assert plain.losses == []
    assert "dropout" not in names(plain)


@all_networks
@pytest.mark.parametrize(
    ("norm", "layer"),
    [
        ("group", keras.layers.GroupNormalization),
        ("batch", keras.layers.BatchNormalization),
        (None, type(None)),
    ],
)
@pytest.mark.usefixtures("shapes_only")
def test_a_normalisation_follows_every_hidden_kernel(build, norm, layer):
    model = build((8, 8, 3), 3, norm=norm)
    kinds = (keras.layers.GroupNormalization, keras.layers.BatchNormalization)
    found = [each for each in model.layers if isinstance(each, kinds)]
    hidden = [each for each in with_kernel(model) if each.name != "head"]
    assert len(found) == (0 if norm is None else len(hidden))
    assert all(isinstance(each, layer) for each in found)


@all_networks
@pytest.mark.parametrize("shape", [(8,), (7, 8, 1), (8, 8), (None, 8, 3)])
def test_images_of_at_least_8x8_are_needed(build, shape):
    with pytest.raises(ValueError, match="needs images. Received: input_shape=.*at least 8"):
        build(shape, classes=3)


def test_unknown_depth_is_named():
    with pytest.raises(ValueError, match="Received: depth='deep'. Expected 'shallow' or 'full'"):
        kr.backbones.mobilenet((8, 8, 3), 3, depth="deep")


# -- At work --------------------------------------------------------------------------------------


@pytest.mark.parametrize(("build", "blocks"), BLOCKS.values(), ids=list(BLOCKS))
def test_layerwise_reinitialisation_on_the_smallest_images(build, blocks):
    x, y = images(8)
    model = compiled(kr.ReinitModel(build((8, 8, 3), classes=3)))
    assert [block.layers[-1].name for block in model.blocks] == [
        f"block{k}_out" for k in range(1, blocks + 1)
    ]
    before = model.get_weights()
    method = kr.callbacks.LayerwiseReinit(sample=x, until=kr.rounds.Fixed(epochs=1), seed=0)
    history = model.fit(x, y, epochs=1, verbose=0, callbacks=[method]).history
    assert method.max_epochs(model) == blocks
    assert history["reinit_block"] == [0]
    first, *others = [block.normalization for block in model.blocks]
    assert float(first.stddev) != 1
    assert all(float(each.stddev) == 1 for each in others)
    assert np.isfinite(history["loss"]).all()
    assert all(np.isfinite(each).all() for each in model.get_weights())
    kernels = [i for i, each in enumerate(before) if each.ndim > 1]
    assert all(np.any(before[i] != model.get_weights()[i]) for i in kernels)


@all_networks
def test_a_step_with_mixed_precision_and_xla(build):
    keras.config.set_dtype_policy("mixed_float16")
    x, y = images(32, count=2)
    model = compiled(build((32, 32, 3), classes=3), jit_compile=True)
    before = model.get_layer("block1_out").output.dtype, model.get_weights()
    assert before[0] == "float16"
    assert np.isfinite(model.train_on_batch(x, y))
    changed = [np.any(old != new) for old, new in zip(before[1], model.get_weights(), strict=True)]
    assert sum(changed) > 0.9 * len(changed)
    assert np.isfinite(model.predict_on_batch(x)).all()
