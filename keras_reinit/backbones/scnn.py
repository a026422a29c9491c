"""The simplified convolutional network of Alabdulmohsin et al."""

import keras

from keras_reinit.backbones.layer_factory import LayerFactory, check_classifier, relu


def scnn(
    input_shape,
    classes,
    norm="group",
    dropout=0.0,
    weight_decay=1e-5,
    kernel_initializer="he_normal",
    name="scnn",
):
    """Simplified CNN: four convolutional blocks, a dense layer and the head.

    `conv 32, conv 32, pool, conv 64, conv 64, pool, dense 512, dropout, head`

    Every convolution (3x3, the paper names no size) and the dense layer are followed by a
    normalisation and a ReLU. The head returns logits: use a loss with `from_logits=True`.

    Args:
        input_shape: (height, width, channels), height and width at least 4.
        classes: number of logits, at least 1.
        norm: `"group"` (the paper's layer normalisation), `"batch"`, `"weight"` (of the kernels
            instead) or `None`.
        dropout: rate of the dropout before the head, in [0, 1).
        weight_decay: L2 penalty on the kernels, added to the loss: `weight_decay * sum(w**2)`.
        kernel_initializer: initializer of all kernels. An instance with a fixed seed gives layers
            of one shape the same kernel.
        name: name of the model.

    Returns:
        A `keras.Model`. Layers: `block<k>_conv`, `block<k>_norm`, `block<k>_out` (the ReLU) for
        k = 1 .. 4, `block<k>_pool` after blocks 2 and 4, `flatten`, `dense`, `dense_norm`,
        `dense_relu`, `dropout` (where the rate is not 0) and `head`.

    Raises:
        ValueError: if `norm` is unknown or the input is not an image of at least 4x4.

    Example:
        >>> model = keras_reinit.backbones.scnn((32, 32, 3), classes=10, dropout=0.25)

    Reference:
        Alabdulmohsin et al. 2021, Appendix B.
    """
    check_classifier("scnn", input_shape, 4, classes, dropout)
    factory = LayerFactory(norm, weight_decay, kernel_initializer)
    inputs = keras.Input(input_shape, name="input")
    x = inputs
    for k, filters in enumerate((32, 32, 64, 64), start=1):
        x = relu(factory.convolution(x, f"block{k}", filters), f"block{k}_out")
        if k % 2 == 0:
            x = keras.layers.MaxPooling2D(name=f"block{k}_pool")(x)
    x = keras.layers.Flatten(name="flatten")(x)
    x = factory.dense(x, "dense", 512)
    return keras.Model(inputs, factory.head(x, classes, dropout), name=name)
