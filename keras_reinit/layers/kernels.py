"""The kernels of a layer: where they are kept and what their axes mean."""

import math
from typing import Any, NamedTuple

import keras

_DEPTHWISE = (keras.layers.DepthwiseConv1D, keras.layers.DepthwiseConv2D)
_TRANSPOSED = tuple(getattr(keras.layers, f"Conv{rank}DTranspose") for rank in (1, 2, 3))


class Kernel(NamedTuple):
    """A kernel of a layer.

    Attributes:
        variable: the weight.
        unit_axes: its axes that count output units; over the others a unit sums.
        fan_in: input channels of the layer, for one group of them.
        fan_out: output channels of the layer, for one group of them.
    """

    variable: Any
    unit_axes: tuple[int, ...]
    fan_in: int
    fan_out: int

    @property
    def units(self):
        """The number of output units."""
        return math.prod(self.variable.shape[axis] for axis in self.unit_axes)

    @property
    def summed_axes(self):
        """The axes over which an output unit sums."""
        return tuple(i for i in range(len(self.variable.shape)) if i not in self.unit_axes)

    @property
    def summed(self):
        """The number of entries of one output unit, receptive field included."""
        return math.prod(self.variable.shape) // self.units


def kernels(layer):
    """The kernels of a built layer, those of a recurrent layer's cell included.

    A kernel is a weight of the layer's own whose name ends with "kernel".

    Args:
        layer: a built `keras.layers.Layer`.

    Returns:
        A list of `Kernel`, in the order in which the layer made them.
    """
    owners = [layer, getattr(layer, "cell", None)]
    variables = {
        id(value): (owner, value)
        for owner in owners
        if isinstance(owner, keras.layers.Layer)
        for value in vars(owner).values()
        if isinstance(value, keras.Variable) and value.name.endswith("kernel")
    }
    return [_described(owner, variable) for owner, variable in variables.values()]


def _described(layer, variable):
    shape = tuple(variable.shape)
    inputs, outputs = len(shape) - 2, len(shape) - 1
    if isinstance(layer, keras.layers.EinsumDense):
        return _of_einsum(layer.equation, variable)
    if isinstance(layer, _DEPTHWISE) or variable.name == "depthwise_kernel":
        return Kernel(variable, (inputs, outputs), 1, shape[outputs])
    if isinstance(layer, _TRANSPOSED):
        return Kernel(variable, (inputs,), shape[outputs], shape[inputs])
    groups = getattr(layer, "groups", 1)
    return Kernel(variable, (outputs,), shape[inputs], shape[outputs] // groups)


def _of_einsum(equation, variable):
    """A kernel whose equation tells which of its axes stay, and which the input has as well."""
    operands, output = equation.replace(" ", "").replace("...", "").split("->")
    inputs, axes = operands.split(",")
    sizes = dict(zip(axes, variable.shape, strict=True))
    return Kernel(
        variable,
        tuple(i for i, label in enumerate(axes) if label in output),
        math.prod(size for label, size in sizes.items() if label not in output),
        math.prod(size for label, size in sizes.items() if label not in inputs),
    )
