"""ResNet-18 and its pre-activation form, against the papers once more in plain NumPy."""

import keras
import numpy as np
import pytest

import keras_reinit as kr

both = pytest.mark.parametrize("build", [kr.backbones.resnet18, kr.backbones.preact_resnet18])
BLOCKS = range(1, 9)
WIDENS = (3, 5, 7)  # blocks with which a stage of more filters begins


# -- The networks, as the papers and the public codes have them -----------------------------------


class Reference:
    """A network's weights in operations of plain NumPy, by the names of layers."""

    def __init__(self, model):
        self._weights = {
            layer.name: {variable.name: np.array(variable.value) for variable in layer.weights}
            for layer in model.layers
        }

    def conv(self, x, name, stride=1):
        """With `size // 2` pixels of zeros on each side, as PyTorch's `padding`."""
        weights = self._weights[f"{name}_conv"]
        size = weights["kernel"].shape[0]
        side = (size // 2, size // 2)
        padded = np.pad(x, ((0, 0), side, side, (0, 0)))
        patches = np.lib.stride_tricks.sliding_window_view(padded, (size, size), axis=(1, 2))
        z = np.einsum("nhwcij,ijco->nhwo", patches[:, ::stride, ::stride], weights["kernel"])
        return z + weights.get("bias", 0)

    def norm(self, x, name):
        weights = self._weights.get(f"{name}_norm")
        if weights is None:
            return x
        normalized = (x - weights["moving_mean"]) / np.sqrt(weights["moving_variance"] + 1e-3)
        return normalized * weights["gamma"] + weights["beta"]

    def head(self, x):
        return x.mean(axis=(1, 2)) @ self._weights["head"]["kernel"] + self._weights["head"]["bias"]


def relu(x):
    return np.maximum(x, 0)


def resnet18(net, x):
    x = relu(net.norm(net.conv(x, "stem"), "stem"))
    for k in BLOCKS:
        block, stride, shortcut = f"block{k}", 2 if k in WIDENS else 1, x
        if k in WIDENS:
            shortcut = net.norm(net.conv(x, f"{block}_shortcut", stride), f"{block}_shortcut")
        y = relu(net.norm(net.conv(x, f"{block}_1", stride), f"{block}_1"))
        y = net.norm(net.conv(y, f"{block}_2"), f"{block}_2")
        x = relu(shortcut + y)
    return net.head(x)


def preact_resnet18(net, x):
    x = net.conv(x, "stem")
    for k in BLOCKS:
        block, stride = f"block{k}", 2 if k in WIDENS else 1
        active = relu(net.norm(x, f"{block}_1"))
        shortcut = active if k == 1 else x
        if k in WIDENS:
            shortcut = net.conv(active, f"{block}_shortcut", stride)
        y = net.conv(active, f"{block}_1", stride)
        y = net.conv(relu(net.norm(y, f"{block}_2")), f"{block}_2")
        x = shortcut + y
    return net.head(relu(net.norm(x, "block8")))


@pytest.mark.parametrize(
    ("build", "reference"),
    [(kr.backbones.resnet18, resnet18), (kr.backbones.preact_resnet18, preact_resnet18)],
    ids=["resnet18", "preact_resnet18"],
)
@pytest.mark.parametrize("norm", ["batch", None])
@pytest.mark.parametrize("shape", [(10, 13, 3), (16, 16, 1)])
def test_the_network_of_the_papers(build, reference, norm, shape, rng):
    model = build(shape, classes=4, norm=norm, width=1 / 16)
    for variable in model.weights:
        if "kernel" not in variable.name:
            variable.assign(rng.uniform(0.5, 1.5, variable.shape))
    x = rng.normal(size=(3, *shape)).astype("float32")
    expected = reference(Reference(model), x)
    np.testing.assert_allclose(
        np.array(model(x)), expected, rtol=1e-4, atol=1e-5 * np.abs(expected).max()
    )


# -- Structure ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("build", "width", "count"),
    [
        (kr.backbones.resnet18, 1, 11_173_962),
        (kr.backbones.resnet18, 0.25, 701_466),
        # 11,171,146 in the public code that has no normalisation after the last block.
        (kr.backbones.preact_resnet18, 1, 11_171_146 + 2 * 512),
        (kr.backbones.preact_resnet18, 0.25, 701_018),
    ],
)
def test_trainable_parameters(build, width, count):
    with keras.StatelessScope(initialize_variables=False):
        weights = build((32, 32, 3), classes=10, width=width).trainable_weights
    assert sum(int(np.prod(weight.shape)) for weight in weights) == count


def expected_names(block, extra):
    names = {"input", "average", "dropout", "head", *extra}
    for k in BLOCKS:
        widening = {"shortcut_conv", "1_pad"} if k in WIDENS else set()
        names |= {f"block{k}_{layer}" for layer in {*block, "out", *widening}}
    return names


def test_layers_of_resnet18():
    names = [layer.name for layer in kr.backbones.resnet18((16, 16, 3), 3, dropout=0.1).layers]
    block = {"1_conv", "1_norm", "1_relu", "2_conv", "2_norm", "add"}
    extra = {"stem_conv", "stem_norm", "stem_relu"} | {f"block{k}_shortcut_norm" for k in WIDENS}
    assert sorted(names) == sorted(expected_names(block, extra))


def test_layers_of_preact_resnet18():
    model = kr.backbones.preact_resnet18((16, 16, 3), 3, dropout=0.1, width=0.25)
    block = {"1_norm", "1_relu", "1_conv", "2_norm", "2_relu", "2_conv"}
    extra = {"stem_conv", "block8_add", "block8_norm"}
    assert sorted(layer.name for layer in model.layers) == sorted(expected_names(block, extra))


@both
@pytest.mark.parametrize(("norm", "has_bias"), [("batch", False), ("group", False), (None, True)])
def test_convolutions_have_a_bias_where_nothing_normalises_them(build, norm, has_bias):
    model = build((8, 8, 3), classes=3, norm=norm, width=1 / 16)
    convolutions = [each for each in model.layers if isinstance(each, keras.layers.Conv2D)]
    assert [layer.use_bias for layer in convolutions] == [has_bias] * 20


@both
def test_filters_and_strides(build):
    model = build((32, 32, 3), classes=3, width=0.25)
    outputs = [model.get_layer(f"block{k}_out").output.shape for k in BLOCKS]
    sizes = [(32, 16), (16, 32), (8, 64), (4, 128)]
    assert outputs == [(None, side, side, filters) for side, filters in sizes for _ in range(2)]


@both
def test_eight_blocks_and_the_stem_belongs_to_the_first(build):
    model = kr.ReinitModel(build((8, 8, 3), classes=3, width=1 / 16), blocks="auto")
    layers = [[layer.name for layer in block.layers] for block in model.blocks]
    assert len(layers) == 8
    assert "stem_conv" in layers[0]
    for k, names in enumerate(layers, start=1):
        assert names[-1] == f"block{k}_out"
        assert {f"block{k}_1_conv", f"block{k}_2_conv"} <= set(names)
    inside = {name for names in layers for name in names}
    weighted = {layer.name for layer in model.layers if layer.trainable_weights}
    assert weighted - inside == {"head"}


@both
def test_statistics_follow_the_batches_at_the_pace_of_the_public_codes(build, rng):
    model = build((8, 8, 3), classes=3, width=1 / 16)
    normalized = next(each for each in model.layers if hasattr(each, "moving_mean"))
    features = keras.Model(model.input, normalized.input)
    x = rng.normal(size=(4, 8, 8, 3)).astype("float32")
    mean = np.array(features(x)).mean(axis=(0, 1, 2))
    model(x, training=True)
    np.testing.assert_allclose(np.array(normalized.moving_mean.value), 0.1 * mean, atol=1e-6)
