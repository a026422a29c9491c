"""Kinds of layers, as the structure of a network is read by them."""

import keras

from keras_reinit.keras_private import all_layers

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
    for kind in ("Batch", "Group", "Layer", "RMS", "Unit")
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
    """The layer inside of wrappers, such as `TimeDistributed`; any other operation itself.

    Of a `Bidirectional` it is the one that runs forward.
    """
    while isinstance(layer, keras.layers.Wrapper | keras.layers.Bidirectional):
        is_bidirectional = isinstance(layer, keras.layers.Bidirectional)
        layer = layer.forward_layer if is_bidirectional else layer.layer
    return layer


def is_convolutional(operation):
    """Whether an operation is a convolution, wrapped or not, or a layer made of some."""
    return isinstance(unwrapped(operation), CONVOLUTIONS) or is_made_of_convolutions(operation)


def is_made_of_convolutions(operation):
    """Whether an operation is a layer with convolutions among the layers inside of it."""
    operation = unwrapped(operation)
    return isinstance(operation, keras.layers.Layer) and any(
        isinstance(layer, CONVOLUTIONS) for layer in all_layers(operation) if layer is not operation
    )
