"""Independent random streams from one integer."""

import hashlib
import random

import numpy as np

_PRIME = 2**31 - 19
_POSITIONS = 2**20


def resolve_seed(seed):
    """An int seed from an int or None; None draws one from Python's `random`.

    `keras.utils.set_random_seed` therefore makes a None reproducible too.

    Args:
        seed: int, or None.

    Returns:
        An int.

    Raises:
        TypeError: if it is neither.
    """
    if seed is None:
        return random.randrange(2**31)
    if not _is_int(seed):
        raise TypeError(f"A seed is an int or None. Received: seed={seed!r} ({type(seed)})")
    return int(seed)


def _is_int(value):
    return isinstance(value, int | np.integer) and not isinstance(value, bool)


def stream(seed, *names, position, part=0):
    """The seed of one of many streams, no two of which are the same.

    `stream = (base + count * step) mod p`, `count = position + 2^20 * part`, with `base` and `step`
    hashed from the seed and the names, and `p` the largest prime of which no backend of Keras takes
    two seeds below it for one (TensorFlow folds them modulo 2^31 - 2).

    Args:
        seed: int.
        *names: ints and strings that name all the streams, as for `fold_in`.
        position: int in [0, 2^20), of a weight among all weights of a network.
        part: int in [0, 2047), of a seed among several of one weight.

    Returns:
        An int in [0, p).

    Raises:
        TypeError: as `fold_in`.
        ValueError: if `position` or `part` is out of its range.

    Example:
        >>> len({stream(0, "fresh", position=i) for i in range(10_000)})
        10000
    """
    if not (0 <= position < _POSITIONS and 0 <= part < _PRIME // _POSITIONS):
        raise ValueError(f"No stream has such a number. Received: {position=}, {part=}")
    base, step = divmod(_hashed(seed, names, 16), 2**64)
    return (base + (position + _POSITIONS * part) * (1 + step % (_PRIME - 1))) % _PRIME


def fold_in(seed, *names):
    """Derive the seed of a named stream, the same in every process and version.

    `fold_in(seed, a, b) = first 31 bits of blake2b("seed/a/b")`

    Args:
        seed: int.
        *names: ints and strings that name the stream, such as `"fresh", round, position`.

    Returns:
        An int in [0, 2**31).

    Raises:
        TypeError: if `seed` or a name is neither an int nor, for a name, a string.

    Example:
        >>> fold_in(0, "mask", 3) == fold_in(0, "mask", 3) != fold_in(0, "mask", 4)
        True
    """
    return _hashed(seed, names, 4) >> 1


def _hashed(seed, names, size):
    """An int of `size` bytes from the hash of a seed and some names."""
    if not _is_int(seed):
        raise TypeError(f"A seed is an int. Received: seed={seed!r}")
    for name in names:
        if not _is_int(name) and not isinstance(name, str):
            raise TypeError(f"A stream is named by ints and strings. Received: {name!r}")
    # repr keeps 1 and "1" apart, and a comma cannot occur unquoted in either.
    parts = [part if isinstance(part, str) else int(part) for part in (seed, *names)]
    message = ",".join(map(repr, parts)).encode()
    return int.from_bytes(hashlib.blake2b(message, digest_size=size).digest(), "big")
