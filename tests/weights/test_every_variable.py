"""Every trainable variable that a model has, once, under the layer that made it."""

import keras
import numpy as np
import pytest
from keras import layers

import keras_reinit as kr
from keras_reinit.weights.select import list_weights


def dense(name):
    layer = layers.Dense(3, name=name)
    layer.build((None, 4))
    return layer


class Beside(keras.Model):
    """A Functional model with layers that only a `train_step` would call."""

    def __init__(self):
        inputs = keras.Input((4,))
        super().__init__(inputs, layers.Dense(4, name="in_graph")(inputs), name="beside")
        self.projection = dense("projection")
        self.listed = [dense("listed")]
        self.named = {"key": [dense("named")]}
        self.temperature = self.add_weight(shape=(), initializer="ones", name="temperature")


def test_layers_beside_the_graph_come_after_it():
    names = [weight.name for weight in list_weights(Beside())]
    assert names[0] == "temperature"
    assert names[1:3] == ["in_graph/kernel", "in_graph/bias"]
    assert {name.split("/")[0] for name in names[3:]} == {"projection", "listed", "named"}


@pytest.mark.parametrize(
    "make", [Beside, lambda: keras.Sequential([keras.Input((4,)), Beside()])], ids=["top", "nested"]
)
def test_shrink_and_perturb_leaves_none_out(make):
    model = make()
    assert {id(w.variable) for w in list_weights(model)} == set(map(id, model.trainable_variables))
    for variable in model.trainable_variables:
        variable.assign(np.full(variable.shape, 2.0))
    kr.shrink_perturb(model, 0.5, 0.0, seed=0)
    for variable in model.trainable_variables:
        np.testing.assert_array_equal(variable.numpy(), 1.0)


@pytest.mark.parametrize(
    "layer", [layers.Dense(3, name="inner"), layers.Embedding(4, 3, name="inner")]
)
def test_a_variable_that_a_wrapper_holds_too_is_that_of_the_layer_inside(layer):
    model = keras.Sequential([keras.Input((4,)), layers.SpectralNormalization(layer, name="outer")])
    weights = list_weights(model)
    assert [weight.name for weight in weights] == [
        f"outer/inner/{variable.name}" for variable in layer.trainable_variables
    ]
    assert all(weight.layer is layer for weight in weights)
    vector = model.layers[0].vector_u.numpy()
    kr.shrink_perturb(model, 0.5, 0.5, seed=0)
    np.testing.assert_array_equal(model.layers[0].vector_u.numpy(), vector)


class Parts(keras.Model):
    """Trained by a `train_step` alone; no `call`."""

    def __init__(self, *parts):
        super().__init__(name="parts")
        self.parts = list(parts)


def test_a_model_without_a_call_whose_weights_exist():
    model = Parts(keras.Sequential([keras.Input((4,)), dense("one")]), dense("two"))
    assert not model.built
    before = [v.numpy() for v in model.weights]
    kr.reinitialize(model, seed=0)
    assert not np.array_equal(before[0], model.weights[0].numpy())
    assert kr.apply(model, kr.methods.ShrinkPerturb(), seed=0) == 2 * (4 * 3 + 3)


def test_layers_that_never_get_weights_are_not_waited_for():
    kr.reinitialize(Parts(layers.RandomFlip(), layers.Rescaling(2.0), dense("one")), seed=0)


def test_layers_without_weights_yet_are_named():
    model = Parts(dense("one"), keras.Sequential([layers.Dense(2, name="late")]))
    with pytest.raises(ValueError, match=r"'parts' has no weights yet.*Received: \['late'\]"):
        kr.reinitialize(model, seed=0)


@pytest.mark.parametrize("letters", [name for name in kr.methods.METHODS if name != "BL"])
def test_a_model_that_is_frozen_is_refused(letters):
    model = kr.backbones.mlp((4,), 2, hidden=(5, 5))
    model = kr.ReinitModel(model) if letters == "LW" else model
    model.trainable = False
    model.compile("sgd", "sparse_categorical_crossentropy")
    x, y = np.random.default_rng(0).normal(size=(8, 4)), np.zeros(8, "int32")
    method = kr.methods.get(letters)
    data = None if method.needs_data is None else (x, y) if method.needs_targets else x
    with pytest.raises(ValueError, match="trainable"):
        kr.apply(model, method, data=data, seed=0)


class Derived(layers.Layer):
    """Its config has an entry that is made of others, which its constructor does not take."""

    def __init__(self, size=8, part=4, **kwargs):
        super().__init__(**kwargs)
        self.size, self.part, self.count = size, part, size // part

    def build(self, shape):
        self.token = self.add_weight(
            name="token", shape=(self.count, shape[-1]), initializer="random_normal"
        )

    def call(self, inputs):
        return inputs + self.token[0]

    def get_config(self):
        own = {"size": self.size, "part": self.part, "count": self.count}
        return {**super().get_config(), **own}


class Closed(layers.Layer):
    """As in guides: no `**kwargs`, so its constructor takes neither name nor dtype."""

    def __init__(self, units=4, scale=1.0):
        super().__init__()
        self.units, self.scale = units, scale

    def build(self, shape):
        uniform = keras.initializers.RandomUniform(self.scale, self.scale + 1)
        self.w = self.add_weight(shape=(shape[-1], self.units), initializer=uniform, name="kernel")

    def call(self, inputs):
        return keras.ops.matmul(inputs, self.w)


@pytest.mark.parametrize(
    "layer", [Derived(size=12), Closed(5, scale=7.0)], ids=["derived", "closed"]
)
def test_entries_of_a_config_that_a_constructor_does_not_take(layer):
    model = keras.Sequential([keras.Input((6,)), layer])
    before = layer.weights[0].numpy()
    kr.reinitialize(model, seed=0)
    after = layer.weights[0].numpy()
    assert np.all(before != after)
    assert isinstance(layer, Derived) or after.min() >= 7
