"""Which entries of an array are re-initialised: masks with exact counts."""

import math

import keras
from keras import ops


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
    if not 0 <= fraction <= 1:  # also true of nan
        raise ValueError(
            "The fraction of entries to re-initialise must lie in [0, 1]. "
            f"Received: fraction={fraction}"
        )
    return round(fraction * size)


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
    w = ops.convert_to_tensor(w)
    size = math.prod(w.shape)
    count = exact_count(size, fraction)
    if count in (0, size):
        return ops.full(w.shape, count > 0, dtype="bool")
    magnitude = ops.reshape(ops.abs(w), (-1,))
    threshold = ops.sort(magnitude)[count - 1]
    below = magnitude < threshold
    tied = magnitude == threshold
    places_left = count - ops.sum(ops.cast(below, "int32"))
    first_ties = ops.logical_and(tied, ops.cumsum(ops.cast(tied, "int32")) <= places_left)
    return ops.reshape(ops.logical_or(below, first_ties), w.shape)


def random_mask(shape, fraction, seed):
    """Mark a uniformly random subset of the entries of an array.

    Every subset of `round(fraction * size)` entries is equally likely.

    Args:
        shape: tuple of ints.
        fraction: share of the entries to mark, in [0, 1].
        seed: int; the same seed gives the same mask.

    Returns:
        A boolean array with exactly `round(fraction * size)` True entries.

    Raises:
        ValueError: if `fraction` is not a number in [0, 1].

    Example:
        >>> random_mask((100, 10), 0.2, seed=0)  # 200 of 1000 entries are True

    Reference:
        Taha et al. 2021 (WELS and WELSR); Alabdulmohsin et al. 2021, Section 1.
    """
    return smallest_mask(keras.random.uniform(shape, seed=seed, dtype="float32"), fraction)
