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


def frobenius_norm(w, axes=None):
    """The root of the sum of squares, in float32 or wider, of tiny and of huge entries too.

    `||w|| = sqrt(sum_i w_i^2)`

    A sum of squares that runs out of its type's range is taken again of the entries times a power
    of two; every other is what it would be without this, bit for bit.

    Args:
        w: array of any shape.
        axes: None to sum over all entries; or a tuple of the axes to sum over, which are kept with
            length 1.

    Returns:
        A scalar, or an array that broadcasts against `w`; at least float32.

    Example:
        >>> frobenius_norm([[3.0], [4.0]])  # -> 5.0
    """
    w = wide(w)

    def squares(x):
        return ops.sum(ops.square(x), axis=axes, keepdims=axes is not None)

    exponent = 1024 if "float64" in str(w.dtype) else 128
    bound, factor = 2.0 ** (exponent // 2), 2.0 ** (exponent * 5 // 8)
    first = squares(w)
    factors = ops.where(first < 1 / bound, factor, ops.where(first > bound, 1 / factor, 1.0))
    factors = ops.cast(factors, w.dtype)
    return ops.sqrt(squares(w * factors)) / factors


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
    return scale(w, ops.where(positive, norm / ops.where(positive, current, 1.0), 0.0))


def scale(w, factor):
    """Multiply an array by a factor in float32 or wider.

    `w = factor * w_old`, rounded once

    Args:
        w: array of any shape.
        factor: finite number, which may be one that the dtype of `w` cannot hold.

    Returns:
        An array of the shape and dtype of `w`.

    Example:
        >>> scale([3.0, 4.0], 2.0)  # -> [6.0, 8.0]
    """
    w = ops.convert_to_tensor(w)
    return ops.cast(wide(w) * ops.cast(factor, wide(w).dtype), w.dtype)
