"""Networks of every kind, put together from parts: what the package says it works on."""

import keras
import numpy as np
from keras import layers

import keras_reinit as kr

STEPS, FEATURES, CLASSES = 3, 4, 2


@keras.saving.register_keras_serializable("property")
class Composed(layers.Layer):
    """A layer of layers, with a normalisation and an attention inside."""

    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        self.dense = layers.Dense(FEATURES)
        self.norm = layers.BatchNormalization()
        self.attention = layers.MultiHeadAttention(1, 2)

    def build(self, shape):
        self.dense.build(shape)
        self.norm.build(shape)
        self.attention.build(shape, shape)

    def call(self, x, training=None):
        x = keras.ops.relu(self.norm(self.dense(x), training=training))
        return x + self.attention(x, x)


def dense(**options):
    return layers.Dense(FEATURES, "relu", **options)


# What a part is: a function of nothing that gives layers, to be called one after the other.
PARTS = {
    "plain": lambda: [dense()],
    "normalised": lambda: [dense(), layers.BatchNormalization()],
    "shared": lambda: [dense()] * 2,
    "TimeDistributed": lambda: [layers.TimeDistributed(dense())],
    "Bidirectional": lambda: [
        layers.Bidirectional(layers.GRU(FEATURES, return_sequences=True), merge_mode="sum")
    ],
    "SpectralNormalization": lambda: [layers.SpectralNormalization(dense())],
    "WeightNormalization": lambda: [kr.layers.WeightNormalization(dense())],
    "layer of layers": lambda: [Composed()],
}


def chain(parts, inputs):
    for layer in parts:
        inputs = layer(inputs)
    return inputs


def head():
    return [layers.GlobalAveragePooling1D(), layers.Dense(CLASSES)]


def unique(parts):
    """For a Sequential model, which takes no layer twice: a shared one in a model of its own."""
    if len(set(map(id, parts))) == len(parts):
        return parts
    return [functional(parts)]


def sequential(parts):
    return keras.Sequential([keras.Input((STEPS, FEATURES)), *unique(parts), *head()])


def functional(parts, ends=()):
    inputs = keras.Input((STEPS, FEATURES))
    return keras.Model(inputs, chain([*parts, *ends], inputs))


def nested_twice(parts):
    return functional([functional([functional(parts)])], head())


class WithCall(keras.Model):
    def __init__(self, parts):
        super().__init__()
        self.parts, self.ends = list(parts), head()

    def call(self, inputs, training=None):
        for layer in self.parts:
            takes = "training" in layer.call.__code__.co_varnames
            inputs = layer(inputs, training=training) if takes else layer(inputs)
        return chain(self.ends, inputs)


class WithTrainStep(keras.Model):
    """As generative models are written: parts that `train_step` alone calls."""

    def __init__(self, parts):
        super().__init__()
        self.encoder = functional(parts)
        self.ends = {"head": functional([], head())}

    def train_step(self, data):
        raise NotImplementedError  # nothing is trained in these tests


def subclass_with_call(parts):
    model = WithCall(parts)
    model(np.zeros((2, STEPS, FEATURES), "float32"))
    return model


KINDS = {
    "Sequential": sequential,
    "Functional": lambda parts: functional(parts, head()),
    "nested twice": nested_twice,
    "subclass with `call`": subclass_with_call,
    "subclass with `train_step` only": WithTrainStep,
}
WITH_GRAPH = ("Sequential", "Functional", "nested twice")


def build(kind, names, frozen=()):
    """A network of a kind, made of parts by name, some of them frozen; its values as if trained."""
    parts = []
    for i, name in enumerate(names):
        part = PARTS[name]()
        for layer in part:
            layer.trainable = i not in frozen
        parts += part
    model = KINDS[kind](parts)
    rng = np.random.default_rng(0)
    for variable in model.weights:
        variable.assign(rng.uniform(0.3, 1.5, variable.shape))
    return model


def data():
    rng = np.random.default_rng(1)
    x = rng.normal(size=(16, STEPS, FEATURES)).astype("float32")
    return x, rng.integers(0, CLASSES, 16)


def refusal(kind, letters):
    """What a method says of a kind of network: a pattern, or None where it works."""
    if letters == "LW" and kind not in WITH_GRAPH:
        return "Layerwise.*needs a model that knows its blocks"
    return None
