"""The gradient of a model's compiled loss over data, on every backend of Keras."""

import types

import keras
from keras import ops

from keras_reinit.weights.snapshot import unchanged

_KEPT = "_keras_reinit_gradients"


def loss_gradients(model, batches, training=False):
    """The gradient of the compiled loss of each batch, in all trainable variables.

    `G_j = d model.compute_loss(batch_j) / dw`, with the penalties of regularizers.

    Nothing of the model is changed. One function is traced or compiled for each shape of a batch,
    and kept at the model for as long as its variables and its loss are the same.

    Args:
        model: a built and compiled `keras.Model`.
        batches: iterable of `(x, y)` or `(x, y, sample_weight)`: arrays, or structures of arrays.
        training: False for inference mode (no dropout, normalisations with their moving
            statistics), True for the mode of training.

    Yields:
        A list of arrays for each batch: one for each of `model.trainable_variables`, of its shape,
        float32 or wider; zeros where the loss does not depend on a variable.

    Raises:
        ValueError: if the model is not compiled or not built.

    Example:
        >>> gradients = next(loss_gradients(model, [(x_train[:256], y_train[:256])]))
    """
    if not (model.built and getattr(model, "compiled", False)):
        raise ValueError(f"Model '{model.name}' has to be built and compiled first")
    function = _function(model, training)
    for batch in batches:
        x, y, sample_weight = (*batch, None)[:3]
        with unchanged(model.non_trainable_variables if training else ()):
            gradients = function(*(_tensors(part) for part in (x, y, sample_weight)))
        yield gradients


def _tensors(structure):
    if structure is None:
        return None
    return keras.tree.map_structure(ops.convert_to_tensor, structure)


def _function(model, training):
    """The function of (x, y, sample_weight), which a model keeps."""
    purpose = (
        [id(v) for v in model.trainable_variables],
        id(model.loss),
        model.compute_loss,
        training,
    )
    kept = getattr(model, _KEPT, None)
    if kept is None or kept.purpose != purpose:
        makers = {"tensorflow": _of_tensorflow, "jax": _of_jax, "torch": _of_torch}
        maker = makers[keras.backend.backend()]
        kept = types.SimpleNamespace(purpose=purpose, function=maker(model, training))
        object.__setattr__(model, _KEPT, kept)  # not a part of the model that Keras would track
    return kept.function


def _loss(model, training, x, y, sample_weight):
    outputs = model(x, training=training)
    return model.compute_loss(x, y, outputs, sample_weight, training)


def _wide(gradient):
    return gradient if "float64" in str(gradient.dtype) else ops.cast(gradient, "float32")


def _of_tensorflow(model, training):
    import tensorflow as tf

    @tf.function(reduce_retracing=True)
    def gradients(x, y, sample_weight):
        weights = [variable.value for variable in model.trainable_variables]
        with tf.GradientTape(watch_accessed_variables=False) as tape:
            tape.watch(weights)
            loss = _loss(model, training, x, y, sample_weight)
        slopes = tape.gradient(loss, weights, unconnected_gradients="zero")
        return [_wide(tf.convert_to_tensor(slope)) for slope in slopes]  # an embedding's is sparse

    return gradients


def _of_jax(model, training):
    import jax

    def loss(weights, others, x, y, sample_weight):
        variables = [*model.trainable_variables, *model.non_trainable_variables]
        with keras.StatelessScope(zip(variables, [*weights, *others], strict=True)):
            return _loss(model, training, x, y, sample_weight)

    compiled = jax.jit(jax.grad(loss))

    def gradients(x, y, sample_weight):
        weights = [variable.value for variable in model.trainable_variables]
        others = [variable.value for variable in model.non_trainable_variables]
        return [*map(_wide, compiled(weights, others, x, y, sample_weight))]

    return gradients


def _of_torch(model, training):
    import torch

    def gradients(x, y, sample_weight):
        weights = [variable.value for variable in model.trainable_variables]
        with torch.enable_grad():
            loss = _loss(model, training, x, y, sample_weight)
            slopes = torch.autograd.grad(loss, weights, allow_unused=True)
        pairs = zip(slopes, weights, strict=True)
        return [_wide(ops.zeros_like(w) if g is None else g).detach() for g, w in pairs]

    return gradients
