"""The order of callbacks, which is not to matter: an epoch begins with the method's own hook.

So a scheduler decides the rate of an epoch wherever it is listed. An epoch ends for the method at
its own place in the list: it sees what callbacks before it have added to the logs.
"""

import keras

from keras_reinit import keras_private

_COUNTING = (keras.callbacks.EarlyStopping, keras.callbacks.ReduceLROnPlateau)


class Beginning(keras.callbacks.Callback):
    """Calls a function when an epoch begins, before the other callbacks.

    Args:
        begin_epoch: function of the epoch's number.
    """

    async_safe = True

    def __init__(self, begin_epoch):
        super().__init__()
        self._begin_epoch = begin_epoch

    def on_epoch_begin(self, epoch, logs=None):
        self._begin_epoch(epoch)


def begin_first(callback, begin_epoch):
    """Let a function be called when an epoch begins, in the `fit` whose hook calls our caller.

    Only `SwapEMAWeights`, which may hold the weights of the last epoch, comes before it.

    Args:
        callback: the one whose hook is being called.
        begin_epoch: function of the epoch's number.

    Returns:
        The callbacks of this `fit`, a list; empty where no `keras.callbacks.CallbackList` is in
        charge: then the function is not called.
    """
    container = keras_private.list_in_charge()
    if container is None:
        return []
    _check_once(callback, container)
    callbacks = list(container.callbacks)
    swaps = [isinstance(other, keras.callbacks.SwapEMAWeights) for other in callbacks]
    place = len(callbacks) - swaps[::-1].index(True) if any(swaps) else 0
    beginning = Beginning(begin_epoch)
    # Another list: that which is gone through just now stays as it is.
    container.callbacks = [*callbacks[:place], beginning, *callbacks[place:]]
    return callbacks


def callbacks_of(kind):
    """The callbacks of a class in the `fit` whose hook calls this function's caller: a list."""
    container = keras_private.list_in_charge()
    return [] if container is None else [c for c in container.callbacks if isinstance(c, kind)]


def check_alone(callback, is_like):
    """Refuse a list of callbacks in which one stands twice, or beside another that is like it.

    Args:
        callback: the one whose hook is being called.
        is_like: function from another callback to whether the two cannot be in one `fit`.

    Raises:
        ValueError: if so.
    """
    container = keras_private.list_in_charge()
    if container is None:
        return
    _check_once(callback, container)
    for other in container.callbacks:
        if other is not callback and is_like(other):
            raise ValueError(
                f"Two callbacks would write the same backup. Received: {type(callback).__name__} "
                f"and {type(other).__name__} in one `fit`. Leave one out"
            )


def _check_once(callback, container):
    if sum(other is callback for other in container.callbacks) > 1:
        raise ValueError(
            f"One {type(callback).__name__} stands twice in the list of callbacks. Leave one out"
        )


def start_counting_again(callbacks):
    """Let Keras's `EarlyStopping` and `ReduceLROnPlateau` begin as new, for a round that begins."""
    for callback in callbacks:
        if isinstance(callback, _COUNTING):
            callback.on_train_begin()
