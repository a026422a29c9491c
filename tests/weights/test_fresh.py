"""A fresh draw for layers that are unusual: of the user's own, shared, seeded, quantised."""

import random

import keras
import numpy as np
import pytest
from keras import layers

import keras_reinit as kr
from keras_reinit import keras_private
from keras_reinit.weights.fresh import FreshValues
from keras_reinit.weights.select import list_weights


def values(model):
    return {slot.name: slot.variable.numpy() for slot in list_weights(model)}


def assert_untouched(model, before):
    for variable, old in zip(model.variables, before, strict=True):
        np.testing.assert_array_equal(variable.numpy(), old, err_msg=variable.path)


def everything(model):
    return [variable.numpy() for variable in model.variables]


def of(*own, width=20):
    return keras.Sequential([keras.Input((width,)), *own])


# -- Layers of the user's own ---------------------------------------------------------------------


class Own(layers.Layer):
    """Keeps its width; its weights are made by the subclasses."""

    def __init__(self, width=20, **kwargs):
        super().__init__(**kwargs)
        self.width = width

    def call(self, x):
        return x * self.w

    def get_config(self):
        return {**super().get_config(), "width": self.width}


class ByName(Own):
    def build(self, shape):
        self.w = self.add_weight(shape=(self.width,), initializer="he_normal", name="w")


class ByObject(Own):
    def build(self, shape):
        initializer = keras.initializers.RandomNormal(0.0, 3.0)
        self.w = self.add_weight(shape=(self.width,), initializer=initializer)


class ByFixedSeed(Own):
    def build(self, shape):
        initializer = keras.initializers.RandomNormal(seed=42)
        self.w = self.add_weight(shape=(self.width,), initializer=initializer)


class ByFunction(Own):
    def build(self, shape):
        self.w = self.add_weight(
            shape=(self.width,),
            initializer=lambda shape, dtype=None: 5 + keras.random.uniform(shape, dtype=dtype),
        )


class ByNumPyFunction(Own):
    def build(self, shape):
        self.w = self.add_weight(
            shape=(self.width,),
            initializer=lambda shape, dtype=None: np.random.normal(size=shape).astype(dtype),
        )


class InConstructor(Own):
    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        self.w = self.add_weight(shape=(self.width,), initializer="he_normal", name="w")
        self.v = keras.Variable(keras.initializers.RandomNormal(), shape=(self.width,), name="v")


class FromArray(Own):
    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        self.w = keras.Variable(np.random.normal(size=self.width).astype("float32"), name="w")


class FromKerasRandom(Own):
    def build(self, shape):
        self.w = keras.Variable(keras.random.normal((self.width,)), name="w")


class WithParts(Own):
    """A weight of its own and layers inside, in a list and an attribute."""

    def build(self, shape):
        self.w = self.add_weight(shape=(self.width,), initializer="he_normal", name="w")
        self.first = layers.Dense(self.width, name="first")
        self.rest = [layers.Dense(self.width, name=f"rest{i}") for i in range(2)]
        for part in (self.first, *self.rest):
            part.build(shape)

    def call(self, x):
        x = self.first(x) * self.w
        return self.rest[1](self.rest[0](x))


@pytest.mark.parametrize(
    "make",
    [
        ByName,
        ByObject,
        ByFixedSeed,
        ByFunction,
        ByNumPyFunction,
        InConstructor,
        FromArray,
        FromKerasRandom,
        WithParts,
    ],
)
def test_layers_of_the_users_own(make):
    model = of(make(), layers.Dense(2))
    draws = [values(model)]
    for seed in (1, 1, 2):
        kr.reinitialize(model, seed=seed)
        draws.append(values(model))
    for name in draws[0]:
        if name.endswith("bias"):
            continue
        initial, first, again, other = (draw[name] for draw in draws)
        np.testing.assert_array_equal(first, again)
        assert not np.any(initial == first)
        assert not np.any(other == first)
        assert first.std() == pytest.approx(initial.std(), rel=0.9)


def test_the_function_of_a_layer_decides_the_distribution():
    model = of(ByFunction())
    kr.reinitialize(model, seed=0)
    w = next(iter(values(model).values()))
    assert w.min() >= 5
    assert w.max() < 6


@keras.saving.register_keras_serializable("test_fresh")
class Scaled(keras.Initializer):
    """An initializer of the user's own, without a seed in its config."""

    def __init__(self, scale=1.0):
        self.scale = scale

    def __call__(self, shape, dtype=None):
        return self.scale * keras.random.normal(shape, dtype=dtype)

    def get_config(self):
        return {"scale": self.scale}


def test_an_initializer_of_the_users_own():
    model = of(layers.Dense(30, kernel_initializer=Scaled(7.0)))
    draws = []
    for seed in (1, 1, 2):
        kr.reinitialize(model, seed=seed)
        draws.append(model.layers[0].kernel.numpy())
    np.testing.assert_array_equal(draws[0], draws[1])
    assert not np.any(draws[0] == draws[2])
    assert draws[0].std() == pytest.approx(7.0, rel=0.1)


class FromOneGenerator(Own):
    def build(self, shape):
        self.w = self.add_weight(
            shape=(self.width,),
            initializer=lambda shape, dtype=None: np.random.default_rng(0).normal(size=shape),
            name="w",
        )


class FromFreshEntropy(Own):
    def build(self, shape):
        self.w = self.add_weight(
            shape=(self.width,),
            initializer=lambda shape, dtype=None: np.random.default_rng().normal(size=shape),
            name="w",
        )


class WithoutConfig(layers.Layer):
    def __init__(self, function):
        super().__init__()
        self.function = function

    def build(self, shape):
        self.w = self.add_weight(shape=(20,), initializer="he_normal", name="w")

    def call(self, x):
        return self.function(x * self.w)


class OtherEveryTime(Own):
    made = 0

    def build(self, shape):
        type(self).made += 1
        self.w = self.add_weight(shape=(self.width, type(self).made), initializer="he_normal")

    def call(self, x):
        return x


@pytest.mark.parametrize(
    ("make", "reason"),
    [
        (FromOneGenerator, "same values every time"),
        (FromFreshEntropy, "other values for the same seed"),
        (lambda: WithoutConfig(abs), "get_config"),
        (OtherEveryTime, "other variables"),
    ],
    ids=["one generator", "fresh entropy", "no config", "other variables"],
)
def test_a_layer_that_cannot_be_drawn_is_refused_and_nothing_changes(make, reason):
    model = of(layers.Dense(20, name="before"), make(), layers.Dense(2, name="after"))
    layer, before = model.layers[1], everything(model)
    for act in (
        lambda: kr.reinitialize(model, seed=0),
        lambda: kr.shrink_perturb(model, 0.5, 0.5, seed=0),
    ):
        with pytest.raises(ValueError, match=reason) as error:
            act()
        assert layer.name in str(error.value)
        assert "`where`" in str(error.value) or reason == "other variables"
        assert_untouched(model, before)
    kr.reinitialize(model, where=["before", "after"], seed=0)  # as the message advises


# -- Quantised, LoRA ------------------------------------------------------------------------------


def test_a_quantised_layer_is_refused():
    model = of(layers.Dense(4, name="first"), layers.Dense(4, name="second"))
    model.layers[1].quantize("int8")
    before = everything(model)
    with pytest.raises(
        ValueError, match="'second' is quantised.*Received: quantization_mode='int8'"
    ):
        kr.reinitialize(model, seed=0)
    assert_untouched(model, before)


def test_lora_is_refused():
    model = of(layers.Dense(4, name="first"), layers.Dense(4, name="second"))
    model.layers[1].enable_lora(2)
    before = everything(model)
    with pytest.raises(ValueError, match="'second' has LoRA enabled"):
        kr.reinitialize(model, seed=0)
    assert_untouched(model, before)


# -- Structure ------------------------------------------------------------------------------------


class Subclassed(keras.Model):
    def __init__(self):
        super().__init__(name="subclassed")
        self.encoder = of(layers.Dense(5, name="inside"), layers.BatchNormalization(name="norm"))
        self.encoder.name = "encoder"
        self.heads = [layers.Dense(3, name="head0"), layers.Dense(3, name="head1")]
        self.scale = self.add_weight(shape=(), initializer="ones", name="scale")

    def call(self, x):
        return self.scale * sum(head(self.encoder(x)) for head in self.heads)


def test_a_subclassed_model_without_weights_of_its_own():
    class Plain(keras.Model):
        def __init__(self):
            super().__init__()
            self.parts = [of(layers.Dense(5, name="inside")), layers.Dense(3, name="head")]

        def call(self, x):
            return self.parts[1](self.parts[0](x))

    model = Plain()
    model(np.ones((1, 20), "float32"))
    initial = values(model)
    assert len(initial) == 4
    kr.reinitialize(model, seed=0)
    for name, array in values(model).items():
        assert name.endswith("bias") or not np.any(array == initial[name])


def test_a_shared_layer_is_drawn_once():
    shared = layers.Dense(8, name="shared")
    inner = of(shared, layers.Dense(8, name="other"), width=8)
    inputs = keras.Input((8,))
    model = keras.Model(inputs, shared(inner(shared(inputs))))
    assert [slot.name for slot in list_weights(model)] == [
        "shared/kernel",
        "shared/bias",
        f"{inner.name}/other/kernel",
        f"{inner.name}/other/bias",
    ]
    kr.reinitialize(model, seed=0)
    fresh_values = FreshValues(list_weights(model))
    slot = list_weights(model)[0]
    np.testing.assert_array_equal(fresh_values.draw(slot, 0), shared.kernel.numpy())


def test_layers_that_share_an_initializer_differ():
    for initializer in (keras.initializers.HeNormal(), keras.initializers.HeNormal(seed=1)):
        model = of(*(layers.Dense(20, kernel_initializer=initializer) for _ in range(3)))
        kr.reinitialize(model, seed=0)
        kernels = [layer.kernel.numpy() for layer in model.layers]
        assert not np.any(kernels[0] == kernels[1])
        assert not np.any(kernels[1] == kernels[2])


def test_a_layer_without_variables_drawn_anew_keeps_its_siblings_streams():
    """Which layers are chosen does not move the others' random numbers."""
    draws = []
    for where in (None, "second"):
        model = of(layers.Dense(20, name="first"), layers.Dense(20, name="second"))
        kr.reinitialize(model, where=where, seed=3)
        draws.append(model.layers[1].kernel.numpy())
    np.testing.assert_array_equal(*draws)


# -- What must be left alone ----------------------------------------------------------------------


def test_global_generators_are_left_as_they_were():
    model = of(ByFunction(), ByNumPyFunction(), FromArray(), layers.Dense(3))

    def numbers():
        return random.random(), np.random.random(), float(keras.random.uniform(()))

    keras.utils.set_random_seed(5)
    numbers()
    undisturbed = numbers()
    keras.utils.set_random_seed(5)
    numbers()
    kr.reinitialize(model, seed=1)
    kr.shrink_perturb(model, 0.5, 0.1, seed=1)
    kr.reinitialize_subset(model, 0.2, seed=1, where=[r"dense.*"])
    assert numbers() == undisturbed


def test_seed_none_is_reproducible_through_the_global_seed():
    model, draws = of(layers.Dense(3)), []
    for _ in range(2):
        keras.utils.set_random_seed(9)
        kr.reinitialize(model)
        draws.append(model.layers[0].kernel.numpy())
    kr.reinitialize(model)
    np.testing.assert_array_equal(*draws)
    assert not np.array_equal(draws[0], model.layers[0].kernel.numpy())


def test_nothing_is_left_pending():
    model = of(InConstructor(), FromArray(), WithParts(), layers.BatchNormalization())
    kr.reinitialize(model, seed=0)
    assert keras_private.pending_variables() == []
    with keras.StatelessScope():
        pass
    layers.Dense(2).build((None, 2))


def test_a_layer_that_is_changed_after_a_draw_draws_by_its_new_initializer():
    layer = keras.layers.Dense(4)
    model = keras.Sequential([keras.Input((3,)), layer])
    kr.reinitialize(model, seed=0)
    layer.kernel_initializer = keras.initializers.RandomUniform(5.0, 6.0)
    kr.reinitialize(model, seed=1)
    values = np.array(layer.kernel)
    assert values.min() >= 5
    kr.reinitialize(model, seed=2)
    assert np.all(values != np.array(layer.kernel))
