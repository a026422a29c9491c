"""A part of a network that forgets its activations and makes them anew when they are needed."""

import keras

from keras_reinit.keras_private import all_layers


@keras.saving.register_keras_serializable(package="keras_reinit")
class Recomputed(keras.Model):
    """A Functional model whose activations are recomputed in the backward pass.

    Of a network of `n` such parts of `m` layers each, a training step keeps the activations of
    `n + m` layers instead of `n * m`, and runs each part forward twice. Values and gradients are
    those of the same layers without it. On a CPU TensorFlow needs more than one inter-op thread
    (its default) for that: with a single one it puts gradients of weights off, and saves little.

    This is `keras.remat`, which TensorFlow, JAX and PyTorch all have, around a whole model:
    `keras.RematScope` works layer by layer, which saves little, and is forgotten by a saved model.
    TensorFlow does not differentiate twice what is recomputed.

    Operations that lay nested models open, such as `keras_reinit.initialize`, find the layers
    inside. `ReinitModel` builds a network of them that keeps all activations again.

    Args:
        inputs: as `keras.Model`, of one tensor.
        outputs: as `keras.Model`, of one tensor.
        name: name of the model.

    Raises:
        ValueError: if a layer inside changes a state when it is called, such as a batch
            normalisation or a dropout: its second run would be another one.

    Example:
        >>> inputs = keras.Input((8,))
        >>> x = keras.layers.Dense(8, "relu")(keras.layers.Dense(8, "relu")(inputs))
        >>> part = Recomputed(inputs, x)

    Reference:
        Chen et al. 2016, "Training Deep Nets with Sublinear Memory Cost".
    """

    def __init__(self, inputs, outputs, name=None, **kwargs):
        super().__init__(inputs=inputs, outputs=outputs, name=name, **kwargs)
        changing = [layer.name for layer in all_layers(self) if _changes_when_called(layer)]
        if changing:
            raise ValueError(
                "Layers that change a state when they are called cannot be run twice. Received: "
                f"{changing}. Expected neither batch normalisation nor random layers"
            )

    def call(self, inputs, training=None, mask=None):
        call = super().call

        def run(inputs):  # TensorFlow wants a function with a name
            return call(inputs, training=training, mask=mask)

        return keras.remat(run)(inputs)


def _changes_when_called(layer):
    if isinstance(layer, keras.Model):  # made of the layers inside
        return False
    has_seeds = len(layer.variables) > len(layer.weights)
    return has_seeds or isinstance(layer, keras.layers.BatchNormalization)
