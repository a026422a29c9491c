"""The normalisation that the papers vary, by name."""

import keras

from keras_reinit.core import check_choice
from keras_reinit.layers import WeightNormalization

NORMS = ("group", "batch", "weight", None)


def normalization(norm, name, momentum=0.99):
    """Returns the normalisation layer called `norm`.

    Args:
        norm: `"group"` (one group over all axes of an example: the layer normalisation of the
            papers), `"batch"` (batch normalisation), `"weight"` (kernels are normalised instead, by
            `weight_normalized`) or `None`.
        name: name of the layer.
        momentum: of the moving statistics of batch normalisation, in [0, 1).

    Returns:
        A new layer, or `None` where `norm` is `None` or `"weight"`.

    Raises:
        ValueError: if `norm` is something else.
    """
    check_choice("norm", norm, NORMS)
    if norm == "group":
        return keras.layers.GroupNormalization(groups=1, name=name)
    if norm == "batch":
        return keras.layers.BatchNormalization(momentum=momentum, name=name)
    return None


def weight_normalized(layer, norm):
    """The layer, inside of `WeightNormalization` where `norm` is `"weight"`."""
    return WeightNormalization(layer) if norm == "weight" else layer
