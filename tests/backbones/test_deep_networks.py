"""Plain and residual networks of any depth: those of the papers, once more in plain NumPy."""

import keras
import numpy as np
import pytest

import keras_reinit as kr
from keras_reinit.initializers import gammas, residual_stages, weight_norm_gain
from keras_reinit.layers import Recomputed, WeightNormalization
from keras_reinit.layers.kernels import kernels
from tests.backbones.test_resnet18 import Reference, relu

DEPTH = {"cifar_resnet": 14, "wide_resnet": 16, "plain_cnn": 8, "impala": 16}  # two blocks a stage


def build(name, norm="weight", shape=(8, 8, 3), width=0.25, **options):
    options = {"depth": DEPTH[name], "width": width, "norm": norm, **options}
    return getattr(kr.backbones, name)(shape, 4, **options)


def symbolic(name, *args, **options):
    """A network of shapes, without values."""
    with keras.StatelessScope(initialize_variables=False):
        return getattr(kr.backbones, name)(*args, **options)


# -- The networks, as the papers have them --------------------------------------------------------


class NumPy(Reference):
    """Also with weights `g * v / ||v||`, a dense layer and max pooling."""

    def __init__(self, model):
        super().__init__(model)
        for layer in model.layers:
            if isinstance(layer, WeightNormalization):
                v, bias = (np.array(each) for each in (layer.layer.kernel, layer.layer.bias))
                kernel = (
                    np.array(layer.gains[0]) * v / np.sqrt((v**2).sum(tuple(range(v.ndim - 1))))
                )
                self._weights[layer.name] = {"kernel": kernel, "bias": bias}

    def dense(self, x, name):
        return x @ self._weights[name]["kernel"] + self._weights[name]["bias"]

    def has(self, name):
        return name in self._weights


def linear_block(net, x, block, stride=1):
    shortcut = f"{block}_shortcut"
    y = net.conv(relu(net.conv(x, f"{block}_1", stride)), f"{block}_2")
    return y + (net.conv(x, shortcut, stride) if net.has(f"{shortcut}_conv") else x)


def basic_block(net, x, block, stride):
    shortcut = f"{block}_shortcut"
    y = relu(net.norm(net.conv(x, f"{block}_1", stride), f"{block}_1"))
    y = net.norm(net.conv(y, f"{block}_2"), f"{block}_2")
    if net.has(f"{shortcut}_conv"):
        x = net.norm(net.conv(x, shortcut, stride), shortcut)
    return relu(x + y)


def preactivated_block(net, x, block, stride, begins_stage):
    shortcut = f"{block}_shortcut"
    active = relu(net.norm(x, f"{block}_1"))
    y = net.conv(active, f"{block}_1", stride)
    y = net.conv(relu(net.norm(y, f"{block}_2")), f"{block}_2")
    if begins_stage:
        x = net.conv(active, shortcut, stride) if net.has(f"{shortcut}_conv") else active
    return x + y


def cifar_resnet(net, x, norm):
    x = net.norm(net.conv(x, "stem"), "stem")
    x = x if norm == "weight" else relu(x)
    block = linear_block if norm == "weight" else basic_block
    for k in range(1, 7):
        x = block(net, x, f"block{k}", 2 if k in (3, 5) else 1)
    return net.head(x)


def wide_resnet(net, x, norm):
    x = net.conv(x, "stem")
    for k in range(1, 7):
        stride = 2 if k in (3, 5) else 1
        if norm == "weight":
            x = linear_block(net, x, f"block{k}", stride)
        else:
            x = preactivated_block(net, x, f"block{k}", stride, begins_stage=k % 2 == 1)
    return net.head(x if norm == "weight" else relu(net.norm(x, "block6")))


def randomized(model, rng):
    for variable in model.weights:
        if variable.name != "kernel":
            variable.assign(rng.uniform(0.5, 1.5, variable.shape))
    return model


@pytest.mark.parametrize("reference", [cifar_resnet, wide_resnet])
@pytest.mark.parametrize("norm", ["weight", "batch", None])
def test_residual_networks(reference, norm, rng):
    model = randomized(build(reference.__name__, norm, (10, 13, 3)), rng)
    x = rng.normal(size=(3, 10, 13, 3)).astype("float32")
    expected = reference(NumPy(model), x, norm)
    np.testing.assert_allclose(
        model.predict_on_batch(x), expected, rtol=1e-4, atol=1e-5 * np.abs(expected).max()
    )


@pytest.mark.parametrize("norm", ["weight", None])
def test_impala(norm, rng):
    model = randomized(build("impala", norm, (9, 12, 2)), rng)
    x = y = rng.normal(size=(3, 9, 12, 2)).astype("float32")
    net = NumPy(model)
    for section in (1, 2, 3):
        y = net.conv(y, f"section{section}")
        y = keras.ops.convert_to_numpy(keras.ops.max_pool(y, 3, 2, "same"))
        for k in (2 * section - 1, 2 * section):
            before, y = y, y if norm == "weight" else relu(y)
            y = before + net.conv(relu(net.conv(y, f"block{k}_1")), f"block{k}_2")
    y = (y if norm == "weight" else relu(y)).reshape(3, -1)
    y = relu(net.dense(y, "dense"))
    for output, name in zip(model.predict_on_batch(x), ("head", "value"), strict=True):
        expected = net.dense(y, name)
        np.testing.assert_allclose(output, expected, rtol=1e-4, atol=1e-5 * np.abs(expected).max())


@pytest.mark.parametrize("norm", ["weight", "batch", None])
def test_plain_cnn(norm, rng):
    model = randomized(build("plain_cnn", norm), rng)
    x = y = rng.normal(size=(3, 8, 8, 3)).astype("float32")
    net = NumPy(model)
    for k in range(1, 8):
        y = net.conv(y, f"block{k}")
        if k in (4, 6):  # of stride 2: TensorFlow pads at the end first
            y = y[:, 1::2, 1::2]
        y = relu(net.norm(y, f"block{k}"))
    np.testing.assert_allclose(model.predict_on_batch(x), net.head(y), rtol=1e-4, atol=1e-5)


# -- Structure ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "norm", "options", "count"),
    [
        # 853,018 with parameter-free shortcuts; here two projections and their normalisations.
        ("cifar_resnet", "batch", {"depth": 56}, 853_018 + 16 * 32 + 32 * 64 + 2 * (32 + 64)),
        ("cifar_resnet", "batch", {"depth": 20}, 269_722 + 16 * 32 + 32 * 64 + 2 * (32 + 64)),
        ("wide_resnet", "batch", {"depth": 40, "width": 10}, 36_479_194 + 19_362_560),
        ("wide_resnet", "batch", {"depth": 28, "width": 10}, 36_479_194),
    ],
)
def test_trainable_parameters(name, norm, options, count):
    weights = symbolic(name, (32, 32, 3), 10, norm=norm, **options).trainable_weights
    assert sum(int(np.prod(weight.shape)) for weight in weights) == count


@pytest.mark.parametrize(
    ("name", "depth", "layers"),
    [
        ("cifar_resnet", 56, 56 + 2),  # shortcuts
        ("wide_resnet", 40, 40 + 1),  # the head
        ("impala", 100, 100 + 2),  # two heads
        ("plain_cnn", 5, 5),
        ("plain_cnn", 25, 25),
        ("plain_cnn", 100, 100),
    ],
)
def test_depth_counts_layers(name, depth, layers):
    model = symbolic(name, (16, 16, 3), 4, depth=depth, width=0.25)
    kernels = [weight for weight in model.weights if weight.name == "kernel"]
    assert len(kernels) == layers
    assert sum(isinstance(layer, WeightNormalization) for layer in model.layers) == (
        layers - (2 if name == "impala" else 1)
    )


@pytest.mark.parametrize(
    ("depth", "shares"), [(4, [1, 1, 1]), (5, [2, 1, 1]), (8, [3, 2, 2]), (25, [8, 8, 8])]
)
def test_plain_cnn_has_even_stages(depth, shares):
    model = symbolic("plain_cnn", (16, 16, 3), 4, depth=depth)
    shapes = [layer.output.shape[1:] for layer in model.layers if layer.name.endswith("_out")]
    stages = [(16, 16, 16), (8, 8, 32), (4, 4, 64)]
    assert shapes == [shape for shape, n in zip(stages, shares, strict=True) for _ in range(n)]


@pytest.mark.parametrize(("name", "blocks"), {**dict.fromkeys(DEPTH, 6), "plain_cnn": 7}.items())
@pytest.mark.parametrize("norm", ["weight", "batch"])
def test_blocks_are_found_by_name(name, blocks, norm):
    model = kr.ReinitModel(build(name, norm))
    assert [block.layers[-1].name for block in model.blocks] == [
        f"block{k}_out" for k in range(1, blocks + 1)
    ]
    inside = {layer.name for block in model.blocks for layer in block.layers}
    outside = {layer.name for layer in model.layers if layer.trainable_weights} - inside
    assert outside <= {"head", "value", "dense", "dense_norm"}


@pytest.mark.parametrize("name", list(DEPTH))
def test_a_bias_where_nothing_normalises_after(name):
    for norm, has_bias in (("weight", True), ("batch", False), (None, True)):
        layers = [getattr(layer, "layer", layer) for layer in build(name, norm).layers]
        convolutions = [layer for layer in layers if isinstance(layer, keras.layers.Conv2D)]
        assert {layer.use_bias for layer in convolutions} == {has_bias}


@pytest.mark.parametrize(
    ("name", "depth", "message"),
    [
        ("cifar_resnet", 55, r"6 n \+ 2 layers. Received: depth=55. Expected e.g. 50 or 56"),
        ("cifar_resnet", 2, "depth=2. Expected e.g. 8 or 14"),
        ("wide_resnet", 41, "depth=41. Expected e.g. 40 or 46"),
        ("impala", 15, "depth=15. Expected e.g. 10 or 16"),
        ("plain_cnn", 3, "at least 4. Received: depth=3"),
    ],
)
def test_a_depth_that_there_is_not(name, depth, message):
    with pytest.raises(ValueError, match=message):
        build(name, depth=depth)


def test_too_deep_for_one_piece():
    with pytest.raises(ValueError, match="more layers in a row than Keras can follow"):
        symbolic("mlp", (2,), 2, hidden=(1,) * 600)


# -- Weight normalisation: what `initialize` makes of them ----------------------------------------


def gains(model, stem):
    found = {}
    for layer, gamma in gammas(model, stem=stem).items():
        (kernel,) = kernels(layer.layer)
        found[layer.name] = weight_norm_gain(kernel.fan_in, kernel.fan_out, gamma)
    return found


def test_gains_of_wide_resnet_40_10():
    model = symbolic("wide_resnet", (32, 32, 3), 10)
    assert [len(stage) for stage in residual_stages(model)] == [6, 6, 6]
    found = gains(model, stem=1)
    expected = {
        "stem_conv": 0.43301,
        "block1_1_conv": 0.44721,
        "block1_2_conv": 0.40825,
        "block1_shortcut_conv": 0.31623,
        "block7_1_conv": 1.0,
        "block7_shortcut_conv": 0.70711,
        "block18_2_conv": 0.40825,
    }
    assert {name: round(found[name], 5) for name in expected} == expected


@pytest.mark.parametrize(("depth", "second"), [(56, 0.33333), (110, 0.23570), (164, 0.19245)])
def test_gains_of_cifar_resnets(depth, second):
    model = symbolic("cifar_resnet", (16, 16, 3), 10, depth=depth, width=0.25)
    found = gains(model, stem=2)
    assert found["stem_conv"] == pytest.approx((2 * 3 / 4) ** 0.5)
    assert len(found) == depth + 1
    conv2 = [gain for name, gain in found.items() if name.endswith("_2_conv")]
    np.testing.assert_allclose(conv2, second, atol=5e-6)


@pytest.mark.parametrize("name", list(DEPTH))
@pytest.mark.parametrize("scheme", ["arpit", "data_dependent"])
def test_initialize(name, scheme, rng):
    model = build(name)
    x = rng.normal(size=(16, 8, 8, 3)).astype("float32")
    kr.initialize(model, scheme, seed=0, data=x if scheme == "data_dependent" else None)
    outputs = keras.tree.flatten(model.predict_on_batch(x))
    assert all(np.isfinite(output).all() and np.any(output) for output in outputs)


def test_stages_of_a_deep_network_keep_the_norm(rng):
    model = build("cifar_resnet", depth=62, width=1)
    kr.initialize(model, "arpit", stem=2, seed=0)
    ends = [model.get_layer(f"block{k}_out").output for k in (1, 10)]
    first, last = keras.Model(model.input, ends).predict_on_batch(rng.normal(size=(8, 8, 8, 3)))
    assert 1 < np.linalg.norm(last) / np.linalg.norm(first) < np.sqrt(np.e)


# -- Recomputation --------------------------------------------------------------------------------


def test_recomputation_is_the_same_network(rng):
    plain, parts = build("cifar_resnet", depth=20), build("cifar_resnet", depth=20, recompute=2)
    for model in (plain, parts):
        kr.initialize(model, "arpit", stem=2, seed=0)
    for one, other in zip(plain.get_weights(), parts.get_weights(), strict=True):
        np.testing.assert_array_equal(one, other)
    lengths = [
        len([each for each in layer.layers if each.name.endswith("_out")])
        for layer in parts.layers
        if isinstance(layer, Recomputed)
    ]
    assert lengths == [2, 2, 2, 2, 1]
    x = rng.normal(size=(2, 8, 8, 3)).astype("float32")
    np.testing.assert_allclose(parts.predict_on_batch(x), plain.predict_on_batch(x), rtol=1e-5)
    assert len(kr.ReinitModel(parts).blocks) == 9


def test_stages_do_not_depend_on_the_parts():
    model = symbolic("cifar_resnet", (8, 8, 3), 4, depth=74, width=1 / 16, recompute=7)
    assert [len(stage) for stage in residual_stages(model)] == [12] * 3


@pytest.mark.parametrize("recompute", [0, 1.5, True])
def test_parts_have_blocks(recompute):
    with pytest.raises(ValueError, match=f"Received: recompute={recompute}"):
        build("cifar_resnet", recompute=recompute)


def test_no_recomputation_of_batch_statistics():
    with pytest.raises(ValueError, match="cannot be run twice"):
        build("cifar_resnet", "batch", recompute=2)
