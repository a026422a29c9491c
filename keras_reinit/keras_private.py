"""Every touch of Keras's private side, each watched by one canary in tests/test_keras_private.py.

Nothing else in the package names a private part of Keras: where Keras moves one, this file alone
has to follow.
"""

import contextlib
import random
import sys

import keras
import numpy as np
from keras.src.backend.common import global_state
from keras.src.utils import module_utils

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


def deferred_initializer(variable):
    """The initializer of a variable that has no value yet; None where it was made from a value."""
    return variable._initializer


@contextlib.contextmanager
def values_deferred():
    """Variables made inside keep their initializers and, where possible, get no values."""
    pending = global_state.get_global_attribute(_UNINITIALIZED, [], set_to_default=True)
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
    return hasattr(model, "_run_through_graph") or isinstance(model, keras.Sequential)


def run_through_graph(model, inputs, call):
    """Run a Functional model, each operation by `call(operation, *args, **kwargs)`."""
    return model._run_through_graph(inputs, call_fn=call)


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


def list_in_charge():
    """The `keras.callbacks.CallbackList` that calls the hook which calls this; None without one.

    Keras hands a callback its model and parameters, and nothing tells it of its neighbours. The
    list is `self` of the hook's caller.
    """
    frame = sys._getframe(2).f_back
    caller = frame.f_locals.get("self") if frame is not None else None
    return caller if isinstance(caller, keras.callbacks.CallbackList) else None
