"""ResNets of any depth for small images: 56, 110, 164 layers, or ten thousand."""

import keras

from keras_reinit.backbones.layer_factory import (
    LayerFactory,
    check_classifier,
    connected,
    relu,
    repetitions,
    residual_blocks,
    scaled,
    strides,
)
from keras_reinit.backbones.residual import basic, linear
from keras_reinit.core import check_int
from keras_reinit.layers import Recomputed

_FILTERS = (16, 32, 64)  # of each stage


def cifar_resnet(
    input_shape,
    classes,
    norm="weight",
    dropout=0.0,
    weight_decay=0.0,
    kernel_initializer="he_normal",
    depth=56,
    width=1.0,
    recompute=None,
    name="cifar_resnet",
):
    """ResNet for CIFAR: a stem, three stages of `n` basic blocks, global average pooling, the head.

    `conv 16, n blocks of 16, n of 32 / 2, n of 64 / 2, average, dropout, head`, `depth = 6 n + 2`,
    where a block is `shortcut(x) + conv3x3(relu(conv3x3(x)))` with `norm="weight"`, without any
    other ReLU, and else `relu(shortcut(x) + norm(conv3x3(relu(norm(conv3x3(x))))))`, with one after
    the stem too

    The shortcut is a 1x1 convolution where the second and third stage begin, else the identity.
    Convolutions have a bias only where no normalisation follows. Where the stride is 2 the image is
    padded by one pixel on each side, so that both branches look at the same pixels. The head
    returns logits: use a loss with `from_logits=True`.

    A network that is too deep for the memory is trained with `recompute`: the backward pass then
    keeps the activations at the ends of parts of so many blocks, and makes those inside a part anew
    (see `keras_reinit.layers.Recomputed`), for about a third more computation. The least memory is
    needed with the root of the number of blocks. From some hundreds of blocks on Keras can build no
    network without. `ReinitModel` lays the parts open, and keeps every activation again.

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
        depth: number of layers on the way through the network, 6 n + 2.
        width: multiplier of the filters of all convolutions, above 0.
        recompute: None, or the number of blocks whose activations are recomputed together; not
            with `norm="batch"`, whose statistics would move twice.
        name: name of the model.

    Returns:
        A `keras.Model`. Layers: `stem_conv`, `stem_norm` and `stem_relu`, part of block 1; for
        k = 1 .. 3 n `block<k>_shortcut_conv` (where a later stage begins), `block<k>_1_pad` (where
        the stride is 2), `block<k>_1_conv`, `block<k>_1_relu`, `block<k>_2_conv` and `block<k>_out`
        (the addition); with another norm also `block<k>_1_norm`, `block<k>_2_norm`,
        `block<k>_shortcut_norm` and `block<k>_add`, and `block<k>_out` is the ReLU; `average`,
        `dropout` (where the rate is not 0) and `head`. With `recompute` blocks lie in models
        `part<i>`.

    Raises:
        ValueError: if `norm` is unknown, `depth` is not 6 n + 2 or too large without `recompute`,
            `width` leaves a convolution without filters, `recompute` is below 1 or goes with
            batch normalisation, or the input is not an image of at least 8x8.

    Example:
        >>> model = keras_reinit.backbones.cifar_resnet((32, 32, 3), classes=10, depth=110)
        >>> keras_reinit.initialize(model, "arpit", stem=2, seed=0)

    Reference:
        He et al. 2016, "Deep Residual Learning", Section 4.2; Arpit et al. 2019 (6 n + 2 layers,
        also 164, and up to 10,000).
    """
    check_classifier("cifar_resnet", input_shape, 8, classes, dropout)
    n = repetitions("cifar_resnet", depth, others=2, of=6)
    factory = LayerFactory(norm, weight_decay, kernel_initializer, use_bias=None, momentum=0.9)
    stages = [(scaled(width, filters), n) for filters in _FILTERS]
    inputs = keras.Input(input_shape, name="input")
    x = factory.convolution(inputs, "stem", stages[0][0])
    if norm != "weight":
        x = relu(x, "stem_relu")
    blocks = list(residual_blocks(stages, (1, *strides(input_shape, steps=2))))
    for part, inside in enumerate(_parts(blocks, recompute), start=1):
        start = x if recompute is None else keras.Input(x.shape[1:], dtype=x.dtype)
        end = start
        for prefix, filters, stride, _ in inside:
            end = (linear if norm == "weight" else basic)(factory, end, prefix, filters, stride)
        x = end if recompute is None else Recomputed(start, end, name=f"part{part}")(x)
    x = keras.layers.GlobalAveragePooling2D(name="average")(x)
    return connected(inputs, factory.head(x, classes, dropout), name)


def _parts(blocks, length):
    if length is None:
        return [blocks]
    length = check_int("recompute", length)
    return [blocks[start : start + length] for start in range(0, len(blocks), length)]
