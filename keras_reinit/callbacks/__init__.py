"""Callbacks for `model.fit`: methods in rounds, and a backup that survives any kill."""

import functools

from keras_reinit.callbacks import names
from keras_reinit.callbacks.backup import Backup
from keras_reinit.callbacks.names import (
    FixedSubsetReinit,
    FullyConnectedReinit,
    LayerwiseReinit,
    MagnitudeReinit,
    RandomSubsetReinit,
    ShrinkPerturb,
)
from keras_reinit.callbacks.reinit import Reinit
from keras_reinit.methods.table import get as _get_method
from keras_reinit.methods.table import row as _row


def get(identifier):
    """The callback of a method by the letters that the papers use.

    Args:
        identifier: a key of `keras_reinit.methods.METHODS`, such as "LW" or "S&P".

    Returns:
        A callback's class, or for a method without one of its own a function that takes the
        arguments of the method and of `Reinit` by their names and returns a `Reinit`.

    Raises:
        ValueError: if no method has these letters; the message names the nearest that does.

    Example:
        >>> get("LW")
        <class 'keras_reinit.callbacks.names.LayerwiseReinit'>
        >>> get("LLF")(from_layer="head", until=rounds.Fixed(epochs=20), rounds=4)
    """
    named = _row(identifier).callback
    if named is not None:
        return getattr(names, named)
    return functools.partial(_reinit, identifier)


def _reinit(
    identifier,
    *,
    until,
    rounds=None,
    data=None,
    seed=None,
    reset_optimizer=True,
    before_first=None,
    **arguments,
):
    method = _get_method(identifier, **arguments)
    return Reinit(method, until, rounds, data, seed, reset_optimizer, before_first)


__all__ = [
    "Backup",
    "FixedSubsetReinit",
    "FullyConnectedReinit",
    "LayerwiseReinit",
    "MagnitudeReinit",
    "RandomSubsetReinit",
    "Reinit",
    "ShrinkPerturb",
    "get",
]
