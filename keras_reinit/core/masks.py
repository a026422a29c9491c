"""Which entries of an array are re-initialised: masks with exact counts.

NumPy's selection finds the cut, several times as fast as sorting would, and NumPy's generator ranks
what is chosen at random, so that a mask is the same on every backend and device.
"""

import math

import numpy as np
from keras import ops

from keras_reinit.core.checks import check_number
from keras_reinit.core.transforms import wide


def exact_count(size, fraction):
    """The number of entries that a fraction of an array stands for.

    `count = round(fraction * size)`

    Args:
        size: number of entries.
        fraction: share of them, in [0, 1].

    Returns:
        An int in [0, size].

    Raises:
        ValueError: if `fraction` is not a number in [0, 1].

    Example:
        >>> exact_count(11, 0.2)
        2
    """
    return round(check_number("fraction", fraction, most=1) * size)


def smallest_mask(w, fraction):
    """Mark the entries of smallest absolute value, ties by index.

    `s_i = 1` for the `round(fraction * size)` smallest `|w_i|`, else 0.

    Args:
        w: array of any shape.
        fraction: share of the entries to mark, in [0, 1].

    Returns:
        A boolean array of the shape of `w` with exactly `round(fraction * size)` True entries.

    Raises:
        ValueError: if `fraction` is not a number in [0, 1].

    Example:
        >>> smallest_mask([-3.0, 0.1, 2.0, -0.2], 0.5)  # -> [False, True, False, True]

    Reference:
        Han et al. 2017 (DSD); Alabdulmohsin et al. 2021, Section 1.
    """
    w = wide(w)  # NumPy orders no bfloat16
    return _mask_of_smallest(lambda: np.abs(ops.convert_to_numpy(w)), fraction)


def random_mask(shape, fraction, seed):
    """Mark a uniformly random subset of the entries of an array.

    Every subset of `round(fraction * size)` entries is equally likely.

    Args:
        shape: tuple of ints.
        fraction: share of the entries to mark, in [0, 1].
        seed: int of at least 0; the same seed gives the same mask.

    Returns:
        A boolean array with exactly `round(fraction * size)` True entries.

    Raises:
        ValueError: if `fraction` is not a number in [0, 1].

    Example:
        >>> random_mask((100, 10), 0.2, seed=0)  # 200 of 1000 entries are True

    Reference:
        Taha et al. 2021 (WELS and WELSR); Alabdulmohsin et al. 2021, Section 1.
    """
    size = math.prod(shape)

    def ranks():  # one draw for two entries
        pairs = np.random.default_rng(seed).integers(2**64, size=-(-size // 2), dtype="uint64")
        return pairs.astype("<u8", copy=False).view("<u4")[:size].reshape(shape)

    return _mask_of_smallest(ranks, fraction)


def _mask_of_smallest(make, fraction):
    """The mask of the smallest values, not magnitudes, of the NumPy array that a function makes.

    It is made twice, and the first one spoilt, so that no two need to be held.
    """
    values = np.asarray(make())
    count = exact_count(values.size, fraction)
    if count in (0, values.size):
        return ops.full(values.shape, count > 0, dtype="bool")
    flat = values.reshape(-1)
    flat.partition(count - 1)
    threshold = flat[count - 1]
    del values, flat
    values = make()
    mask = values <= threshold
    too_many = np.count_nonzero(mask) - count
    if too_many:
        equal = np.flatnonzero(values == threshold)
        mask.reshape(-1)[equal[-too_many:]] = False
    return ops.convert_to_tensor(mask)
