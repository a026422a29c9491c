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


def begin_first(begin_epoch):
    """Let a function be called when an epoch begins, in the `fit` whose hook calls our caller.

    Only `SwapEMAWeights`, which may hold the weights of the last epoch, comes before it.

    Args:
        begin_epoch: function of the epoch's number.

    Returns:
        The callbacks of this `fit`, a list; empty where no `keras.callbacks.CallbackList` is in
        charge: then the function is not called.
    """
    container = keras_private.list_in_charge()
    if container is None:
        return []
    callbacks = list(container.callbacks)
    swaps = [isinstance(each, keras.callbacks.SwapEMAWeights) for each in callbacks]
    place = len(callbacks) - swaps[::-1].index(True) if any(swaps) else 0
    beginning = Beginning(begin_epoch)
    # Another list: that which is gone through just now stays as it is.
    container.callbacks = [*callbacks[:place], beginning, *callbacks[place:]]
    return callbacks


def start_counting_again(callbacks):
    """Let Keras's `EarlyStopping` and `ReduceLROnPlateau` begin as new, for a round that begins."""
    for callback in callbacks:
        if isinstance(callback, _COUNTING):
            callback.on_train_begin()
