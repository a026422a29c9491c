"""Orthogonal weights for kernels of any layout."""

import math

import keras
from keras import ops

from keras_reinit.core import check_int, resolve_seed


@keras.saving.register_keras_serializable(package="keras_reinit")
class Orthogonal(keras.initializers.Initializer):
    """Orthogonal units, whichever axes of the kernel count them.

    `V V^T = I` for the kernel as a matrix `V` of shape (units, rest), or `V^T V = I` where there
    are more units than entries in each.

    `keras.initializers.Orthogonal` does the same where the last axis counts the units; here that of
    a depthwise or transposed convolution or an `EinsumDense` may be another, or several.

    Args:
        unit_axes: the axes that count output units, an int or a sequence of ints.
        seed: int, or None to draw one.

    Example:
        >>> kernel = Orthogonal(unit_axes=(-2, -1), seed=0)((3, 3, 4, 2))  # of a DepthwiseConv2D

    Reference:
        Saxe et al. 2014; Arpit et al. 2019.
    """

    def __init__(self, unit_axes=-1, seed=None):
        axes = unit_axes if isinstance(unit_axes, list | tuple) else [unit_axes]
        self.unit_axes = tuple(check_int("unit_axes", axis, least=-math.inf) for axis in axes)
        self.seed = seed if seed is None else resolve_seed(seed)
        self._draw = keras.initializers.Orthogonal(seed=self.seed)

    def __call__(self, shape, dtype=None):
        unit_axes = [axis % len(shape) for axis in self.unit_axes]
        order = [i for i in range(len(shape)) if i not in unit_axes] + unit_axes
        units = math.prod(shape[axis] for axis in unit_axes)
        matrix = self._draw((math.prod(shape) // units, units), dtype=dtype)
        kernel = ops.reshape(matrix, [shape[axis] for axis in order])
        return ops.transpose(kernel, [order.index(axis) for axis in range(len(shape))])

    def get_config(self):
        return {"unit_axes": list(self.unit_axes), "seed": self.seed}
