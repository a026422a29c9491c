"""Stages, blocks and shortcuts are found; what cannot be found is refused by name."""

import keras
import pytest
from keras import layers, ops

from keras_reinit.initializers import gammas, residual_stages
from tests.initializers.networks import block, conv, dense, mlp, resnet


def names(stages):
    return [
        [
            ([layer.name for layer in each.layers], each.shortcut and each.shortcut.name)
            for each in stage
        ]
        for stage in stages
    ]


def of(model, **options):
    return {layer.name: gamma for layer, gamma in gammas(model, **options).items()}


def test_stages_of_a_wide_residual_network():
    assert names(residual_stages(resnet(blocks=2))) == [
        [
            (["stage1_block1_conv1", "stage1_block1_conv2"], "stage1_block1_shortcut"),
            (["stage1_block2_conv1", "stage1_block2_conv2"], None),
        ],
        [
            (["stage2_block1_conv1", "stage2_block1_conv2"], "stage2_block1_shortcut"),
            (["stage2_block2_conv1", "stage2_block2_conv2"], None),
        ],
    ]


def test_gammas_of_a_wide_residual_network():
    found = of(resnet(blocks=3))
    assert found.pop("stem") == 1
    for name, gamma in found.items():
        assert gamma == {"conv1": 2, "conv2": 1 / 3, "shortcut": 1}[name.split("_")[-1]]
    assert len(found) == 2 * (2 * 3 + 1)


def test_the_stem_and_hanin():
    model = resnet(blocks=3, first=False)
    assert of(model, stem=2)["stem"] == 2
    found = of(model, scheme="hanin")
    for k in (1, 2):
        for b in (1, 2, 3):
            assert found[f"stage{k}_block{b}_conv2"] == pytest.approx(0.9 ** (2 * b))
            assert found[f"stage{k}_block{b}_conv1"] == 2


def test_one_stage_without_any_shortcut():
    (stage,) = residual_stages(resnet(widths=(4,), blocks=12, first=False))
    assert len(stage) == 12
    assert {each.shortcut for each in stage} == {None}


def test_relu_after_the_addition_shared_relu_bottleneck_raw_operations_and_nesting():
    inputs = keras.Input((4, 4, 3))
    x = conv(4, "stem")(inputs)
    x = layers.ReLU()(block(x, 4, "after"))
    shared = ops.relu(x)
    y = conv(8, "narrow", activation="relu")(shared)
    y = ops.relu(conv(8, "middle")(y))
    y = conv(8, "wide")(layers.Dropout(0.5)(y))
    x = conv(8, "projection")(shared) + y
    inner = keras.Input((4, 4, 8))
    x = keras.Model(inner, block(inner, 8, "nested"))(x)
    model = keras.Model(inputs, layers.Dense(3)(layers.Flatten()(x)))
    assert [len(stage) for stage in residual_stages(model)] == [1, 2]
    found = of(model)
    expected = {"narrow": 2, "middle": 2, "wide": 0.5, "projection": 1, "nested_conv2": 0.5}
    assert {name: found[name] for name in expected} == expected
    assert found["after_conv2"] == 1


def test_a_layer_between_two_blocks_begins_a_stage():
    inputs = keras.Input((8, 8, 3))
    x = inputs
    for k in (1, 2):  # the sections of the IMPALA network
        x = layers.MaxPooling2D()(conv(4, f"conv{k}")(x))
        for b in (1, 2):
            x = block(x, 4, f"section{k}_block{b}")
    model = keras.Model(inputs, [layers.Dense(3)(layers.Flatten()(x)) for _ in range(2)])
    assert [len(stage) for stage in residual_stages(model)] == [2, 2]
    assert of(model, stem=2)["conv1"] == 2
    assert of(model, stem=2)["conv2"] == 1


def test_a_shortcut_without_weights_that_is_not_the_identity_begins_a_stage():
    inputs = keras.Input((4, 4, 4))
    x = block(block(inputs, 4, "one"), 4, "two")
    y = conv(4, "conv2")(ops.relu(conv(4, "conv1", strides=2)(x)))
    x = layers.Add()([layers.AveragePooling2D(2)(x), y])
    model = keras.Model(inputs, layers.GlobalAveragePooling2D()(x))
    assert [len(stage) for stage in residual_stages(model)] == [2, 1]


def test_feed_forward_networks():
    assert residual_stages(mlp((7, 5))) == ()
    assert of(mlp((7, 5), head=3)) == {"dense1": 2, "dense2": 2}
    inputs = keras.Input((5, 5, 2))
    x = conv(3, "linear")(inputs)
    x = layers.ReLU()(layers.Dropout(0.5)(layers.MaxPooling2D()(conv(3, "pooled")(x))))
    model = keras.Model(inputs, dense(3, "scores", "softmax")(layers.Flatten()(x)))
    assert of(model) == {"linear": 1, "pooled": 2, "scores": 1}


def model_of(make, shape=(4,)):
    inputs = keras.Input(shape)
    return keras.Model(inputs, layers.Dense(2, name="head")(make(inputs)))


def shared(x):
    layer = dense(4, "shared")
    return layer(layers.ReLU()(layer(x)))


REFUSED = {
    "tanh": (lambda x: dense(3, "hidden", "tanh")(x), "'tanh', which follows layer 'hidden'"),
    "leaky": (lambda x: layers.LeakyReLU()(dense(3, "hidden")(x)), "LeakyReLU"),
    "bare": (lambda x: dense(3, "above")(layers.Dense(3, name="bare")(x)), "Layer 'bare' lies"),
    "concatenation": (
        lambda x: layers.Concatenate(name="both")([dense(3, "a")(x), dense(3, "b")(x)]),
        "Branches meet in 'both'",
    ),
    "three": (
        lambda x: layers.Add(name="sum")([x, dense(4, "a")(x), dense(4, "b")(x)]),
        "addition of two",
    ),
    "two alike": (
        lambda x: layers.Add(name="sum")([dense(3, "a")(x), dense(3, "b")(x)]),
        "no shortcut that can be told",
    ),
    "no weights": (lambda x: layers.Add(name="sum")([x, layers.ReLU()(x)]), "no shortcut"),
    "shared": (shared, "Layer 'shared' is shared"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_structures_that_are_refused(case):
    make, reason = REFUSED[case]
    with pytest.raises(ValueError, match=reason):
        gammas(model_of(make))


def test_two_inputs_that_are_added_are_no_block():
    inputs = [keras.Input((3,)), keras.Input((3,))]
    y = layers.Add(name="sum")([dense(3, "a")(inputs[0]), inputs[1]])
    with pytest.raises(ValueError, match="'sum' closes no residual block"):
        residual_stages(keras.Model(inputs, y))


@pytest.mark.parametrize("options", [{"scheme": "hanin"}, {"stem": 1.0}])
def test_what_needs_residual_blocks(options):
    with pytest.raises(ValueError, match="no residual blocks"):
        gammas(mlp((5,)), **options)


def test_a_model_without_a_graph():
    class Subclassed(keras.Model):
        def call(self, x):
            return x

    with pytest.raises(ValueError, match="graph"):
        residual_stages(Subclassed())
