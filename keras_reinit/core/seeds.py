"""Independent random streams from one integer."""

import hashlib
import random

import numpy as np


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
    if isinstance(seed, bool) or not isinstance(seed, int | np.integer):
        raise TypeError(f"A seed is an int or None. Received: seed={seed!r} ({type(seed)})")
    return int(seed)


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
    for part in (seed, *names):
        if isinstance(part, bool) or not isinstance(part, int | str):
            raise TypeError(f"A stream is named by ints and strings. Received: {part!r}")
    if isinstance(seed, str):
        raise TypeError(f"A seed is an int. Received: seed={seed!r}")
    # repr keeps 1 and "1" apart, and a comma cannot occur unquoted in either.
    message = ",".join(map(repr, (seed, *names))).encode()
    return int.from_bytes(hashlib.blake2b(message, digest_size=4).digest(), "big") >> 1
