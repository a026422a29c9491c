"""MobileNet (version 1), shallow or full, for images from 8x8 up."""

import keras

from keras_reinit.backbones.layer_factory import LayerFactory, check_classifier, relu, strides
from keras_reinit.core import check_choice

# Filters of each separable block, and whether it halves the feature map.
_LOWER = ((64, False), (128, True), (128, False), (256, True), (256, False), (512, True))
_MIDDLE = ((512, False),) * 5
_UPPER = ((1024, True), (1024, False))


def mobilenet(
    input_shape,
    classes,
    norm="group",
    dropout=0.0,
    weight_decay=1e-5,
    kernel_initializer="he_normal",
    depth="shallow",
    name="mobilenet",
):
    """MobileNet: a convolution, depthwise separable blocks, global average pooling and the head.

    `conv 32 / 2, separable 64, 128 / 2, 128, 256 / 2, 256, 512 / 2, [512 x 5], 1024 / 2, 1024,
    average, dropout, head`

    A separable block is a depthwise 3x3 and a pointwise 1x1 convolution. Every convolution is
    followed by a normalisation and a ReLU, and has a bias only where none follows it. The shallow
    network lacks the five blocks in brackets. The head returns logits: use a loss with
    `from_logits=True`.

    Small images: so that no convolution works on less than 2x2 pixels, the first of the five
    strides of 2 becomes 1 below 33x33, the second below 17x17 and the third below 9x9. Odd sides
    are rounded up.

    Args:
        input_shape: (height, width, channels), height and width at least 8.
        classes: number of logits, at least 1.
        norm: `"group"` (the paper's layer normalisation), `"batch"` (the original), `"weight"` (of
            the kernels instead) or `None`. Keras counts the fan of a depthwise kernel over all its
            channels, so that without a normalisation the signal shrinks by `sqrt(channels)` in each
            block and hardly trains.
        dropout: rate of the dropout before the head, in [0, 1).
        weight_decay: L2 penalty on the kernels, added to the loss: `weight_decay * sum(w**2)`.
        kernel_initializer: initializer of all kernels. An instance with a fixed seed gives layers
            of one shape the same kernel.
        depth: `"shallow"` (the paper: 8 separable blocks) or `"full"` (13).
        name: name of the model.

    Returns:
        A `keras.Model`. Block 1 is `block1_conv`, `block1_norm`, `block1_out` (the ReLU). Block
        k > 1 is `block<k>_depthwise_conv`, `block<k>_depthwise_norm`, `block<k>_depthwise_relu`,
        `block<k>_pointwise_conv`, `block<k>_pointwise_norm`, `block<k>_out`. The full network has
        14 blocks; the shallow one 7, as in the paper, and its last two separable blocks are
        `separable7_...` and `separable8_...`, above the blocks. Then `average`, `dropout` (where
        the rate is not 0) and `head`.

    Raises:
        ValueError: if `norm` or `depth` is unknown or the input is not an image of at least 8x8.

    Example:
        >>> model = keras_reinit.backbones.mobilenet((32, 32, 3), classes=10)

    Reference:
        Howard et al. 2017, Table 1; Alabdulmohsin et al. 2021, Appendix B.
    """
    check_classifier("mobilenet", input_shape, 8, classes, dropout)
    check_choice("depth", depth, ("shallow", "full"))
    factory = LayerFactory(norm, weight_decay, kernel_initializer, use_bias=None)
    inputs = keras.Input(input_shape, name="input")
    halving = iter(strides(input_shape, steps=5))
    x = factory.convolution(inputs, "block1", 32, strides=next(halving))
    x = relu(x, "block1_out")
    separable = _LOWER + (_MIDDLE if depth == "full" else ()) + _UPPER
    blocks = len(separable) if depth == "full" else len(_LOWER)
    for i, (filters, halves) in enumerate(separable, start=1):
        prefix = f"block{i + 1}" if i <= blocks else f"separable{i}"
        x = factory.depthwise(x, f"{prefix}_depthwise", strides=next(halving) if halves else 1)
        x = relu(x, f"{prefix}_depthwise_relu")
        x = factory.convolution(x, f"{prefix}_pointwise", filters, size=1)
        x = relu(x, f"{prefix}_out")
    x = keras.layers.GlobalAveragePooling2D(name="average")(x)
    return keras.Model(inputs, factory.head(x, classes, dropout), name=name)
