"""Weight-normalised networks, small enough for a test, of the shapes that the paper uses."""

import keras
from keras import layers

from keras_reinit.layers import WeightNormalization


def dense(units, name, activation=None):
    return WeightNormalization(layers.Dense(units, activation, name=name))


def conv(filters, name, size=1, **options):
    options = {"padding": "same", **options}
    return WeightNormalization(layers.Conv2D(filters, size, name=name, **options))


def mlp(widths, inputs=500, head=None):
    """Weight-normalised dense layers with ReLU, in two layers each."""
    x = tensor = keras.Input((inputs,))
    for k, units in enumerate(widths, start=1):
        x = layers.ReLU()(dense(units, f"dense{k}")(x))
    return keras.Model(tensor, layers.Dense(head, name="head")(x) if head else x)


def block(x, filters, name, strides=1, shortcut=False, size=1):
    """`conv2(relu(conv1(x))) + shortcut(x)`."""
    y = conv(filters, f"{name}_conv1", size, strides=strides)(x)
    y = conv(filters, f"{name}_conv2", size)(layers.ReLU(name=f"{name}_relu")(y))
    if shortcut:
        x = conv(filters, f"{name}_shortcut", strides=strides)(x)
    return layers.Add(name=f"{name}_add")([x, y])


def resnet(widths=(4, 6), blocks=3, stem=4, size=1, image=(4, 4, 3), strides=2, first=True):
    """A stem, stages of residual blocks, average pooling, and a head without normalisation."""
    inputs = keras.Input(image)
    x = conv(stem, "stem", size)(inputs)
    for k, filters in enumerate(widths, start=1):
        for b in range(1, blocks + 1):
            step, widen = (strides if k > 1 else 1, k > 1 or first) if b == 1 else (1, False)
            x = block(x, filters, f"stage{k}_block{b}", step, widen, size)
    x = layers.GlobalAveragePooling2D(name="average")(x)
    return keras.Model(inputs, layers.Dense(3, name="head")(x))
