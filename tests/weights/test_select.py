"""Names of variables: stable, unique, and what patterns choose among them."""

import keras
import numpy as np
import pytest
from keras import layers

import keras_reinit as kr
from keras_reinit.weights.select import list_weights


def make_nested():
    """A model in a model, with a shared layer, a normalisation and a frozen layer."""
    keras.utils.clear_session()
    encoder = keras.Sequential(
        [
            keras.Input((4,)),
            layers.Dense(4, name="dense"),
            layers.BatchNormalization(name="norm"),
            layers.Dense(4, name="frozen", trainable=False),
        ],
        name="encoder",
    )
    inputs = keras.Input((4,))
    x = layers.Dense(4, name="dense_in")(inputs)
    x = encoder(encoder(x))
    x = layers.Dropout(0.5, name="dropout")(x)
    return keras.Model(inputs, layers.Dense(2, name="head")(x), name="model")


@pytest.fixture(scope="module")
def nested():
    return make_nested()


NAMES = [
    "dense_in/kernel",
    "dense_in/bias",
    "encoder/dense/kernel",
    "encoder/dense/bias",
    "encoder/norm/gamma",
    "encoder/norm/beta",
    "head/kernel",
    "head/bias",
]


def test_none_chooses_every_trainable_variable_in_order(nested):
    chosen = kr.select(nested)
    assert list(chosen) == NAMES
    assert [id(v) for v in chosen.values()] == [id(v) for v in nested.trainable_variables]


@pytest.mark.parametrize(
    ("pattern", "expected"),
    [
        ("head/kernel", ["head/kernel"]),
        ("head", ["head/kernel", "head/bias"]),
        ("encoder", NAMES[2:6]),
        ("encoder/norm", NAMES[4:6]),
        ("norm", NAMES[4:6]),  # a layer by its name, wherever it lies
        ("encoder/.*", NAMES[2:6]),
        (".*/kernel", [name for name in NAMES if name.endswith("kernel")]),
        ("dense.*", NAMES[:4]),
        ("dense", NAMES[2:4]),  # in full: not dense_in
        (["head", "dense_in/bias"], ["dense_in/bias", "head/kernel", "head/bias"]),
        (("head", "head/.*"), ["head/kernel", "head/bias"]),
    ],
)
def test_patterns(pattern, expected, nested):
    assert list(kr.select(nested, pattern)) == expected


@pytest.mark.parametrize(
    "pattern",
    ["nothing", "hea", "frozen", "encoder/frozen/kernel", "dropout", "norm/moving_mean", ""],
)
def test_a_pattern_without_a_match_names_itself_and_what_there_is(pattern, nested):
    with pytest.raises(ValueError, match="(?s)'model'.*Received: pattern=.*head/kernel") as error:
        kr.select(nested, ["head", pattern])
    assert repr(pattern) in str(error.value)


@pytest.mark.parametrize("pattern", ["(", ["head", 3], [None]])
def test_what_is_no_regular_expression_is_refused(pattern, nested):
    with pytest.raises(ValueError, match="A pattern is a regular expression.*Received"):
        kr.select(nested, pattern)


def test_an_empty_list_chooses_nothing_and_is_refused(nested):
    with pytest.raises(ValueError, match="Received"):
        kr.select(nested, [])


@pytest.mark.parametrize(
    "model", [None, "model", layers.Dense(2), keras.Model], ids=["none", "name", "layer", "class"]
)
def test_what_is_no_model_is_refused(model):
    with pytest.raises(TypeError, match="Expected a keras.Model. Received: model="):
        kr.select(model)


@pytest.mark.parametrize(
    "act",
    [
        kr.select,
        kr.init_norms,
        lambda model: kr.reinitialize(model, seed=0),
        lambda model: kr.reinitialize_subset(model, 0.5, seed=0),
        lambda model: kr.shrink_perturb(model, 0.5, 0.5, seed=0),
        lambda model: kr.rescale(model, {}),
    ],
)
def test_a_model_that_is_not_built_is_refused(act):
    model = keras.Sequential([layers.Dense(2)], name="late")
    with pytest.raises(ValueError, match="'late' has no weights yet. Call `model.build"):
        act(model)


def test_names_do_not_depend_on_what_was_built_before():
    one = [slot.name for slot in list_weights(make_nested())]
    layers.Dense(1), layers.BatchNormalization()
    assert [slot.name for slot in list_weights(make_nested())] == one


def test_names_are_unique_whatever_the_user_calls_things():
    class Twins(layers.Layer):
        """Two parts of one name, and a variable with the name that the second would be given."""

        def __init__(self):
            super().__init__(name="twins")
            self.parts = [layers.Dense(2, name="part", use_bias=False) for _ in range(2)]
            self.third = layers.Layer(name="part")

        def build(self, shape):
            for part in self.parts:
                part.build(shape)
            self.third.add_weight(shape=(2,), name="kernel_1")
            self.third.built = True

        def call(self, x):
            return self.parts[1](self.parts[0](x))

    model = keras.Sequential([keras.Input((2,)), Twins()])
    names = [slot.name for slot in list_weights(model)]
    assert len(set(names)) == 3
    assert len(kr.select(model)) == 3
    assert len(kr.init_norms(model)) == 3


def test_order_and_positions_survive_saving(tmp_path):
    model = make_nested()
    model.save(tmp_path / "model.keras")
    twin = keras.models.load_model(tmp_path / "model.keras")
    assert [slot.name for slot in list_weights(twin)] == [slot.name for slot in list_weights(model)]
    for each in (model, twin):
        kr.reinitialize(each, seed=4)
    for a, b in zip(model.weights, twin.weights, strict=True):
        np.testing.assert_array_equal(a.numpy(), b.numpy())


def test_statistics_and_frozen_layers_are_walked_over_and_marked(nested):
    slots = {slot.name: slot for slot in list_weights(nested)}
    assert slots["encoder/norm/moving_mean"].statistic
    assert not slots["encoder/frozen/kernel"].statistic
    assert not slots["encoder/frozen/kernel"].variable.trainable
    assert [slot.position for slot in slots.values()] == list(range(len(slots)))


def test_other_state_is_no_weight():
    model = keras.Sequential(
        [
            keras.Input((4,)),
            layers.Normalization(mean=0.0, variance=1.0),
            layers.Dropout(0.5),
            layers.GaussianNoise(1.0),
            kr.layers.FrozenNormalization(),
            layers.Dense(2, name="head"),
        ]
    )
    assert [slot.name for slot in list_weights(model)] == ["head/kernel", "head/bias"]


@pytest.mark.parametrize(
    ("layer", "shape", "kernels"),
    [
        (lambda: layers.LSTM(3), (5, 2), {"kernel", "recurrent_kernel"}),
        (lambda: layers.GRU(3), (5, 2), {"kernel", "recurrent_kernel"}),  # its bias has two axes
        (lambda: layers.SeparableConv2D(3, 2), (5, 5, 2), {"depthwise_kernel", "pointwise_kernel"}),
        (lambda: layers.Embedding(5, 3), (4,), {"embeddings"}),
        (lambda: layers.LayerNormalization(axis=(1, 2)), (4, 3), set()),
        (lambda: layers.RMSNormalization(axis=(1, 2)), (4, 3), set()),
        (lambda: layers.PReLU(), (4, 3), set()),
        (lambda: layers.BatchNormalization(), (4, 3), set()),
        (lambda: layers.EinsumDense("abc,cd->abd", (None, 4), bias_axes="d"), (5, 3), {"kernel"}),
    ],
    ids=[
        "lstm",
        "gru",
        "separable",
        "embedding",
        "layer norm",
        "rms norm",
        "prelu",
        "batch norm",
        "einsum",
    ],
)
def test_what_a_kernel_is(layer, shape, kernels):
    model = keras.Sequential([keras.Input(shape), layer()])
    assert {slot.variable.name for slot in list_weights(model) if slot.is_kernel} == kernels


def test_names_that_keras_counts_through_the_process_are_stable():
    class Scale(layers.Layer):
        def build(self, shape):
            self.scale, self.shift = self.add_weight(shape=(2,)), self.add_weight(shape=(2,))

        def call(self, inputs):
            return inputs * self.scale + self.shift

    for _ in range(2):
        model = keras.Sequential([keras.Input((2,)), Scale(name="a"), Scale(name="b")])
        names = ["a/variable", "a/variable_1", "b/variable", "b/variable_1"]
        assert [weight.name for weight in list_weights(model)] == names
