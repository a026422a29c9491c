"""Canaries: what the package takes of Keras's private side is still there and means the same."""

import sys

import keras
import numpy as np
import pytest
from keras import layers
from keras.src.utils import module_utils

import keras_reinit as kr
from keras_reinit import keras_private as private


def functional():
    inputs = keras.Input((2,))
    return keras.Model(inputs, layers.Dense(2, name="dense")(inputs))


class WithCall(keras.Model):
    def call(self, inputs):
        return inputs


# -- Layers and variables -------------------------------------------------------------------------


def test_own_variables_and_sublayers():
    layer = layers.BatchNormalization()
    layer.build((None, 2))
    assert private.own_trainable_variables(layer) == [layer.gamma, layer.beta]
    assert private.own_other_variables(layer) == [layer.moving_mean, layer.moving_variance]
    both = layers.Bidirectional(layers.LSTM(2))
    assert both.forward_layer in private.sublayers(both)
    assert both.forward_layer.cell in private.all_layers(both)


def test_a_layer_that_is_attached_is_tracked_and_in_no_graph():
    model = functional()
    model.beside = [layers.Dense(3)]
    assert model.beside[0] in private.all_layers(model)
    assert model.beside[0] not in model.layers


def test_frozen_variables_stay_among_the_trainable_ones():
    layer = layers.Dense(2, trainable=False)
    layer.build((None, 2))
    assert private.own_trainable_variables(layer) == [layer.kernel, layer.bias]


def test_the_mode_is_an_argument_of_some():
    assert private.takes_training(layers.Dropout(0.5))
    assert not private.takes_training(WithCall())
    assert private.takes_training(functional())


def test_a_build_of_its_own():
    assert private.makes_weights_when_built(layers.Dense(2))
    assert not private.makes_weights_when_built(layers.RandomFlip())


def test_values_are_deferred_and_nothing_waits_for_them():
    with private.values_deferred():
        twin = layers.Dense(2)
        twin.build((None, 3))
        assert private.pending_variables()[-2:] == [twin.kernel, twin.bias]
    assert isinstance(private.deferred_initializer(twin.kernel), keras.initializers.GlorotUniform)
    assert private.pending_variables() == []


def test_global_generators_are_seeded_and_put_back():
    def number():
        return float(keras.random.uniform(()))

    keras.utils.set_random_seed(3)
    number()
    undisturbed = number()
    keras.utils.set_random_seed(3)
    number()
    drawn = []
    for _ in range(2):
        with private.seeded(7):
            drawn.append(number())
    assert drawn[0] == drawn[1]
    assert number() == undisturbed


# -- Models ---------------------------------------------------------------------------------------


def test_what_has_a_graph():
    sequential = keras.Sequential([keras.Input((2,)), layers.Dense(2)])
    assert private.has_graph(functional())
    assert private.has_graph(sequential)
    assert not private.has_graph(WithCall())


def test_methods_of_its_own():
    class Own(keras.Model):
        def train_step(self, data):
            return {}

    inputs = keras.Input((2,))
    names = ["call", "train_step", "fit"]
    assert private.overridden(Own(inputs, layers.Dense(2)(inputs)), names) == ["train_step"]
    assert private.overridden(functional(), names) == []
    assert private.overridden(keras.Sequential([inputs]), names) == []


def test_a_graph_is_run_by_a_function():
    model, calls = functional(), []
    private.run_through_graph(
        model, keras.Input((2,)), lambda op, *args, **kw: calls.append(op) or op(*args, **kw)
    )
    assert calls == model.layers[1:]


def test_who_made_a_tensor():
    model = functional()
    operation, inputs = private.maker(model.outputs[0])
    assert operation is model.get_layer("dense")
    assert len(inputs) == 1
    assert inputs[0] is model.inputs[0]
    assert private.maker(keras.KerasTensor((2,))) == (None, [])


def test_symbolic_calls_are_forgotten():
    model = functional()
    dense = model.get_layer("dense")
    with private.nodes_forgotten(model):
        dense(dense(model.inputs[0]))
        assert len(dense._inbound_nodes) == 3
    assert len(dense._inbound_nodes) == 1
    assert len(model.layers[0]._outbound_nodes) == 1
    assert not dense._outbound_nodes
    keras.Model.from_config(model.get_config())


def test_a_symbolic_call_goes_through_a_method_of_the_instance():
    layer, seen = layers.BatchNormalization(), []
    layer.build((None, 2))
    vars(layer)["symbolic_call"] = lambda x, **rest: seen.append(rest["training"]) or x
    layer(keras.KerasTensor((3, 2)), training=True)
    assert seen == [True]


def test_an_abstract_run_keeps_no_value():
    layer, seen = layers.BatchNormalization(momentum=0.0), []
    layer.build((None, 2))

    def run(inputs):
        seen.append(keras.ops.shape(inputs))
        return layer(inputs + 5, training=True)

    private.run_abstractly(run, keras.KerasTensor((3, 2)))
    assert seen
    np.testing.assert_array_equal(keras.ops.convert_to_numpy(layer.moving_mean), 0)


def test_compiling_makes_a_new_compilation():
    model = functional()
    assert private.compilation(model) is None
    model.compile("sgd", "mse")
    first = private.compilation(model)
    assert first is private.compilation(model)
    model.compile(model.optimizer, "mse")
    assert private.compilation(model) is not first
    assert private.compile_arguments(model)["loss"] == "mse"


@pytest.mark.parametrize("epoch", [3, None])
def test_the_epoch_to_go_on_with(epoch):
    model = functional()
    private.set_initial_epoch(model, epoch)
    assert private.initial_epoch(model) == epoch


@pytest.mark.backends("tensorflow", reason="tf.distribute")
def test_strategies(strategy):
    assert private.is_without_strategy(functional())
    with strategy.scope():
        assert not private.is_without_strategy(functional())
    assert private.joins_by_collectives(strategy)
    one_device = kr.distribution.strategy("mirrored", ["CPU:2", "CPU:3"])
    assert not private.joins_by_collectives(one_device)


def test_what_keras_knows_of_tensorflow():
    tensorflow = module_utils.tensorflow
    known = tensorflow._available
    with private.without_tensorflow():
        assert "tensorflow" in sys.modules or tensorflow.available is False
    assert tensorflow._available is known


# -- Optimizers -----------------------------------------------------------------------------------


def test_the_insides_of_an_optimizer():
    model = functional()
    optimizer = keras.optimizers.Adam(0.5, use_ema=True)
    optimizer.build(model.trainable_variables)
    assert private.step_counter(optimizer) is optimizer.iterations
    assert float(keras.ops.convert_to_numpy(private.learning_rate_state(optimizer))) == 0.5
    assert private.trained_variables(optimizer) == model.trainable_variables
    assert len(private.averages(optimizer)) == 2
    lists = {name for name, value in private.own_attributes(optimizer).items() if value}
    assert {"_momentums", "_velocities"} <= lists
    count = len(optimizer.variables)
    private.track(optimizer, keras.Variable(0.0))
    assert len(optimizer.variables) == count + 1


# -- Callbacks ------------------------------------------------------------------------------------


def test_the_list_that_calls_a_hook():
    found = []

    class Look(keras.callbacks.Callback):
        def on_train_begin(self, logs=None):
            found.append(self._list())

        def _list(self):
            return private.list_in_charge()

    container = keras.callbacks.CallbackList([Look()], model=functional())
    container.on_train_begin()
    assert found == [container]


def test_the_files_of_a_backup(tmp_path):
    backup = keras.callbacks.BackupAndRestore(tmp_path, double_checkpoint=True)
    model = functional()
    model.compile("sgd", "mse")
    backup.set_model(model)
    assert not any(path.exists() for path in private.backup_files(backup)[:2])
    assert not private.backup_files(backup)[2]
    for epoch in range(2):
        backup.on_epoch_end(epoch)
    weights, metadata, can_fall_back = private.backup_files(backup)
    assert weights.exists()
    assert metadata.read_text() == '{"epoch": 2, "batch": 0}'
    assert can_fall_back
