"""Kinds of layers, as the structure of a network is read by them."""

import keras

from keras_reinit.layers import WeightNormalization

CONVOLUTIONS = tuple(
    getattr(keras.layers, f"{kind}{rank}D")
    for kind, ranks in {
        "Conv": (1, 2, 3),
        "SeparableConv": (1, 2),
        "DepthwiseConv": (1, 2),
    }.items()
    for rank in ranks
) + tuple(getattr(keras.layers, f"Conv{rank}DTranspose") for rank in (1, 2, 3))
DEPTHWISE = (keras.layers.DepthwiseConv1D, keras.layers.DepthwiseConv2D)
DENSE = (keras.layers.Dense, keras.layers.EinsumDense)
NORMALIZATIONS = tuple(
    getattr(keras.layers, f"{kind}Normalization")
    for kind in ("Batch", "Group", "Layer", "RMS", "Unit", "Spectral")
    if hasattr(keras.layers, f"{kind}Normalization")
)
ACTIVATIONS = (
    keras.layers.Activation,
    keras.layers.ReLU,
    keras.layers.LeakyReLU,
    keras.layers.PReLU,
    keras.layers.ELU,
)


def unwrapped(layer):
    """The layer that a `WeightNormalization` wraps; any other layer or operation itself."""
    return layer.layer if isinstance(layer, WeightNormalization) else layer
