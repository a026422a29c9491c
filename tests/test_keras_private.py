"""One canary for each private part of Keras that `keras_private` touches: it fails first."""

import sys

import keras
import numpy as np
import pytest
from keras import layers
from keras.src.backend.common import global_state
from keras.src.utils import module_utils

import keras_reinit as kr
from keras_reinit import keras_private
from tests.conftest import BACKEND


@pytest.fixture
def model():
    return keras.Sequential([keras.Input((3,)), layers.Dense(2), layers.BatchNormalization()])


@pytest.fixture
def optimizer(model):
    optimizer = keras.optimizers.Adam(0.1, use_ema=True)
    optimizer.build(model.trainable_variables)
    return optimizer


def test_variables_of_a_layer():
    layer = layers.BatchNormalization()
    layer.build((None, 2))
    assert keras_private.own_trainable_variables(layer) == [layer.gamma, layer.beta]
    statistics = [layer.moving_mean, layer.moving_variance]
    assert keras_private.own_other_variables(layer) == statistics
    dropout = layers.Dropout(0.5, seed=0)
    dropout.build((None, 2))
    assert keras_private.own_other_variables(dropout) == []


def test_layers_inside(model):
    recurrent = layers.Bidirectional(layers.LSTM(2))
    assert keras_private.sublayers(recurrent) == [
        recurrent.forward_layer,
        recurrent.backward_layer,
    ]
    outer = keras.Sequential([keras.Input((3,)), model])
    assert {model, *model.layers} <= set(keras_private.all_layers(outer))


def test_initializers_of_variables_without_values():
    pending = global_state.get_global_attribute("uninitialized_variables", [])
    with keras_private.values_deferred():
        twin = layers.Dense(2)
        twin.build((None, 3))
    initializer = keras_private.deferred_initializer(twin.kernel)
    assert isinstance(initializer, keras.initializers.GlorotUniform)
    assert global_state.get_global_attribute("uninitialized_variables", []) == pending
    made = keras.Variable(0.0)
    assert keras_private.deferred_initializer(made) is None


def test_the_global_generator_is_put_back():
    keras.random.uniform(())
    before = global_state.get_global_attribute("global_seed_generator")
    assert isinstance(before, keras.random.SeedGenerator)
    draws = []
    for _ in range(2):
        with keras_private.seeded(7):
            draws.append([float(keras.random.uniform(())), np.random.rand()])
    assert draws[0] == draws[1]
    assert global_state.get_global_attribute("global_seed_generator") is before


def test_what_keras_knows_of_tensorflow():
    tensorflow = module_utils.tensorflow
    known = tensorflow._available
    with keras_private.without_tensorflow():
        assert "tensorflow" in sys.modules or tensorflow.available is False
    assert tensorflow._available is known


def test_a_graph_is_run_by_a_function(model):
    assert keras_private.has_graph(model)
    functional, calls = keras.Model(model.inputs[0], model.outputs[0]), []

    def call(operation, *args, **kwargs):
        calls.append(operation)
        return operation(*args, **kwargs)

    keras_private.run_through_graph(functional, keras.Input((3,)), call)
    assert calls == model.layers

    class Subclassed(keras.Model):
        pass

    assert not keras_private.has_graph(Subclassed())


def test_the_epoch_that_fit_begins_with(model):
    x, y = np.ones((4, 3), "float32"), np.ones((4, 2), "float32")
    model.compile("sgd", "mse", run_eagerly=BACKEND != "jax")
    assert keras_private.initial_epoch(model) is None
    keras_private.set_initial_epoch(model, 2)
    assert keras_private.initial_epoch(model) == 2
    assert model.fit(x, y, epochs=3, verbose=0).epoch == [2]
    keras_private.set_initial_epoch(model, None)
    assert model.fit(x, y, epochs=1, verbose=0).epoch == [0]


def test_arguments_of_compile(model):
    optimizer = keras.optimizers.SGD()
    model.compile(optimizer, "mse", metrics=["mae"])
    arguments = keras_private.compile_arguments(model)
    assert arguments["optimizer"] is optimizer
    assert (arguments["loss"], arguments["metrics"]) == ("mse", ["mae"])


@pytest.mark.backends("tensorflow", reason="tf.distribute")
def test_strategies(strategy, model):
    assert keras_private.is_without_strategy(model)
    with strategy.scope():
        inside = keras.Sequential([keras.Input((3,)), layers.Dense(2)])
    assert not keras_private.is_without_strategy(inside)
    assert keras_private.joins_by_collectives(strategy)
    one_device = kr.distribution.strategy("mirrored", ["CPU:2", "CPU:3"])
    assert not keras_private.joins_by_collectives(one_device)


def test_parts_of_an_optimizer(model, optimizer):
    assert optimizer.variables[0] is keras_private.step_counter(optimizer)
    assert optimizer.variables[1] is keras_private.learning_rate_state(optimizer)
    for trained, variable in zip(
        keras_private.trained_variables(optimizer), model.trainable_variables, strict=True
    ):
        assert trained is variable
    assert len(keras_private.averages(optimizer)) == len(model.trainable_variables)
    assert {"_momentums", "_velocities"} <= set(keras_private.own_attributes(optimizer))
    assert "_learning_rate" not in keras_private.own_attributes(optimizer)
    schedule = keras.optimizers.schedules.CosineDecay(0.1, 10)
    assert keras_private.learning_rate_state(keras.optimizers.Adam(schedule)) is schedule
    marker = keras.Variable(0.0)
    keras_private.track(optimizer, marker)
    assert optimizer.variables[-1] is marker


def test_the_list_of_callbacks_in_charge(model):
    seen = []

    def look():
        return keras_private.list_in_charge()

    class Look(keras.callbacks.Callback):
        def on_train_begin(self, logs=None):
            seen.append(look())

    container = keras.callbacks.CallbackList([Look()], model=model)
    container.on_train_begin()
    Look().on_train_begin()
    assert seen == [container, None]
