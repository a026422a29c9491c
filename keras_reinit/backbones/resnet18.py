"""ResNet-18 for small images, from 8x8 up, and its pre-activation form."""

import keras

from keras_reinit.backbones.layer_factory import (
    LayerFactory,
    check_classifier,
    relu,
    residual_blocks,
    scaled,
    strides,
)
from keras_reinit.backbones.residual import basic, preactivated

_STAGES = ((64, 2), (128, 2), (256, 2), (512, 2))  # filters, blocks
_MOMENTUM = 0.9  # of the public codes, in PyTorch; with 0.99 short trainings end with stale ones


def resnet18(
    input_shape,
    classes,
    norm="batch",
    dropout=0.0,
    weight_decay=1e-5,
    kernel_initializer="he_normal",
    width=1.0,
    name="resnet18",
):
    """ResNet-18 in its CIFAR form: a stem, eight basic blocks, global average pooling, the head.

    `conv 64, 2 blocks of 64, 2 of 128 / 2, 2 of 256 / 2, 2 of 512 / 2, average, dropout, head`,
    where a block is `relu(shortcut(x) + conv3x3(relu(conv3x3(x))))`

    Every convolution is followed by a normalisation, and has a bias only where none follows it.
    The stem is a 3x3 convolution of stride 1, without pooling. The shortcut is a 1x1 convolution
    where the second, third and fourth stage begin, else the identity; a stage's stride is in its
    first convolution and that shortcut. Where the stride is 2 the image is padded by one pixel on
    each side, so that both look at the same pixels. The head returns logits: use a loss with
    `from_logits=True`.

    Small images: so that no convolution works on less than 2x2 pixels, the second stage has stride
    1 below 9x9. Odd sides are rounded up.

    Args:
        input_shape: (height, width, channels), height and width at least 8.
        classes: number of logits, at least 1.
        norm: `"batch"` (the papers', with moving statistics of momentum 0.9), `"group"` (layer
            normalisation), `"weight"` (of the kernels instead) or `None`, with which activations
            grow from block to block.
        dropout: rate of the dropout before the head, in [0, 1).
        weight_decay: L2 penalty on the kernels, added to the loss: `weight_decay * sum(w**2)`.
        kernel_initializer: initializer of all kernels. An instance with a fixed seed gives layers
            of one shape the same kernel.
        width: multiplier of the filters of all convolutions, above 0. 1 is the original, with
            11,173,962 trainable parameters for ten classes of color images; a quarter is the
            network of the public code of Ash & Adams, with 701,466.
        name: name of the model.

    Returns:
        A `keras.Model`. Layers: `stem_conv`, `stem_norm` and `stem_relu`, part of block 1; for
        k = 1 .. 8 `block<k>_shortcut_conv` and `block<k>_shortcut_norm` (k = 3, 5, 7),
        `block<k>_1_pad` (where the stride is 2), `block<k>_1_conv`, `block<k>_1_norm`,
        `block<k>_1_relu`, `block<k>_2_conv`, `block<k>_2_norm`, `block<k>_add` and `block<k>_out`
        (the ReLU); `average`, `dropout` (where the rate is not 0) and `head`.

    Raises:
        ValueError: if `norm` is unknown, `width` leaves a convolution without filters, or the input
            is not an image of at least 8x8.

    Example:
        >>> model = keras_reinit.backbones.resnet18((32, 32, 3), classes=10, width=0.25)

    Reference:
        He et al. 2016, "Deep Residual Learning", Figures 2 and 3; Ash & Adams 2020.
    """
    check_classifier("resnet18", input_shape, 8, classes, dropout)
    factory = _factory(norm, weight_decay, kernel_initializer)
    inputs = keras.Input(input_shape, name="input")
    x = relu(factory.convolution(inputs, "stem", scaled(width, _STAGES[0][0])), "stem_relu")
    for name, filters, stride, _ in _blocks(input_shape, width):
        x = basic(factory, x, name, filters, stride)
    x = keras.layers.GlobalAveragePooling2D(name="average")(x)
    return keras.Model(inputs, factory.head(x, classes, dropout), name=name)


def preact_resnet18(
    input_shape,
    classes,
    norm="batch",
    dropout=0.0,
    weight_decay=1e-5,
    kernel_initializer="he_normal",
    width=1.0,
    name="preact_resnet18",
):
    """ResNet-18 in its CIFAR form with pre-activation: normalisation and ReLU before convolutions.

    `conv 64, 2 blocks of 64, 2 of 128 / 2, 2 of 256 / 2, 2 of 512 / 2, norm, relu, average,
    dropout, head`, where a block is `shortcut(x) + conv3x3(relu(norm(conv3x3(relu(norm(x))))))`

    The shortcut is the identity; at the beginning of a stage it starts after the block's first
    ReLU, and in the second, third and fourth stage it is a 1x1 convolution there. The last block
    ends in a normalisation and a ReLU of its own. (A widespread public code leaves these two out,
    and lets the first block's shortcut start before its ReLU: 1,024 parameters less.) Everything
    else is as in `resnet18`, small images too.

    Args:
        input_shape: (height, width, channels), height and width at least 8.
        classes: number of logits, at least 1.
        norm: `"batch"` (the papers', with moving statistics of momentum 0.9), `"group"` (layer
            normalisation), `"weight"` (of the kernels instead) or `None`, with which activations
            grow from block to block.
        dropout: rate of the dropout before the head, in [0, 1).
        weight_decay: L2 penalty on the kernels, added to the loss: `weight_decay * sum(w**2)`.
        kernel_initializer: initializer of all kernels. An instance with a fixed seed gives layers
            of one shape the same kernel.
        width: multiplier of the filters of all convolutions, above 0; 1 is the original, with
            11,172,170 trainable parameters for ten classes of color images.
        name: name of the model.

    Returns:
        A `keras.Model`. Layers: `stem_conv`, part of block 1; for k = 1 .. 8 `block<k>_1_norm`,
        `block<k>_1_relu`, `block<k>_shortcut_conv` (k = 3, 5, 7), `block<k>_1_pad` (where the
        stride is 2), `block<k>_1_conv`, `block<k>_2_norm`, `block<k>_2_relu`, `block<k>_2_conv` and
        `block<k>_out` (the addition), but for the last block `block8_add`, `block8_norm` and
        `block8_out` (the ReLU); `average`, `dropout` (where the rate is not 0) and `head`.

    Raises:
        ValueError: if `norm` is unknown, `width` leaves a convolution without filters, or the input
            is not an image of at least 8x8.

    Example:
        >>> model = keras_reinit.backbones.preact_resnet18((64, 64, 3), classes=200)

    Reference:
        He et al. 2016, "Identity Mappings in Deep Residual Networks", Figure 1b and appendix
        (first and last unit); Zaidi et al. 2022.
    """
    check_classifier("preact_resnet18", input_shape, 8, classes, dropout)
    factory = _factory(norm, weight_decay, kernel_initializer)
    inputs = keras.Input(input_shape, name="input")
    x = factory.bare_convolution(inputs, "stem", scaled(width, _STAGES[0][0]))
    x = preactivated(factory, x, _blocks(input_shape, width))
    x = keras.layers.GlobalAveragePooling2D(name="average")(x)
    return keras.Model(inputs, factory.head(x, classes, dropout), name=name)


def _factory(norm, weight_decay, kernel_initializer):
    return LayerFactory(norm, weight_decay, kernel_initializer, use_bias=None, momentum=_MOMENTUM)


def _blocks(input_shape, width):
    stages = [(scaled(width, filters), blocks) for filters, blocks in _STAGES]
    return residual_blocks(stages, (1, *strides(input_shape, steps=len(stages) - 1)))
