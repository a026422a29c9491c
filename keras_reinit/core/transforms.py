"""New weights from old ones, and what is measured on them: all that methods are made of."""

from keras import ops


def blend(old, fresh, mask):
    """Replace the masked entries of an array.

    `w = (1 - s) * w_old + s * w_fresh`, with `s` the mask.

    Args:
        old: array of any shape.
        fresh: array of the same shape.
        mask: boolean array of the same shape; True takes the fresh entry.

    Returns:
        An array of the shape and dtype of `old`.

    Example:
        >>> blend([1.0, 2.0], [7.0, 8.0], [True, False])  # -> [7.0, 2.0]

    Reference:
        Alabdulmohsin et al. 2021, Equation 1.
    """
    return ops.where(mask, fresh, old)


def shrink_perturb(old, fresh, shrink, perturb):
    """Shrink an array towards zero and add a scaled fresh draw.

    `w = shrink * w_old + perturb * w_fresh`

    Args:
        old: array of any shape.
        fresh: array of the same shape, drawn as at initialisation.
        shrink: factor on the old values; 1 keeps them, 0 forgets them.
        perturb: factor on the fresh values; 0 adds nothing.

    Returns:
        An array of the shape and dtype of `old`.

    Example:
        >>> shrink_perturb([1.0], [10.0], shrink=0.5, perturb=0.1)  # -> [1.5]

    Reference:
        Ash & Adams 2020, Section 4; Zaidi et al. 2022.
    """
    old = ops.convert_to_tensor(old)
    shrink, perturb = (ops.convert_to_tensor(f, dtype=old.dtype) for f in (shrink, perturb))
    return shrink * old + perturb * fresh


def frobenius_norm(w):
    """The root of the sum of squares of all entries, in float32 or wider.

    `||w|| = sqrt(sum_i w_i^2)`

    Args:
        w: array of any shape.

    Returns:
        A scalar, at least float32.

    Example:
        >>> frobenius_norm([[3.0], [4.0]])  # -> 5.0
    """
    return ops.sqrt(ops.sum(ops.square(wide(w))))


def total(w):
    """The sum of all entries, in float32 or wider; not finite where one entry is not.

    `total = sum_i w_i`

    Args:
        w: array of any shape.

    Returns:
        A scalar, at least float32.

    Example:
        >>> total([[3.0], [4.0]])  # -> 7.0
    """
    return ops.sum(wide(w))


def wide(w):
    """The array in float32, which holds every half precision exactly, or in float64 as it is."""
    w = ops.convert_to_tensor(w)
    return w if "float64" in str(w.dtype) else ops.cast(w, "float32")


def rescale(w, norm):
    """Scale an array to a given Frobenius norm; an all-zero array stays zero.

    `w = w_old * norm / ||w_old||`

    Args:
        w: array of any shape.
        norm: target norm, in [0, inf); 0 gives zeros.

    Returns:
        An array of the shape and dtype of `w`.

    Example:
        >>> rescale([3.0, 4.0], norm=10.0)  # -> [6.0, 8.0]

    Reference:
        Alabdulmohsin et al. 2021, Algorithm 1, line 4.
    """
    w = ops.convert_to_tensor(w)
    current = frobenius_norm(w)
    positive = current > 0
    factor = ops.where(positive, norm / ops.where(positive, current, 1.0), 0.0)
    return ops.cast(ops.cast(w, factor.dtype) * factor, w.dtype)
