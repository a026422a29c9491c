"""Where networks are cut into blocks, by rule and by list."""

import keras
import numpy as np
import pytest
from keras import layers, ops

import keras_reinit as kr


def cut(*sequence, shape=(8, 8, 2), blocks="auto"):
    """Names of the layers of each block of a Sequential model."""
    model = keras.Sequential([keras.Input(shape), *sequence])
    return members(kr.ReinitModel(model, blocks=blocks))


def members(model):
    return [[layer.name for layer in block.layers] for block in model.blocks]


def conv(name, activation=None, **options):
    return layers.Conv2D(2, 3, activation=activation, padding="same", name=name, **options)


def head(units=3):
    return [layers.Flatten(name="flatten"), layers.Dense(units, name="head")]


# -- The rule: networks of keras.applications -----------------------------------------------------


@pytest.mark.parametrize(
    ("name", "count", "ends"),
    [
        ("VGG16", 13, {1: "block1_conv1", 2: "block1_conv2", 13: "block5_conv3"}),
        ("MobileNet", 14, {1: "conv1_relu", 2: "conv_pw_1_relu", 14: "conv_pw_13_relu"}),
        ("ResNet50", 16, {1: "conv2_block1_out", 16: "conv5_block3_out"}),
    ],
)
@pytest.mark.parametrize("top", [True, False], ids=["with top", "without top"])
def test_networks_of_the_papers(name, count, ends, top):
    options = {"classes": 3, "classifier_activation": None} if top else {}
    backbone = getattr(keras.applications, name)(
        weights=None, include_top=top, input_shape=(32, 32, 3), **options
    )
    model = kr.ReinitModel(backbone)
    assert [block.name for block in model.blocks] == [f"block{k}" for k in range(1, count + 1)]
    for k, end in ends.items():
        assert model.blocks[k - 1].layers[-1].name == end
    if name == "ResNet50":
        assert "conv1_conv" in members(model)[0]  # the stem
    if top:
        above = {slot.name for slot in model.weights_above(count - 1)}
        assert above  # the head is above the last block
        assert all(slot.name in above for slot in model.weights_above(count - 1))
    weighted = {layer.name for layer in backbone.layers if layer.weights}
    listed = [name for block in members(model) for name in block]
    assert len(set(listed)) == len(listed)
    if not top:
        assert weighted <= set(listed)
    kinds = (layers.MaxPooling2D, layers.GlobalAveragePooling2D, layers.Dropout)
    assert not any(isinstance(block.layers[-1], kinds) for block in model.blocks)


# -- The rule: units ------------------------------------------------------------------------------


def test_a_unit_is_convolution_normalisation_activation_cut_before_pooling_and_dropout():
    assert cut(
        conv("a"),
        layers.BatchNormalization(name="a_norm"),
        layers.ReLU(name="a_relu"),
        layers.MaxPooling2D(name="pool"),
        layers.Dropout(0.5, name="drop"),
        conv("b", "relu"),
        layers.GlobalAveragePooling2D(name="average"),
        layers.Dense(4, "relu", name="hidden"),
        layers.Dense(3, name="head"),
    ) == [["a", "a_norm", "a_relu"], ["pool", "drop", "b"]]


@pytest.mark.parametrize(
    "activation",
    [
        lambda: layers.ReLU(name="act"),
        lambda: layers.LeakyReLU(name="act"),
        lambda: layers.PReLU(name="act"),
        lambda: layers.ELU(name="act"),
        lambda: layers.Activation("gelu", name="act"),
        lambda: layers.Activation(lambda x: ops.maximum(x, 0), name="act"),
    ],
    ids=["relu", "leaky", "prelu", "elu", "gelu", "own"],
)
@pytest.mark.parametrize(
    "norm",
    [
        layers.BatchNormalization,
        layers.LayerNormalization,
        lambda **k: layers.GroupNormalization(1, **k),
    ],
    ids=["batch", "layer", "group"],
)
def test_activations_and_normalisations_belong_to_the_unit(activation, norm):
    sequence = conv("a"), norm(name="norm"), activation(), *head()
    assert cut(*sequence) == [["a", "norm", "act"]]


@pytest.mark.parametrize("operation", [ops.relu, ops.gelu, ops.silu, ops.leaky_relu])
def test_a_raw_operation_is_an_activation(operation):
    inputs = keras.Input((8, 8, 2))
    x = operation(layers.BatchNormalization(name="norm")(conv("a")(inputs)))
    x = layers.MaxPooling2D(name="pool")(x)
    x = operation(conv("b")(x))
    outputs = layers.Dense(3, name="head")(layers.Flatten()(x))
    model = kr.ReinitModel(keras.Model(inputs, outputs))
    assert members(model) == [["a", "norm"], ["pool", "b"]]
    images = np.random.default_rng(0).normal(size=(4, 8, 8, 2)).astype("float32")
    model.calibrate(0, images)
    hidden = operation(model.get_layer("norm")(model.get_layer("a")(images)))
    hidden = keras.ops.convert_to_numpy(hidden)
    np.testing.assert_allclose(model.blocks[0].normalization.mean, hidden.mean(), rtol=1e-5)


def test_depthwise_and_pointwise_are_one_unit():
    assert cut(
        layers.DepthwiseConv2D(3, name="dw"),
        layers.BatchNormalization(name="dw_norm"),
        layers.ReLU(name="dw_relu"),
        layers.Conv2D(3, 1, name="pw"),
        layers.ReLU(name="pw_relu"),
        layers.SeparableConv2D(2, 3, activation="relu", name="separable"),
        *head(),
    ) == [["dw", "dw_norm", "dw_relu", "pw", "pw_relu"], ["separable"]]


@pytest.mark.parametrize(
    ("layer", "shape"),
    [
        (layers.Conv1D, (8, 2)),
        (layers.Conv3D, (6, 6, 6, 2)),
        (layers.Conv2DTranspose, (8, 8, 2)),
        (layers.SeparableConv1D, (8, 2)),
    ],
)
def test_every_convolution_makes_a_unit(layer, shape):
    sequence = [layer(2, 2, activation="relu", name=f"conv{i}") for i in range(3)]
    assert cut(*sequence, *head(), shape=shape) == [["conv0"], ["conv1"], ["conv2"]]


@pytest.mark.parametrize(
    "tail",
    [
        [layers.GlobalAveragePooling2D(name="average")],
        [layers.GlobalAveragePooling2D(name="average"), layers.Softmax(name="softmax")],
        [layers.GlobalAveragePooling2D(name="average"), layers.Activation("softmax", name="s")],
        [layers.Activation("softmax", name="s")],
        [layers.Activation("sigmoid", name="s")],
        [layers.Softmax(name="softmax")],
    ],
    ids=["average", "average softmax layer", "average softmax", "softmax", "sigmoid", "layer"],
)
def test_a_convolution_that_gives_the_scores_is_the_head(tail):
    assert cut(conv("a", "relu"), conv("scores"), *tail) == [["a"]]


def test_the_stem_of_a_residual_network_belongs_to_its_first_block():
    inputs = keras.Input((8, 8, 2))
    x = conv("stem", "relu")(inputs)
    x = layers.MaxPooling2D(name="pool")(x)
    for k in range(3):
        y = conv(f"second{k}")(conv(f"first{k}", "relu")(x))
        x = layers.ReLU(name=f"relu{k}")(layers.Add(name=f"add{k}")([x, y]))
    outputs = layers.Dense(3, name="head")(layers.GlobalAveragePooling2D(name="average")(x))
    cuts = members(kr.ReinitModel(keras.Model(inputs, outputs)))
    assert cuts == [
        ["stem", "pool", "first0", "second0", "add0", "relu0"],
        ["first1", "second1", "add1", "relu1"],
        ["first2", "second2", "add2", "relu2"],
    ]


def test_residual_blocks_with_the_activation_before_the_convolution():
    inputs = keras.Input((8, 8, 2))
    x = conv("stem")(inputs)
    for k in range(3):
        y = layers.ReLU(name=f"relu{k}")(layers.BatchNormalization(name=f"norm{k}")(x))
        x = x + conv(f"conv{k}")(y)
    x = layers.ReLU(name="relu")(layers.BatchNormalization(name="norm")(x))
    outputs = layers.Dense(3, name="head")(layers.GlobalAveragePooling2D()(x))
    cuts = members(kr.ReinitModel(keras.Model(inputs, outputs)))
    assert len(cuts) == 3
    assert [f"conv{k}" in block for k, block in enumerate(cuts)] == [True] * 3
    assert "stem" in cuts[0]


def test_every_hidden_dense_layer_is_a_block():
    assert cut(
        layers.Flatten(name="flatten"),
        layers.Dense(4, "relu", name="a"),
        layers.Dropout(0.5, name="drop"),
        layers.Dense(4, name="b"),
        layers.BatchNormalization(name="b_norm"),
        layers.ReLU(name="b_relu"),
        layers.Dense(3, "softmax", name="head"),
    ) == [["flatten", "a"], ["drop", "b", "b_norm", "b_relu"]]


def test_recurrent_layers_and_embeddings_are_hidden_layers():
    assert cut(
        layers.Embedding(9, 4, name="embedding"),
        layers.LSTM(3, return_sequences=True, name="lstm"),
        layers.GRU(3, name="gru"),
        layers.Dense(3, name="head"),
        shape=(5,),
    ) == [["embedding"], ["lstm"], ["gru"]]


def test_names_decide_where_they_exist():
    assert cut(
        conv("a", "relu"),
        conv("b", "relu"),
        layers.MaxPooling2D(name="block1_out"),
        conv("c", "relu"),
        layers.Flatten(name="flatten"),
        layers.Dense(4, "relu", name="block2_out"),
        layers.Dense(3, name="head"),
    ) == [["a", "b", "block1_out"], ["c", "flatten", "block2_out"]]
    assert len(kr.ReinitModel(kr.backbones.mlp((4,), 2, hidden=(3,) * 12)).blocks) == 12


def test_nested_models_are_cut_inside():
    inner = keras.Sequential([keras.Input((8, 8, 2)), conv("a", "relu"), conv("b", "relu")])
    inputs = keras.Input((8, 8, 2))
    middle = keras.Model(inputs, conv("c", "relu")(inner(inputs)))
    inputs = keras.Input((8, 8, 2))
    outer = keras.Model(inputs, layers.Dense(3, name="head")(layers.Flatten()(middle(inputs))))
    assert members(kr.ReinitModel(outer)) == [["a"], ["b"], ["c"]]


# -- Lists ----------------------------------------------------------------------------------------


def chain():
    return [conv("a", "relu"), conv("b", "relu"), layers.MaxPooling2D(name="pool"), *head()]


@pytest.mark.parametrize(
    ("blocks", "expected"),
    [
        (["a", "b"], [["a"], ["b"]]),
        (["a|b"], [["a", "b"]]),
        ([["a"], ["b", "pool"]], [["a"], ["b", "pool"]]),
        ([["a", "b"], ["head"]], [["a", "b"], ["pool", "flatten", "head"]]),  # head, if listed
        (["[ab]", "pool", "head"], [["a", "b"], ["pool"], ["flatten", "head"]]),
        ((("a",), "b"), [["a"], ["b"]]),
    ],
)
def test_lists_and_patterns(blocks, expected):
    assert cut(*chain(), blocks=blocks) == expected


@pytest.mark.parametrize(
    ("blocks", "message"),
    [
        ([], "Received: blocks=\\[\\]"),
        (None, "Received: blocks=None"),
        ("every", "Received: blocks='every'"),
        (["a", "a|b"], "overlap.*'a'.*block 1.*block 2"),
        (["b", "a"], "from input to output"),
        (["b"], "lie below.*'a'"),
        (["a", "head"], "lie below.*'b'"),
        (["a", "nothing"], "not there.*Received: 'nothing'.*'flatten'"),
        ([["a"], ["b", "nothing"]], "not there.*Received"),
        ([["a"], []], "Received: \\[\\]"),
        (["a", "("], "Received.*\\("),
        (["a", 3], "Received.*3"),
        (3, "Received: blocks=3"),
    ],
)
def test_bad_lists_are_refused_with_the_reason(blocks, message):
    with pytest.raises(ValueError, match=f"(?s){message}"):
        cut(*chain(), blocks=blocks)


def test_a_cut_that_leaves_two_open_tensors_is_refused():
    inputs = keras.Input((8, 8, 2))
    x = conv("stem", "relu")(inputs)
    outputs = layers.Flatten()(layers.Add(name="add")([x, conv("branch", "relu")(x)]))
    model = keras.Model(inputs, layers.Dense(3, name="head")(outputs))
    with pytest.raises(ValueError, match="'block1' cannot end.*2 open tensors.*'branch'.*'stem'"):
        kr.ReinitModel(model, blocks=[["stem", "branch"]])
    assert members(kr.ReinitModel(model, blocks=[["stem"], ["branch", "add"]]))[1][-1] == "add"


def test_a_cut_below_a_second_input_is_refused():
    image, number = keras.Input((4,), name="image"), keras.Input((2,), name="number")
    x = layers.Dense(4, "relu", name="a")(image)
    x = layers.Concatenate(name="both")([x, number])
    model = keras.Model([image, number], layers.Dense(2, name="head")(x))
    with pytest.raises(ValueError, match="2 open tensors"):
        kr.ReinitModel(model, blocks=["a"])
    assert members(kr.ReinitModel(model)) == [["a", "both"]]  # where the inputs have met


def test_a_layer_shared_across_blocks_is_refused():
    shared, inputs = layers.Dense(4, "relu", name="shared"), keras.Input((4,))
    x = layers.Dense(4, "relu", name="middle")(shared(inputs))
    model = keras.Model(inputs, layers.Dense(2, name="head")(shared(x)))
    with pytest.raises(ValueError, match="'shared' is shared|out of order are .'middle'"):
        kr.ReinitModel(model, blocks=[["shared"], ["middle"]])
    assert members(kr.ReinitModel(model)) == [["shared", "middle"]]  # where all its calls are over


def test_a_layer_shared_inside_one_block_is_no_trouble():
    shared, inputs = layers.Dense(4, "relu", name="shared"), keras.Input((4,))
    model = keras.Model(inputs, layers.Dense(2, name="head")(shared(shared(inputs))))
    assert members(kr.ReinitModel(model, blocks=["shared"])) == [["shared"]]


def test_a_network_without_hidden_layers_has_no_block():
    with pytest.raises(ValueError, match="No block was found.*blocks="):
        cut(*head())


class Subclassed(keras.Model):
    def __init__(self):
        super().__init__(name="own")
        self.dense = layers.Dense(2)

    def call(self, x):
        return self.dense(x)


@pytest.mark.parametrize(
    "make",
    [Subclassed, lambda: keras.Sequential([layers.Dense(2)], name="own")],
    ids=["subclassed", "not built"],
)
def test_a_model_without_a_graph_is_refused(make):
    with pytest.raises(ValueError, match="graph of layers is needed.*own"):
        kr.ReinitModel(make())


@pytest.mark.parametrize(
    "backbone", [None, "vgg16", layers.Dense(2)], ids=["none", "name", "layer"]
)
def test_what_is_no_model_is_refused(backbone):
    with pytest.raises(TypeError, match="wraps a keras.Model. Received: backbone="):
        kr.ReinitModel(backbone)
