"""Residual blocks of two 3x3 convolutions, in the three forms that the papers use.

In each the shortcut is a 1x1 convolution where the block changes the shape, else the identity. A
stride of 2 is that of the first convolution, around which the image is padded by one pixel on each
side, so that it looks at the same pixels as the shortcut.
"""

import keras

from keras_reinit.backbones.layer_factory import relu


def basic(factory, x, name, filters, stride):
    """`relu(shortcut(x) + conv(relu(conv(x))))`, each convolution with its normalisation.

    Layers: `<name>_shortcut_conv` and `<name>_shortcut_norm` (where the shape changes),
    `<name>_1_pad` (where the stride is 2), `<name>_1_conv`, `<name>_1_norm`, `<name>_1_relu`,
    `<name>_2_conv`, `<name>_2_norm`, `<name>_add` and `<name>_out` (the ReLU).
    """
    shortcut = x
    if _changes_shape(x, filters, stride):
        shortcut = factory.convolution(x, f"{name}_shortcut", filters, size=1, strides=stride)
    x = factory.normalized(
        _first_convolution(factory, x, f"{name}_1", filters, stride), f"{name}_1"
    )
    x = factory.convolution(relu(x, f"{name}_1_relu"), f"{name}_2", filters)
    return relu(keras.layers.Add(name=f"{name}_add")([shortcut, x]), f"{name}_out")


def linear(factory, x, name, filters, stride=1):
    """`shortcut(x) + conv(relu(conv(x)))`, for convolutions whose kernels are normalised.

    Layers: `<name>_shortcut_conv` (where the shape changes), `<name>_1_pad` (where the stride is
    2), `<name>_1_conv`, `<name>_1_relu`, `<name>_2_conv` and `<name>_out` (the addition).
    """
    shortcut = x
    if _changes_shape(x, filters, stride):
        shortcut = factory.bare_convolution(x, f"{name}_shortcut", filters, size=1, strides=stride)
    x = _first_convolution(factory, x, f"{name}_1", filters, stride)
    x = factory.bare_convolution(relu(x, f"{name}_1_relu"), f"{name}_2", filters)
    return keras.layers.Add(name=f"{name}_out")([shortcut, x])


def preactivated(factory, x, blocks):
    """Blocks `shortcut(x) + conv(relu(norm(conv(relu(norm(x))))))`, then `relu(norm(x))`.

    The shortcut of a stage's first block starts after that block's first ReLU.

    Args:
        factory: the network's `LayerFactory`.
        x: a tensor.
        blocks: as `residual_blocks` yields them.

    Returns:
        A tensor. Layers: `<name>_1_norm`, `<name>_1_relu`, `<name>_shortcut_conv` (where the shape
        changes), `<name>_1_pad` (where the stride is 2), `<name>_1_conv`, `<name>_2_norm`,
        `<name>_2_relu`, `<name>_2_conv` and `<name>_out` (the addition), but for the last block
        `<name>_add`, `<name>_norm` and `<name>_out` (the ReLU).
    """
    *blocks, last = blocks
    for block in blocks:
        x = keras.layers.Add(name=f"{block[0]}_out")(_preactivated_terms(factory, x, *block))
    x = keras.layers.Add(name=f"{last[0]}_add")(_preactivated_terms(factory, x, *last))
    return relu(factory.normalized(x, last[0]), f"{last[0]}_out")


def _preactivated_terms(factory, x, name, filters, stride, begins_stage):
    """The two terms of a block's sum."""
    shortcut, x = x, relu(factory.normalized(x, f"{name}_1"), f"{name}_1_relu")
    if begins_stage:
        shortcut = x
    if _changes_shape(x, filters, stride):
        shortcut = factory.bare_convolution(x, f"{name}_shortcut", filters, size=1, strides=stride)
    x = _first_convolution(factory, x, f"{name}_1", filters, stride)
    x = relu(factory.normalized(x, f"{name}_2"), f"{name}_2_relu")
    return [shortcut, factory.bare_convolution(x, f"{name}_2", filters)]


def _changes_shape(x, filters, stride):
    return stride > 1 or x.shape[-1] != filters


def _first_convolution(factory, x, name, filters, stride):
    """A 3x3 convolution centered on the pixels that a 1x1 convolution of the same stride takes."""
    if stride == 1:
        return factory.bare_convolution(x, name, filters)
    x = keras.layers.ZeroPadding2D(1, name=f"{name}_pad")(x)
    return factory.bare_convolution(x, name, filters, strides=stride, padding="valid")
