"""ResNet-50 (version 1), for images from 8x8 up."""

import keras

from keras_reinit.backbones.layer_factory import (
    LayerFactory,
    check_classifier,
    relu,
    residual_blocks,
    strides,
)

_STAGES = ((64, 3), (128, 4), (256, 6), (512, 3))  # bottleneck filters, blocks


def resnet50(
    input_shape,
    classes,
    norm="group",
    dropout=0.0,
    weight_decay=1e-5,
    kernel_initializer="he_normal",
    name="resnet50",
):
    """ResNet-50: a stem, sixteen bottleneck blocks, global average pooling and the head.

    `conv7x7 64 / 2, pool3x3 / 2, 3 blocks of 64, 4 of 128 / 2, 6 of 256 / 2, 3 of 512 / 2, average,
    dropout, head`, where a block is `relu(shortcut(x) + conv1x1(relu(conv3x3(relu(conv1x1(x))))))`

    Every convolution is followed by a normalisation. The last convolution of a block has four times
    its filters; the shortcut is a 1x1 convolution in the first block of a stage, else the identity;
    a stage's stride is in its first 1x1 convolutions. The head returns logits: use a loss with
    `from_logits=True`.

    Small images: so that no convolution works on less than 2x2 pixels, the stem's convolution has
    stride 1 below 33x33, its pooling is left out below 17x17, and the second stage has stride 1
    below 9x9. Odd sides are rounded up.

    Args:
        input_shape: (height, width, channels), height and width at least 8.
        classes: number of logits, at least 1.
        norm: `"group"` (the paper's layer normalisation), `"batch"` (the original), `"weight"` (of
            the kernels instead) or `None`, with which activations grow from block to block.
        dropout: rate of the dropout before the head, in [0, 1).
        weight_decay: L2 penalty on the kernels, added to the loss: `weight_decay * sum(w**2)`.
        kernel_initializer: initializer of all kernels. An instance with a fixed seed gives layers
            of one shape the same kernel.
        name: name of the model.

    Returns:
        A `keras.Model`. Layers: `stem_conv`, `stem_norm`, `stem_relu` and `stem_pool`, part of
        block 1; for k = 1 .. 16 `block<k>_shortcut_conv` and `block<k>_shortcut_norm` (where a
        stage begins), `block<k>_<i>_conv`, `block<k>_<i>_norm`, `block<k>_<i>_relu` for i = 1, 2,
        `block<k>_3_conv`, `block<k>_3_norm`, `block<k>_add` and `block<k>_out` (the ReLU);
        `average`, `dropout` (where the rate is not 0) and `head`.

    Raises:
        ValueError: if `norm` is unknown or the input is not an image of at least 8x8.

    Example:
        >>> model = keras_reinit.backbones.resnet50((32, 32, 3), classes=10, norm="batch")

    Reference:
        He et al. 2016, Table 1; Alabdulmohsin et al. 2021, Appendix B.
    """
    check_classifier("resnet50", input_shape, 8, classes, dropout)
    factory = LayerFactory(norm, weight_decay, kernel_initializer)
    inputs = keras.Input(input_shape, name="input")
    stem, pool, *later_stages = strides(input_shape, steps=5)
    x = relu(factory.convolution(inputs, "stem", 64, size=7, strides=stem), "stem_relu")
    if pool > 1:
        x = keras.layers.MaxPooling2D(3, strides=pool, padding="same", name="stem_pool")(x)
    for block in residual_blocks(_STAGES, (1, *later_stages)):
        x = _bottleneck(factory, x, *block)
    x = keras.layers.GlobalAveragePooling2D(name="average")(x)
    return keras.Model(inputs, factory.head(x, classes, dropout), name=name)


def _bottleneck(factory, x, name, filters, stride, widen):
    shortcut = x
    if widen:
        shortcut = factory.convolution(x, f"{name}_shortcut", 4 * filters, size=1, strides=stride)
    x = relu(factory.convolution(x, f"{name}_1", filters, size=1, strides=stride), f"{name}_1_relu")
    x = relu(factory.convolution(x, f"{name}_2", filters), f"{name}_2_relu")
    x = factory.convolution(x, f"{name}_3", 4 * filters, size=1)
    return relu(keras.layers.Add(name=f"{name}_add")([shortcut, x]), f"{name}_out")
