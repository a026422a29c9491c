"""Wide residual networks of any depth and width, for images from 8x8 up."""

import keras

from keras_reinit.backbones.layer_factory import (
    LayerFactory,
    check_classifier,
    connected,
    repetitions,
    residual_blocks,
    scaled,
    strides,
)
from keras_reinit.backbones.residual import linear, preactivated

_STEM, _FILTERS = 16, (16, 32, 64)  # these, of the stages, times the width


def wide_resnet(
    input_shape,
    classes,
    norm="weight",
    dropout=0.0,
    weight_decay=0.0,
    kernel_initializer="he_normal",
    depth=40,
    width=10.0,
    name="wide_resnet",
):
    """WRN: a stem, three stages of `n` wide blocks, global average pooling and the head.

    `conv 16, n blocks of 16 width, n of 32 width / 2, n of 64 width / 2, average, dropout, head`,
    `depth = 6 n + 4`, where a block is `shortcut(x) + conv3x3(relu(conv3x3(x)))` with
    `norm="weight"`, without any other ReLU, and else
    `shortcut(x) + conv3x3(relu(norm(conv3x3(relu(norm(x))))))` with `relu(norm(.))` after the last

    The shortcut is a 1x1 convolution where a stage begins (in the pre-activated form it starts
    after the block's first ReLU), else the identity. Convolutions have a bias only where no
    normalisation follows. Where the stride is 2 the image is padded by one pixel on each side, so
    that both branches look at the same pixels. The head returns logits: use a loss with
    `from_logits=True`.

    Small images: below 9x9 pixels the second stage has stride 1.

    Args:
        input_shape: (height, width, channels), height and width at least 8.
        classes: number of logits, at least 1.
        norm: `"weight"` (of the kernels), `"batch"` (the original, moving statistics with momentum
            0.9), `"group"` (layer normalisation) or `None`.
        dropout: rate of the dropout before the head, in [0, 1).
        weight_decay: L2 penalty on the kernels, added to the loss: `weight_decay * sum(w**2)`. That
            on a normalised kernel, which acts on the length of `v`, changes nothing but the step.
        kernel_initializer: initializer of all kernels. An instance with a fixed seed gives layers
            of one shape the same kernel.
        depth: number of convolutions, those of the stem and of three shortcuts included, 6 n + 4.
        width: multiplier of the stages' filters, above 0; the stem always has 16. WRN-40-10 has
            depth 40 and width 10.
        name: name of the model.

    Returns:
        A `keras.Model`. Layers: `stem_conv`, part of block 1; for k = 1 .. 3 n
        `block<k>_shortcut_conv` (where the shape changes), `block<k>_1_pad` (where the stride is
        2), `block<k>_1_conv`, `block<k>_1_relu`, `block<k>_2_conv` and `block<k>_out` (the
        addition); with another norm also `block<k>_1_norm`, `block<k>_2_norm` and
        `block<k>_2_relu`, and the last block ends in `block<3 n>_add`, `block<3 n>_norm` and
        `block<3 n>_out` (the ReLU); `average`, `dropout` (where the rate is not 0) and `head`.

    Raises:
        ValueError: if `norm` is unknown, `depth` is not 6 n + 4, `width` leaves a convolution
            without filters, or the input is not an image of at least 8x8.

    Example:
        >>> model = keras_reinit.backbones.wide_resnet((32, 32, 3), 10, depth=40, width=10)
        >>> keras_reinit.initialize(model, "arpit", stem=1, seed=0)

    Reference:
        Zagoruyko & Komodakis 2016; Arpit et al. 2019.
    """
    check_classifier("wide_resnet", input_shape, 8, classes, dropout)
    n = repetitions("wide_resnet", depth, others=4, of=6)
    factory = LayerFactory(norm, weight_decay, kernel_initializer, use_bias=None, momentum=0.9)
    stages = [(scaled(width, filters), n) for filters in _FILTERS]
    inputs = keras.Input(input_shape, name="input")
    x = factory.bare_convolution(inputs, "stem", _STEM)
    blocks = residual_blocks(stages, (1, *strides(input_shape, steps=2)))
    if norm == "weight":
        for prefix, filters, stride, _ in blocks:
            x = linear(factory, x, prefix, filters, stride)
    else:
        x = preactivated(factory, x, blocks)
    x = keras.layers.GlobalAveragePooling2D(name="average")(x)
    return connected(inputs, factory.head(x, classes, dropout), name)
