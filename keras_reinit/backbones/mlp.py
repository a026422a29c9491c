"""Multilayer perceptron."""

import keras


def mlp(
    input_shape,
    classes,
    hidden=(32, 32),
    activation="relu",
    kernel_initializer="glorot_uniform",
    name="mlp",
):
    """Multilayer perceptron; every hidden layer is one block.

    `h_k = activation(W_k h_(k-1) + b_k)` with `h_0 = x`, and `logits = W h_K + b`.

    Biases start at zero. The head returns logits: use a loss with `from_logits=True`.

    Args:
        input_shape: shape of one example; anything but a vector is flattened.
        classes: number of logits, at least 1.
        hidden: units of each hidden layer, from input to output.
        activation: activation of the hidden layers.
        kernel_initializer: initializer of all kernels. An instance with a fixed seed gives layers
            of one shape the same kernel.
        name: name of the model.

    Returns:
        A `keras.Model`. Layers: `block<k>_dense` and `block<k>_out` (the activation) for
        k = 1 .. `len(hidden)`, then `head`.

    Example:
        >>> model = keras_reinit.backbones.mlp((128,), classes=8)

    Reference:
        Alabdulmohsin et al. 2021, Section 1.1 (the default sizes).
    """
    inputs = keras.Input(input_shape, name="input")
    x = inputs if len(input_shape) == 1 else keras.layers.Flatten(name="flatten")(inputs)
    for k, units in enumerate(hidden, start=1):
        x = keras.layers.Dense(
            units, kernel_initializer=kernel_initializer, name=f"block{k}_dense"
        )(x)
        x = keras.layers.Activation(activation, name=f"block{k}_out")(x)
    outputs = keras.layers.Dense(classes, kernel_initializer=kernel_initializer, name="head")(x)
    return keras.Model(inputs, outputs, name=name)
