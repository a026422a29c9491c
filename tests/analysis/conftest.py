"""Trained networks of many kinds, and what inference could change in them."""

import keras
import numpy as np
import pytest

import keras_reinit as kr


def _normalized():
    inputs = keras.Input((6,))
    x = keras.layers.Dense(8, name="hidden")(inputs)
    x = keras.layers.BatchNormalization()(x)
    x = keras.layers.Dropout(0.5)(x)
    return keras.Model(inputs, keras.layers.Dense(3, name="head")(x))


def _noisy():
    """Its seed generator moves on in inference too, and it counts its calls."""

    class Jitter(keras.layers.Layer):
        def __init__(self):
            super().__init__()
            self.generator = keras.random.SeedGenerator(3)
            self.calls = self.add_weight(shape=(), initializer="zeros", trainable=False)

        def call(self, inputs):
            self.calls.assign_add(1.0)
            shape = keras.ops.shape(inputs)
            return inputs + 0.0 * keras.random.normal(shape, seed=self.generator)

    inputs = keras.Input((6,))
    x = Jitter()(keras.layers.Dense(8, name="hidden")(inputs))
    return keras.Model(inputs, keras.layers.Dense(3, name="head")(x))


def _cut():
    return kr.ReinitModel(kr.backbones.mlp((6,), classes=3, hidden=(8, 8)))


def _half_precision():
    policy = keras.config.dtype_policy()
    keras.config.set_dtype_policy("mixed_float16")
    try:
        return kr.backbones.mlp((6,), classes=3, hidden=(8,))
    finally:
        keras.config.set_dtype_policy(policy)


def _subclassed():
    class Classifier(keras.Model):
        def __init__(self):
            super().__init__()
            self.hidden = keras.layers.Dense(8, activation="relu", name="hidden")
            self.head = keras.layers.Dense(3, name="head")

        def call(self, inputs):
            return self.head(self.hidden(inputs))

    model = Classifier()
    model(np.zeros((1, 6), "float32"))
    return model


@pytest.fixture(
    scope="module",
    params=[_normalized, _noisy, _cut, _half_precision, _subclassed],
    ids=lambda make: make.__name__.strip("_"),
)
def trained(request, blobs):
    """A model of each kind, compiled and trained for an epoch, with a metric that has a state.

    One for all tests of a file: each checks that it leaves the model as it was.
    """
    model = request.param()
    model.compile(
        "adam",
        keras.losses.SparseCategoricalCrossentropy(from_logits=True),
        metrics=["accuracy"],
    )
    model.fit(*blobs, epochs=1, verbose=0)
    return model


@pytest.fixture
def state():
    """Everything of a model that inference could change, as bytes."""

    def read(model):
        variables = [*model.variables, *model.metrics_variables, *model.optimizer.variables]
        return [keras.ops.convert_to_numpy(variable.value).tobytes() for variable in variables]

    return read
