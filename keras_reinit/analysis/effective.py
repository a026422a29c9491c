"""The kernels that weight-normalised layers compute with, in place of the variables they keep."""

from keras import ops

from keras_reinit.layers import WeightNormalization
from keras_reinit.layers.kernels import kernels
from keras_reinit.layers.weight_normalization import unit_norms
from keras_reinit.weights.select import list_weights


def normalized_layers(model):
    """The weight-normalised layers of a model, in its order."""
    owners = {id(weight.layer): weight.layer for weight in list_weights(model)}
    return [layer for layer in owners.values() if isinstance(layer, WeightNormalization)]


def pairs(layer):
    """The (`Kernel` of `v`, variable `g`) of each kernel of a weight-normalised layer."""
    return list(zip(kernels(layer.layer), layer.gains, strict=True))


def effective(kernel, g):
    """`g * v / ||v||`, a tensor."""
    v = kernel.variable.value
    norms = unit_norms(v, kernel)
    return v * ops.cast(ops.reshape(g.value, norms.shape) / norms, v.dtype)


def gain_of(kernel, g):
    """The `g` with which the kernel is `v` as it stands, a tensor."""
    return ops.cast(ops.reshape(unit_norms(kernel.variable.value, kernel), g.shape), g.dtype)
