"""What the convolutional networks share: their layers, their head, their way with small images."""

import itertools
import sys

import keras

from keras_reinit.backbones.normalization import NORMS, normalization, weight_normalized
from keras_reinit.core import check_choice, check_int, check_number


class LayerFactory:
    """Adds layers to a network, all with one normalisation, initializer and weight decay.

    Args:
        norm: normalisation after every convolution and hidden dense layer: `"group"`, `"batch"`,
            `"weight"` (of their kernels instead) or `None`.
        weight_decay: L2 penalty on the kernels.
        kernel_initializer: initializer of all kernels.
        use_bias: whether convolutions have a bias; None for where nothing after them normalises.
        momentum: of the moving statistics of batch normalisation.
    """

    def __init__(self, norm, weight_decay, kernel_initializer, use_bias=True, momentum=0.99):
        check_choice("norm", norm, NORMS)
        check_number("weight_decay", weight_decay)
        self._norm = norm
        self._initializer = kernel_initializer
        self._regularizer = keras.regularizers.L2(weight_decay) if weight_decay else None
        self._use_bias = norm in (None, "weight") if use_bias is None else use_bias
        self._momentum = momentum

    def convolution(self, x, name, filters, size=3, strides=1):
        """Convolution `<name>_conv` and normalisation `<name>_norm`."""
        return self.normalized(self.bare_convolution(x, name, filters, size, strides), name)

    def bare_convolution(self, x, name, filters, size=3, strides=1, padding="same"):
        """Convolution `<name>_conv`."""
        layer = keras.layers.Conv2D(
            filters,
            size,
            strides=strides,
            padding=padding,
            use_bias=self._use_bias,
            name=f"{name}_conv",
            **self._kernel_options(),
        )
        return weight_normalized(layer, self._norm)(x)

    def depthwise(self, x, name, strides=1):
        """Depthwise 3x3 convolution `<name>_conv` and normalisation `<name>_norm`."""
        layer = keras.layers.DepthwiseConv2D(
            3,
            strides=strides,
            padding="same",
            use_bias=self._use_bias,
            name=f"{name}_conv",
            depthwise_initializer=self._initializer,
            depthwise_regularizer=self._regularizer,
        )
        return self.normalized(weight_normalized(layer, self._norm)(x), name)

    def dense(self, x, name, units):
        """Dense layer `<name>`, normalisation `<name>_norm` and ReLU `<name>_relu`."""
        layer = keras.layers.Dense(units, name=name, **self._kernel_options())
        x = weight_normalized(layer, self._norm)(x)
        return relu(self.normalized(x, name), f"{name}_relu")

    def head(self, x, classes, dropout):
        """Layer `dropout`, where the rate is not 0, and logits `head`."""
        if dropout:
            x = keras.layers.Dropout(dropout, name="dropout")(x)
        return keras.layers.Dense(int(classes), name="head", **self._kernel_options())(x)

    def normalized(self, x, name):
        """Normalisation `<name>_norm`, where there is one."""
        layer = normalization(self._norm, f"{name}_norm", self._momentum)
        return x if layer is None else layer(x)

    def _kernel_options(self):
        return {"kernel_initializer": self._initializer, "kernel_regularizer": self._regularizer}


def relu(x, name):
    """ReLU with a name: `relu(x, "block1_out")` ends a block."""
    return keras.layers.Activation("relu", name=name)(x)


def connected(inputs, outputs, name):
    """The model between inputs and outputs, or a ValueError where it is too deep for Keras."""
    try:
        return keras.Model(inputs, outputs, name=name)
    except RecursionError:
        raise ValueError(
            f"{name} has more layers in a row than Keras can follow, one Python call in the other. "
            f"Received: a recursion limit of {sys.getrecursionlimit()}. Expected a higher one, by "
            "sys.setrecursionlimit, or parts that are models of their own"
        ) from None


def check_classifier(network, input_shape, least, classes, dropout=0.0):
    """Refuse what no classifier of images has.

    Args:
        network: name of the network, for the message.
        input_shape: (height, width, channels).
        least: pixels of a side, at least.
        classes: int, at least 1.
        dropout: rate in [0, 1).

    Raises:
        ValueError: if an argument is out of its range.
    """
    check_int("classes", classes)
    check_number("dropout", dropout, below=1)
    is_shape = isinstance(input_shape, list | tuple) and len(input_shape) == 3
    if not is_shape or None in input_shape or min(input_shape[:2]) < least:
        raise ValueError(
            f"{network} needs images. Received: input_shape={input_shape}. "
            f"Expected (height, width, channels) with height and width of at least {least}."
        )


def scaled(width, filters):
    """The filters of a network of another width, at least one."""
    narrow = round(check_number("width", width, above=0) * filters)
    if narrow < 1:
        raise ValueError(f"Too narrow. Received: width={width}. Expected e.g. 0.25, 0.5 or 1.")
    return narrow


def repetitions(network, depth, others, of):
    """How often a group of layers is repeated in a network of so many layers.

    Args:
        network: name of the network, for the message.
        depth: number of layers in all.
        others: layers outside of the groups.
        of: layers that one repetition adds.

    Returns:
        An int of at least 1.

    Raises:
        ValueError: if there is no such number.
    """
    times, rest = divmod(check_int("depth", depth) - others, of)
    if rest or times < 1:
        above = max(times, 1) * of + others
        raise ValueError(
            f"{network} has {of} n + {others} layers. Received: depth={depth}. Expected e.g. "
            f"{above} or {above + of}."
        )
    return times


def residual_blocks(stages, strides):
    """The blocks of a residual network, from input to output.

    Args:
        stages: (filters, number of blocks) of each stage.
        strides: stride of each stage, which is that of its first block.

    Yields:
        The prefix of a block's layers, `block<k>`, its filters, its stride, and whether it is the
        first of its stage.
    """
    numbers = itertools.count(1)
    for (filters, blocks), stride in zip(stages, strides, strict=True):
        for i in range(blocks):
            yield f"block{next(numbers)}", filters, stride if i == 0 else 1, i == 0


def strides(input_shape, steps):
    """The strides of a network's down-sampling steps; on small images the first steps are skipped.

    As many steps as leave feature maps of at least 2x2 are kept: on a map of one pixel a 3x3 kernel
    would use and train its centre only.

    Args:
        input_shape: (height, width, channels), height and width at least 2.
        steps: number of steps in the network for large images.

    Returns:
        A tuple with 1 (skipped) or 2 for each step, from input to output.
    """
    affordable = (min(input_shape[:2]) - 1).bit_length() - 1  # a step leaves ceil(side / 2)
    kept = min(steps, affordable)
    return (1,) * (steps - kept) + (2,) * kept
