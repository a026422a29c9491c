"""The devices that share the run being executed: what a run has to know of them."""

import contextlib

import keras

from experiments.engine.errors import UsageError

_scopes: list = []  # of the strategy that a run is executed in, or none


@contextlib.contextmanager
def inside(strategy):
    """The scope of a strategy, which survives `clear_session` of this module."""
    with contextlib.ExitStack() as scope:
        scope.enter_context(strategy.scope())
        _scopes.append(scope)
        try:
            yield
        finally:
            _scopes.remove(scope)


def clear_session():
    """Forget all networks, as `keras.utils.clear_session`, which would forget the scope, too."""
    import tensorflow as tf

    strategy = tf.distribute.get_strategy()
    for scope in _scopes:
        scope.pop_all().close()
    keras.utils.clear_session()
    for scope in _scopes:
        scope.enter_context(strategy.scope())


def count():
    """The number of replicas that share a run; 1 outside a scope."""
    import tensorflow as tf

    return tf.distribute.get_strategy().num_replicas_in_sync


def synchronize(model):
    """Let the batch normalisation of a new model see the batches of all replicas."""
    for layer in model._flatten_layers():
        if isinstance(layer, keras.layers.BatchNormalization):
            layer.synchronized = True


def check_even(sizes, number=None):
    """Raise `UsageError` if replicas cannot share batches or the last batch of a set evenly.

    Args:
        sizes: numbers of examples, of batches, or of sets that are trained on to the last one.
        number: of replicas; None for those that share the run being executed.
    """
    number = count() if number is None else number
    for size in sizes:
        if size % number:
            raise UsageError(
                "Replicas average their means: they would weigh examples unequally. Received: "
                f"{size} examples, of a batch or a set, for {number} replicas. Expected a "
                f"multiple of {number}."
            )
