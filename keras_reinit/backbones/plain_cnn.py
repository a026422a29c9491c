"""A plain convolutional network of any depth, without shortcuts, for images from 8x8 up."""

import keras

from keras_reinit.backbones.layer_factory import (
    LayerFactory,
    check_classifier,
    connected,
    relu,
    residual_blocks,
    scaled,
    strides,
)
from keras_reinit.core import check_int

_FILTERS = (16, 32, 64)  # of each stage


def plain_cnn(
    input_shape,
    classes,
    norm="weight",
    dropout=0.0,
    weight_decay=0.0,
    kernel_initializer="he_normal",
    depth=25,
    width=1.0,
    name="plain_cnn",
):
    """Convolutions one after the other, in three stages, global average pooling and the head.

    `a times conv 16, b times conv 32, the first / 2, c times conv 64, the first / 2, average,
    dropout, head`, with `a + b + c = depth - 1` in shares as even as can be, larger ones first

    Every convolution is 3x3, with a normalisation (or with its kernel normalised) and a ReLU; it
    has a bias only where no normalisation follows. At depth 6 n + 2 these are the plain networks of
    He et al., ResNets without their shortcuts. The head returns logits: use a loss with
    `from_logits=True`.

    Small images: below 9x9 pixels the second stage has stride 1.

    Args:
        input_shape: (height, width, channels), height and width at least 8.
        classes: number of logits, at least 1.
        norm: `"weight"` (of the kernels), `"batch"` (moving statistics with momentum 0.9),
            `"group"` (layer normalisation) or `None`.
        dropout: rate of the dropout before the head, in [0, 1).
        weight_decay: L2 penalty on the kernels, added to the loss: `weight_decay * sum(w**2)`. That
            on a normalised kernel, which acts on the length of `v`, changes nothing but the step.
        kernel_initializer: initializer of all kernels. An instance with a fixed seed gives layers
            of one shape the same kernel.
        depth: number of layers, the head included, at least 4.
        width: multiplier of the filters of all convolutions, above 0.
        name: name of the model.

    Returns:
        A `keras.Model`. Layers: `block<k>_conv`, `block<k>_norm` (where `norm` is `"batch"` or
        `"group"`) and `block<k>_out` (the ReLU) for k = 1 .. `depth - 1`; `average`, `dropout`
        (where the rate is not 0) and `head`.

    Raises:
        ValueError: if `norm` is unknown, `depth` is below 4 or more than Keras can go through,
            `width` leaves a convolution without filters, or the input is not an image of at least
            8x8.

    Example:
        >>> model = keras_reinit.backbones.plain_cnn((32, 32, 3), classes=10, depth=100)
        >>> keras_reinit.initialize(model, "arpit", seed=0)

    Reference:
        He et al. 2016, "Deep Residual Learning", Section 4.2 (plain networks); Arpit et al. 2019
        (depths 5, 25 and 100; filters are not given).
    """
    check_classifier("plain_cnn", input_shape, 8, classes, dropout)
    depth = check_int("depth", depth, least=4)  # three stages and a head
    factory = LayerFactory(norm, weight_decay, kernel_initializer, use_bias=None, momentum=0.9)
    shares = [(depth + i) // 3 for i in (1, 0, -1)]
    stages = [
        (scaled(width, filters), share) for filters, share in zip(_FILTERS, shares, strict=True)
    ]
    inputs = x = keras.Input(input_shape, name="input")
    for prefix, filters, stride, _ in residual_blocks(stages, (1, *strides(input_shape, steps=2))):
        x = relu(factory.convolution(x, prefix, filters, strides=stride), f"{prefix}_out")
    x = keras.layers.GlobalAveragePooling2D(name="average")(x)
    return connected(inputs, factory.head(x, classes, dropout), name)
