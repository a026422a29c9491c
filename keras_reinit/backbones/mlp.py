"""Multilayer perceptron."""

import keras

from keras_reinit.backbones.layer_factory import connected
from keras_reinit.backbones.normalization import NORMS, normalization, weight_normalized
from keras_reinit.core import check_bool, check_choice, check_int


def mlp(
    input_shape,
    classes,
    hidden=(32, 32),
    activation="relu",
    kernel_initializer="glorot_uniform",
    use_bias=True,
    norm=None,
    name="mlp",
):
    """Multilayer perceptron; every hidden layer is one block.

    `h_k = activation(norm(W_k h_(k-1) + b_k))` with `h_0 = x`, and `logits = W h_K + b`.

    Biases start at zero. The head returns logits: use a loss with `from_logits=True`.

    Args:
        input_shape: shape of one example; anything but a vector is flattened.
        classes: number of logits, at least 1.
        hidden: units of each hidden layer, from input to output. Without any, `hidden=()`, the
            network is multinomial logistic regression and has no block.
        activation: activation of the hidden layers.
        kernel_initializer: initializer of all kernels. An instance with a fixed seed gives layers
            of one shape the same kernel.
        use_bias: whether the layers, the head too, have a bias. A ReLU network without one decides
            the same when all its weights shrink.
        norm: normalisation in the hidden layers: `"weight"` (of their kernels), `"batch"`,
            `"group"` (layer normalisation) or `None`.
        name: name of the model.

    Returns:
        A `keras.Model`. Layers: `block<k>_dense`, `block<k>_norm` (where `norm` is `"batch"` or
        `"group"`) and `block<k>_out` (the activation) for k = 1 .. `len(hidden)`, then `head`.

    Raises:
        ValueError: if `norm` is unknown, or Keras cannot go through so many layers.

    Example:
        >>> model = keras_reinit.backbones.mlp((128,), classes=8)
        >>> logistic_regression = keras_reinit.backbones.mlp((32, 32, 3), classes=10, hidden=())
        >>> deep = keras_reinit.backbones.mlp((784,), 10, hidden=(500,) * 200, norm="weight")

    Reference:
        Alabdulmohsin et al. 2021, Section 1.1 (the default sizes); Ash & Adams 2020, Table 1 (two
        hidden layers of 100, tanh) and Proposition 1 (without biases); Arpit et al. 2019 (deep and
        weight-normalised).
    """
    classes, use_bias = check_int("classes", classes), check_bool("use_bias", use_bias)
    if not isinstance(input_shape, list | tuple) or not input_shape:
        raise ValueError(f"Received: input_shape={input_shape!r}. Expected a tuple, such as (20,)")
    if not isinstance(hidden, list | tuple):
        raise ValueError(f"Received: hidden={hidden!r}. Expected the units of layers: (32, 32)")
    hidden = [check_int("hidden", units) for units in hidden]
    check_choice("norm", norm, NORMS)
    inputs = keras.Input(input_shape, name="input")
    x = inputs if len(input_shape) == 1 else keras.layers.Flatten(name="flatten")(inputs)
    options = {"kernel_initializer": kernel_initializer, "use_bias": use_bias}
    for k, units in enumerate(hidden, start=1):
        x = weight_normalized(keras.layers.Dense(units, name=f"block{k}_dense", **options), norm)(x)
        normalize = normalization(norm, f"block{k}_norm")
        x = x if normalize is None else normalize(x)
        x = keras.layers.Activation(activation, name=f"block{k}_out")(x)
    outputs = keras.layers.Dense(classes, name="head", **options)(x)
    return connected(inputs, outputs, name)
