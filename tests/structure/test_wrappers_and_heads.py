"""Blocks of networks with wrapped layers, layers of layers, several heads and shared layers."""

import keras
import pytest
from keras import layers

import keras_reinit as kr

ops = keras.ops


@keras.saving.register_keras_serializable("wrappers")
class Scaled(layers.Wrapper):
    """A wrapper of a user's own, with a weight of its own."""

    def build(self, shape):
        super().build(shape)
        self.scale = self.add_weight(shape=(), initializer="ones", name="scale")

    def call(self, inputs):
        return self.layer(inputs) * self.scale


class Unit(layers.Layer):
    """A convolution, its normalisation and its activation in one layer."""

    def __init__(self, filters, **kwargs):
        super().__init__(**kwargs)
        self.conv = layers.Conv2D(filters, 3, padding="same")
        self.norm = layers.BatchNormalization()

    def build(self, shape):
        self.conv.build(shape)
        self.norm.build(self.conv.compute_output_shape(shape))

    def call(self, inputs, training=None):
        return ops.relu(self.norm(self.conv(inputs), training=training))

    def compute_output_shape(self, shape):
        return self.conv.compute_output_shape(shape)


WRAPPERS = {
    "none": lambda layer: layer,
    "spectral": layers.SpectralNormalization,
    "weight": kr.layers.WeightNormalization,
    "own": Scaled,
    "two": lambda layer: Scaled(layers.SpectralNormalization(layer)),
}
wrapped = pytest.mark.parametrize("wrap", WRAPPERS.values(), ids=WRAPPERS)


def ends(model):
    """The number of layers of each block."""
    return [len(block.layers) for block in kr.ReinitModel(model).blocks]


@wrapped
def test_dense_layers(wrap):
    hidden = [wrap(layers.Dense(8, "relu")) for _ in range(3)]
    assert ends(keras.Sequential([keras.Input((8,)), *hidden, layers.Dense(3)])) == [1, 1, 1]


@wrapped
def test_convolutional_units(wrap):
    model = keras.Sequential([keras.Input((8, 8, 1))])
    for _ in range(2):
        model.add(wrap(layers.Conv2D(4, 3, padding="same")))
        model.add(layers.BatchNormalization())
        model.add(layers.LeakyReLU())
    for layer in (layers.Flatten(), layers.Dense(8, "relu"), layers.Dense(1)):
        model.add(layer)
    assert ends(model) == [3, 3]


@wrapped
def test_a_convolutional_head_is_no_block(wrap):
    hidden = [wrap(layers.Conv2D(4, 3, padding="same", activation="relu")) for _ in range(2)]
    model = keras.Sequential([keras.Input((8, 8, 1)), *hidden, wrap(layers.Conv2D(2, 1))])
    assert ends(model) == [1, 1]


@pytest.mark.parametrize("wrap", [lambda layer: layer, layers.TimeDistributed])
def test_in_every_moment_of_time(wrap):
    parts = [layers.Dense(8), layers.BatchNormalization(), layers.ReLU()]
    last = [wrap(layers.Dense(8, "relu")), layers.GRU(4), layers.Dense(1)]
    model = keras.Sequential([keras.Input((5, 3)), *map(wrap, parts), *last])
    assert ends(model) == [3, 1, 1]


def test_recurrent_layers_in_both_directions():
    rnn = [layers.Bidirectional(layers.LSTM(4, return_sequences=True)) for _ in range(2)]
    model = keras.Sequential([keras.Input((5, 3)), *rnn, layers.Flatten(), layers.Dense(1)])
    assert ends(model) == [1, 1]


def test_layers_made_of_convolutions_are_units_beside_others():
    stem = layers.Conv2D(4, 3, activation="relu")
    last = [layers.GlobalAveragePooling2D(), layers.Dense(2)]
    model = keras.Sequential([keras.Input((8, 8, 1)), stem, Unit(4), Unit(4), *last])
    assert ends(model) == [1, 1, 1]


@wrapped
def test_fc_takes_all_dense_layers_after_the_last_convolution(wrap):
    model = keras.Sequential([keras.Input((8, 8, 1))])
    for _ in range(2):
        model.add(wrap(layers.Conv2D(4, 3, use_bias=False)))
    for layer in (layers.Flatten(), layers.Dense(8, "relu", name="first"), layers.Dense(1)):
        model.add(layer)
    entries = kr.apply(model, kr.methods.FullyConnected(), seed=0)
    assert entries == (4 * 4 * 4 + 1) * 8 + 9


def trunk(inputs, count=2):
    x, tensors = inputs, []
    for i in range(count):
        x = layers.Dense(8, "relu", name=f"t{i + 1}")(x)
        tensors.append(x)
    return tensors


@pytest.mark.parametrize("heads", [1, 2, 3])
@pytest.mark.parametrize("deep", [False, True])
def test_heads_cost_the_trunk_no_block(heads, deep):
    inputs = keras.Input((8,))
    outputs = []
    x = trunk(inputs)[-1]
    for i in range(heads):
        y = layers.Dense(4, "relu", name=f"deep{i}")(x) if deep and heads > 1 else x
        outputs.append(layers.Dense(2, name=f"head{i}")(y))
    blocks = kr.ReinitModel(keras.Model(inputs, outputs)).blocks
    assert [block.layers[0].name for block in blocks] == ["t1", "t2"]


def test_an_output_from_the_middle_costs_no_block():
    inputs = keras.Input((8,))
    first, second = trunk(inputs)
    model = keras.Model(inputs, [layers.Dense(2, name="head")(second), first])
    blocks = kr.ReinitModel(model).blocks
    assert [block.layers[0].name for block in blocks] == ["t1", "t2"]


def test_a_head_on_a_lower_block_costs_no_block_and_belongs_to_none():
    inputs = keras.Input((8,))
    first, _, third = trunk(inputs, 3)
    heads = [layers.Dense(2, name="low")(first), layers.Dense(2, name="high")(third)]
    model = kr.ReinitModel(keras.Model(inputs, heads))
    assert [[each.name for each in block.layers] for block in model.blocks] == [
        ["t1"],
        ["t2"],
        ["t3"],
    ]
    drawn = {weight.name.split("/")[0] for weight in model.weights_above(2)}
    assert drawn == {"low", "high"}


def test_convolutional_heads_cost_no_block():
    inputs = keras.Input((8, 8, 1))
    x = inputs
    for _ in range(2):
        x = layers.Conv2D(4, 3, padding="same", activation="relu")(x)
    heads = [layers.Conv2D(2, 1, activation="sigmoid")(x), layers.Conv2D(4, 1)(x)]
    assert ends(keras.Model(inputs, heads)) == [1, 1]


def test_no_cut_goes_between_two_calls_of_one_layer():
    inputs = keras.Input((8,))
    shared = layers.Dense(8, "relu", name="shared")
    x = layers.Dense(8, "relu", name="first")(inputs)
    x = layers.Dense(8, "relu", name="last")(shared(shared(x)))
    blocks = kr.ReinitModel(keras.Model(inputs, layers.Dense(2)(x))).blocks
    assert [[layer.name for layer in block.layers] for block in blocks] == [
        ["first"],
        ["shared"],
        ["last"],
    ]
