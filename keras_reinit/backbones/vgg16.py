"""VGG16 with normalisation, for images from 8x8 up."""

import math

import keras

from keras_reinit.backbones.layer_factory import (
    LayerFactory,
    check_classifier,
    relu,
    scaled,
    strides,
)
from keras_reinit.core import check_int

_STAGES = ((64, 64), (128, 128), (256, 256, 256), (512, 512, 512), (512, 512, 512))


def vgg16(
    input_shape,
    classes,
    norm="group",
    dropout=0.0,
    weight_decay=1e-5,
    kernel_initializer="he_normal",
    dense=None,
    width=1.0,
    name="vgg16",
):
    """VGG16: thirteen convolutional blocks in five stages, two dense layers and the head.

    `(conv 64) x 2, pool, (conv 128) x 2, pool, (conv 256) x 3, pool, (conv 512) x 3, pool,
    (conv 512) x 3, pool, dense, dense, dropout, head`

    Every convolution (3x3) and dense layer is followed by a normalisation and a ReLU. The head
    returns logits: use a loss with `from_logits=True`.

    Small images: so that no convolution works on less than 2x2 pixels, the first pooling is left
    out below 17x17 and the second below 9x9. Pooling rounds odd sides up. Unless `dense` says
    otherwise, a dense layer is no wider than the features that the last pooling leaves: 512 units
    up to 32x32, 2048 up to 64x64, and the original's 4096 above.

    Args:
        input_shape: (height, width, channels), height and width at least 8.
        classes: number of logits, at least 1.
        norm: `"group"` (the paper's layer normalisation), `"batch"`, `"weight"` (of the kernels
            instead) or `None` (the original).
        dropout: rate of the dropout before the head, in [0, 1).
        weight_decay: L2 penalty on the kernels, added to the loss: `weight_decay * sum(w**2)`.
        kernel_initializer: initializer of all kernels. An instance with a fixed seed gives layers
            of one shape the same kernel.
        dense: units of each of the two dense layers, at least 1; `None` for 4096 or, if there are
            fewer, the number of features that come in.
        width: multiplier of the filters of all convolutions, above 0; 1 is the original. A quarter
            costs about a tenth of the time, for trials without an accelerator.
        name: name of the model.

    Returns:
        A `keras.Model`. Layers: `block<k>_conv`, `block<k>_norm`, `block<k>_out` (the ReLU) for
        k = 1 .. 13, `block<k>_pool` after blocks 2, 4, 7, 10 and 13, `flatten`, `dense<i>`,
        `dense<i>_norm`, `dense<i>_relu` for i = 1, 2, `dropout` (where the rate is not 0) and
        `head`.

    Raises:
        ValueError: if `norm` is unknown, `width` leaves a convolution without filters, or the input
            is not an image of at least 8x8.

    Example:
        >>> model = keras_reinit.backbones.vgg16((32, 32, 3), classes=10, dropout=0.25)

    Reference:
        Simonyan & Zisserman 2015, Table 1 (D); Alabdulmohsin et al. 2021, Appendix B.
    """
    check_classifier("vgg16", input_shape, 8, classes, dropout)
    factory = LayerFactory(norm, weight_decay, kernel_initializer)
    inputs = keras.Input(input_shape, name="input")
    x, k = inputs, 0
    # After the last pooling no convolution follows: it is always there.
    pools = (*strides(input_shape, steps=len(_STAGES) - 1), 2)
    for stage, pool in zip(_STAGES, pools, strict=True):
        for filters in stage:
            k += 1
            x = relu(factory.convolution(x, f"block{k}", scaled(width, filters)), f"block{k}_out")
        if pool > 1:
            x = keras.layers.MaxPooling2D(padding="same", name=f"block{k}_pool")(x)
    dense = min(4096, math.prod(x.shape[1:])) if dense is None else check_int("dense", dense)
    x = keras.layers.Flatten(name="flatten")(x)
    for i in (1, 2):
        x = factory.dense(x, f"dense{i}", dense)
    return keras.Model(inputs, factory.head(x, classes, dropout), name=name)
