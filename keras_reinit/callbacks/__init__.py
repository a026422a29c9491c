"""Callbacks for `model.fit`, one for each method, and a backup that survives any kill."""

import difflib

from keras_reinit.callbacks.backup import Backup
from keras_reinit.callbacks.fixed_subset import FixedSubsetReinit
from keras_reinit.callbacks.fully_connected import FullyConnectedReinit
from keras_reinit.callbacks.layerwise import LayerwiseReinit
from keras_reinit.callbacks.magnitude import MagnitudeReinit
from keras_reinit.callbacks.random_subset import RandomSubsetReinit
from keras_reinit.callbacks.shrink_perturb import ShrinkPerturb

_BY_LETTERS = {
    "LW": LayerwiseReinit,
    "FC": FullyConnectedReinit,
    "WELSR": RandomSubsetReinit,
    "WELS": FixedSubsetReinit,
    "DSD": MagnitudeReinit,
    "S&P": ShrinkPerturb,
}


def get(letters):
    """The callback class of a method by the letters that the papers use.

    Args:
        letters: "LW", "FC", "WELSR", "WELS", "DSD" or "S&P".

    Returns:
        A callback class.

    Raises:
        ValueError: if no method has these letters; the message names the nearest that does.

    Example:
        >>> get("LW")
        <class 'keras_reinit.callbacks.LayerwiseReinit'>
    """
    if letters not in _BY_LETTERS:
        near = difflib.get_close_matches(str(letters).upper(), _BY_LETTERS, n=1, cutoff=0.0)
        raise ValueError(
            f"No method has these letters. Received: {letters!r}. Did you mean {near[0]!r}? "
            f"Expected one of {list(_BY_LETTERS)}"
        )
    return _BY_LETTERS[letters]


__all__ = [
    "Backup",
    "FixedSubsetReinit",
    "FullyConnectedReinit",
    "LayerwiseReinit",
    "MagnitudeReinit",
    "RandomSubsetReinit",
    "ShrinkPerturb",
    "get",
]
