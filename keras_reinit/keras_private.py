"""Every touch of Keras's private side, each watched by one canary in tests/test_keras_private.py.

Nothing else in the package names a private part of Keras: where Keras moves one, this file alone
has to follow.
"""

import contextlib
import pathlib
import random
import sys

import keras
import numpy as np
from keras.src.backend import compute_output_spec
from keras.src.backend.common import global_state
from keras.src.models.functional import Functional
from keras.src.utils import module_utils
from keras.src.utils.python_utils import is_default

_GLOBAL_GENERATOR = "global_seed_generator"
_UNINITIALIZED = "uninitialized_variables"


# Layers and variables.


def own_trainable_variables(layer):
    """The trainable variables that a layer made itself, frozen or not: no sublayer's."""
    return list(layer._trainable_variables)


def own_other_variables(layer):
    """The variables that a layer made itself and no gradient changes, but seed generators."""
    return list(layer._non_trainable_variables)


def sublayers(layer):
    """The layers that a layer or model tracks, in the order of its attributes."""
    return list(layer._layers)


def all_layers(model):
    """A model and every layer inside of it, at any depth."""
    return list(model._flatten_layers())


def takes_training(layer):
    """Whether `fit` tells a model or layer the mode by an argument `training` of its `call`."""
    return layer._call_has_training_arg


def makes_weights_when_built(layer):
    """Whether a layer has a `build` of its own."""
    return not is_default(layer.build)


def deferred_initializer(variable):
    """The initializer of a variable that has no value yet; None where it was made from a value."""
    return variable._initializer


def pending_variables():
    """The variables that wait for their values, which the next scope that closes gives them."""
    return global_state.get_global_attribute(_UNINITIALIZED, [], set_to_default=True)


@contextlib.contextmanager
def values_deferred():
    """Variables made inside keep their initializers and, where possible, get no values."""
    pending = pending_variables()
    known = len(pending)
    try:
        with keras.StatelessScope(initialize_variables=False):
            yield
    finally:
        del pending[known:]  # or the next scope that closes would allocate them


@contextlib.contextmanager
def seeded(seed):
    """Seed every global generator that an initializer may draw from; put them back at the end."""
    python_state, numpy_state = random.getstate(), np.random.get_state()
    generator = global_state.get_global_attribute(_GLOBAL_GENERATOR)
    random.seed(seed)
    np.random.seed(seed)
    global_state.set_global_attribute(_GLOBAL_GENERATOR, keras.random.SeedGenerator(seed))
    try:
        yield
    finally:
        random.setstate(python_state)
        np.random.set_state(numpy_state)
        global_state.set_global_attribute(_GLOBAL_GENERATOR, generator)


@contextlib.contextmanager
def without_tensorflow():
    """Keep Keras from importing TensorFlow only to learn that an object is none of its types.

    `keras.saving.serialize_keras_object` asks so for every dtype in a config, on every backend,
    which would cost seconds and hundreds of megabytes. Where TensorFlow is in use already, nothing
    changes.
    """
    tensorflow = module_utils.tensorflow
    if "tensorflow" in sys.modules or tensorflow._available is not None:
        yield
        return
    tensorflow._available = False
    try:
        yield
    finally:
        tensorflow._available = None


# Models.


def has_graph(model):
    """Whether a model is a graph of layers, or a Sequential one that can be made one."""
    return isinstance(model, Functional | keras.Sequential)


def overridden(model, methods):
    """Those of some methods that the class of a model with a graph has in place of Keras's own."""
    kind = keras.Sequential if isinstance(model, keras.Sequential) else Functional
    return [name for name in methods if getattr(type(model), name) is not getattr(kind, name)]


def run_through_graph(model, inputs, call):
    """Run a Functional model, each operation by `call(operation, *args, **kwargs)`."""
    return model._run_through_graph(inputs, call_fn=call)


def maker(tensor):
    """The operation that made a symbolic tensor, and the symbolic tensors that it was given."""
    operation, node, _ = getattr(tensor, "_keras_history", (None, None, None))
    if operation is None:
        return None, []
    return operation, operation._inbound_nodes[node].input_tensors


@contextlib.contextmanager
def nodes_forgotten(model):
    """Symbolic calls inside leave nothing behind on the layers and operations of a model."""
    operations = {id(layer): layer for layer in all_layers(model)}
    for layer in list(operations.values()):
        operations |= {id(each): each for each in getattr(layer, "_operations", ())}
    lists = [nodes for o in operations.values() for nodes in (o._inbound_nodes, o._outbound_nodes)]
    lengths = list(map(len, lists))
    try:
        yield
    finally:
        for nodes, length in zip(lists, lengths, strict=True):
            del nodes[length:]


def run_abstractly(function, inputs):
    """Run a function on symbolic tensors as a backend traces it: no value is computed or kept."""
    compute_output_spec(function, inputs)


def compilation(model):
    """An object that `compile` makes anew; None for a model that is not compiled."""
    return getattr(model, "_compile_config", None)


def initial_epoch(model):
    """The epoch that a backup told `fit` to go on with; None without one."""
    return getattr(model, "_initial_epoch", None)


def set_initial_epoch(model, epoch):
    """Tell `fit` which epoch to go on with; None for the one that it is called with."""
    model._initial_epoch = epoch


def compile_arguments(model):
    """What a model was compiled with, the objects themselves: a dict for `compile`."""
    return model._compile_config.config


def is_without_strategy(model):
    """Whether a model was made outside the scope of any distribution strategy."""
    return getattr(model, "_distribute_strategy", 0) is None


def joins_by_collectives(strategy):
    """Whether replicas of a `tf.distribute.Strategy` are joined by collective operations."""
    operations = getattr(strategy.extended, "_cross_device_ops", None)  # private to TensorFlow
    return type(operations).__name__ == "CollectiveAllReduce"


# Optimizers.


def step_counter(optimizer):
    """The variable that counts the steps of an optimizer."""
    return optimizer._iterations


def learning_rate_state(optimizer):
    """The variable of the learning rate, or the schedule that gives it."""
    return optimizer._learning_rate


def trained_variables(optimizer):
    """The variables that a built optimizer was built for."""
    return optimizer._trainable_variables


def averages(optimizer):
    """The moving averages of the weights with `use_ema`, None for one that is overwritten."""
    return optimizer._model_variables_moving_average


def own_attributes(optimizer):
    """The attributes in which an optimizer keeps what it made itself: {name: value}."""
    shared = ("_iterations", "_learning_rate", "_variables", "_trainable_variables")
    return {name: value for name, value in vars(optimizer).items() if name not in shared}


def track(optimizer, variable):
    """Let an optimizer list a variable among its own."""
    optimizer._track_variable(variable)


# Callbacks.


def backup_files(callback):
    """The two files of a `keras.callbacks.BackupAndRestore`, and whether it can do without them.

    Returns:
        Paths of the weights and of the metadata, and whether older weights are there to fall back
        on.
    """
    weights, metadata = callback._weights_path, callback._training_metadata_path
    can_fall_back = pathlib.Path(callback._prev_weights_path).exists()
    return pathlib.Path(weights), pathlib.Path(metadata), can_fall_back


def list_in_charge():
    """The `keras.callbacks.CallbackList` that calls the hook which calls this; None without one.

    Keras hands a callback its model and parameters, and nothing tells it of its neighbours. The
    list is `self` of the hook's caller.
    """
    frame = sys._getframe(2).f_back
    caller = frame.f_locals.get("self") if frame is not None else None
    return caller if isinstance(caller, keras.callbacks.CallbackList) else None
