"""What the convolutional networks share: their layers, their head, their way with small images."""

import keras

from keras_reinit.backbones.normalization import normalization


class Units:
    """Adds layers to a network, all with one normalisation, initializer and weight decay.

    Args:
        norm: normalisation after every convolution and hidden dense layer: `"group"`, `"batch"` or
            `None`.
        weight_decay: L2 penalty on the kernels.
        kernel_initializer: initializer of all kernels.
        use_bias: whether convolutions have a bias.
    """

    def __init__(self, norm, weight_decay, kernel_initializer, use_bias=True):
        self._norm = norm
        self._initializer = kernel_initializer
        self._regularizer = keras.regularizers.L2(weight_decay) if weight_decay else None
        self._use_bias = use_bias

    def convolution(self, x, name, filters, size=3, strides=1):
        """Convolution `<name>_conv` and normalisation `<name>_norm`."""
        layer = keras.layers.Conv2D(
            filters,
            size,
            strides=strides,
            padding="same",
            use_bias=self._use_bias,
            name=f"{name}_conv",
            **self._kernel_options(),
        )
        return self._normalized(layer(x), name)

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
        return self._normalized(layer(x), name)

    def dense(self, x, name, units):
        """Dense layer `<name>`, normalisation `<name>_norm` and ReLU `<name>_relu`."""
        x = keras.layers.Dense(units, name=name, **self._kernel_options())(x)
        return relu(self._normalized(x, name), f"{name}_relu")

    def head(self, x, classes, dropout):
        """Layer `dropout`, where the rate is not 0, and logits `head`."""
        if dropout:
            x = keras.layers.Dropout(dropout, name="dropout")(x)
        return keras.layers.Dense(classes, name="head", **self._kernel_options())(x)

    def _kernel_options(self):
        return {"kernel_initializer": self._initializer, "kernel_regularizer": self._regularizer}

    def _normalized(self, x, name):
        layer = normalization(self._norm, f"{name}_norm")
        return x if layer is None else layer(x)


def relu(x, name):
    """ReLU with a name: `relu(x, "block1_out")` ends a block."""
    return keras.layers.Activation("relu", name=name)(x)


def require_images(network, input_shape, least):
    """Raises a ValueError unless the shape is that of images of at least `least` pixels a side."""
    sides = tuple(input_shape[:2])
    if len(input_shape) != 3 or None in input_shape or min(sides) < least:
        raise ValueError(
            f"{network} needs images. Received: input_shape={input_shape}. "
            f"Expected (height, width, channels) with height and width of at least {least}."
        )


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
