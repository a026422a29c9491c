"""The deep residual network of IMPALA, for reinforcement learning from images."""

import keras

from keras_reinit.backbones.layer_factory import (
    LayerFactory,
    check_classifier,
    connected,
    relu,
    repetitions,
    scaled,
)
from keras_reinit.backbones.residual import linear

_FILTERS, _HIDDEN = (16, 32, 32), 256  # of each section; units of the dense layer


def impala(
    input_shape,
    classes,
    norm="weight",
    weight_decay=0.0,
    kernel_initializer="he_normal",
    depth=100,
    width=1.0,
    name="impala",
):
    """IMPALA's residual network: three sections of `n` blocks, a dense layer, policy and value.

    `[conv f, pool3x3 / 2, n blocks of f] for f = 16, 32, 32, flatten, relu(dense 256)`, then
    `head` and `value`, `depth = 6 n + 4`, where a block is `x + conv3x3(relu(conv3x3(x)))` with
    `norm="weight"`, without any other ReLU, and else `x + conv3x3(relu(conv3x3(relu(x))))` with
    `relu(.)` after the last one

    There is no recurrent layer. The head returns logits: use a loss with `from_logits=True`.

    Args:
        input_shape: (height, width, channels) of frames, height and width at least 8; the last
            few frames of a game are the channels.
        classes: number of actions, at least 1.
        norm: `"weight"` (of the kernels), `None` (the original), or `"batch"` or `"group"`, which
            then follow every convolution and the dense layer.
        weight_decay: L2 penalty on the kernels, added to the loss: `weight_decay * sum(w**2)`. That
            on a normalised kernel, which acts on the length of `v`, changes nothing but the step.
        kernel_initializer: initializer of all kernels. An instance with a fixed seed gives layers
            of one shape the same kernel.
        depth: number of layers on the way to the heads, 6 n + 4: 16 is the original, which has
            fifteen convolutions and the dense layer.
        width: multiplier of filters and of the units of the dense layer, above 0.
        name: name of the model.

    Returns:
        A `keras.Model` with two outputs, logits of the actions (n, classes) and the state's value
        (n, 1). Layers: `section<s>_conv` and `section<s>_pool` for s = 1 .. 3, part of the block
        that follows; `block<k>_1_conv`, `block<k>_1_relu`, `block<k>_2_conv` and `block<k>_out`
        (the addition) for k = 1 .. 3 n, without weight normalisation also `block<k>_relu`;
        `features` (a ReLU, without weight normalisation), `flatten`, `dense`, `dense_relu`, `head`
        and `value`. Other norms are layers `<...>_norm` after those that they normalise.

    Raises:
        ValueError: if `norm` is unknown, `depth` is not 6 n + 4, `width` leaves a layer without
            factory, or the input is not an image of at least 8x8.

    Example:
        >>> model = keras_reinit.backbones.impala((84, 84, 4), classes=6, depth=100)
        >>> keras_reinit.initialize(model, "arpit", seed=0)

    Reference:
        Espeholt et al. 2018, Figure 3 (right, without its recurrent layer); Arpit et al. 2019 (100
        layers).
    """
    check_classifier("impala", input_shape, 8, classes)
    n = repetitions("impala", depth, others=4, of=6)
    factory = LayerFactory(norm, weight_decay, kernel_initializer, use_bias=None, momentum=0.9)
    block = linear if norm == "weight" else _rectified
    inputs = x = keras.Input(input_shape, name="input")
    for section, filters in enumerate(_FILTERS):
        filters = scaled(width, filters)
        x = factory.convolution(x, f"section{section + 1}", filters)
        pool = keras.layers.MaxPooling2D(3, 2, "same", name=f"section{section + 1}_pool")
        x = pool(x)
        for k in range(section * n + 1, (section + 1) * n + 1):
            x = block(factory, x, f"block{k}", filters)
    if norm != "weight":
        x = relu(x, "features")
    x = keras.layers.Flatten(name="flatten")(x)
    x = factory.dense(x, "dense", scaled(width, _HIDDEN))
    value = keras.layers.Dense(1, kernel_initializer=kernel_initializer, name="value")(x)
    return connected(inputs, [factory.head(x, classes, dropout=0.0), value], name)


def _rectified(factory, x, name, filters):
    """`x + conv(relu(conv(relu(x))))`."""
    y = factory.convolution(relu(x, f"{name}_relu"), f"{name}_1", filters)
    y = factory.convolution(relu(y, f"{name}_1_relu"), f"{name}_2", filters)
    return keras.layers.Add(name=f"{name}_out")([x, y])
