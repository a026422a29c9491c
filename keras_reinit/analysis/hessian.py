"""The curvature of the loss at a network's weights."""

import math
import types
from typing import NamedTuple

import keras
import numpy as np

from keras_reinit.analysis.inference import (
    batches,
    check_labels,
    check_model,
    check_scores,
    examples,
    predict,
    take,
)
from keras_reinit.core import check_int, frobenius_norm, stream
from keras_reinit.keras_private import all_layers
from keras_reinit.layers import Recomputed
from keras_reinit.weights.snapshot import unchanged

_KEPT = "_keras_reinit_hessian"


class SpectralNorm(NamedTuple):
    """What power iteration found; the last iteration's is the result.

    Attributes:
        norm: largest absolute eigenvalue of the Hessian, a float; never more than the true one, but
            for rounding.
        log: its natural logarithm, a float; `-inf` for a norm of 0.
        history: the norm after each iteration, float64 of shape (iterations,). It grows, and is
            flat where it has converged.
    """

    norm: float
    log: float
    history: np.ndarray


def hessian_spectral_norm(model, x, y, iterations=40, batch_size=256, seed=0, from_logits=True):
    """Spectral norm of the Hessian of the mean cross-entropy in all trainable weights.

    `norm = ||H u||`, `u = H u / ||H u||`, so many times, with `u` random at first and
    `H u = mean_i(d^2 loss_i / dw^2 u)` a sum over batches

    The Hessian itself is never made: a product with it costs about two training steps, and the
    memory of one. The model runs in inference mode: dropout does nothing, and batch normalisation
    uses its moving statistics, which mean little before training. Penalties of regularizers are
    left out. The model is left as it was found.

    The Hessian is that in the variables as they are. Of a weight-normalised network these are `g`
    and `v`, and its curvature in `v` goes with `1 / ||v||^2`: compare networks whose `v` have one
    length, such as unit ones.

    Args:
        model: a built classifier with one output. Needs the TensorFlow backend.
        x: examples as an array, or a structure of arrays for several inputs.
        y: labels, ints of shape (n,).
        iterations: number of iterations, at least 1.
        batch_size: examples in one batch. The result does not depend on it.
        seed: int that names the first vector.
        from_logits: True where the model returns logits, as the backbones do, False where it
            returns probabilities.

    Returns:
        A `SpectralNorm(norm, log, history)`.

    Raises:
        TypeError: if `x` holds something else than arrays, or `seed` is not an int.
        ValueError: if there is no example or trainable weight, `iterations` is below 1, a label is
            none of the classes, an output or a product is not finite, the outputs are not what
            `from_logits` says, or a part of the model is `Recomputed`.
        NotImplementedError: on another backend than TensorFlow.

    Example:
        >>> hessian_spectral_norm(model, x_train[:5000], y_train[:5000]).log
        1.31

    Reference:
        Arpit et al. 2019 (40 iterations over a tenth of the training batches; the base of the
        logarithm is not given).
    """
    if keras.backend.backend() != "tensorflow":
        raise NotImplementedError(
            "Products with a Hessian need TensorFlow's gradient tapes. Received: backend "
            f"'{keras.backend.backend()}'. Expected KERAS_BACKEND=tensorflow"
        )
    iterations = check_int("iterations", iterations)
    check_model(model)
    weights = model.trainable_variables
    if not weights:
        raise ValueError(f"Model '{model.name}' has no trainable weight")
    if any(isinstance(layer, Recomputed) for layer in all_layers(model)):
        raise ValueError(
            f"Model '{model.name}' recomputes activations, and TensorFlow cannot differentiate "
            "that twice. Expected the same network without, given its weights: "
            "`plain.set_weights(model.get_weights())`"
        )
    vector = [
        keras.random.normal(
            weight.shape, dtype="float32", seed=stream(seed, "hessian", position=position)
        )
        for position, weight in enumerate(weights)
    ]
    history = np.zeros(iterations)
    with unchanged(model.variables):
        scores = predict(model, x, batch_size)
        labels = check_labels(y, len(scores), scores.shape[1])
        check_scores(model, scores, from_logits)
        product = _product(model, x, from_logits)
        vector = _unit(vector, _norm(vector))
        for i in range(iterations):
            vector = _mean_product(product, x, labels, batch_size, vector)
            history[i] = _norm(vector)
            if not np.isfinite(history[i]):
                raise ValueError(
                    f"The Hessian of model '{model.name}' is not finite in its product with a "
                    f"vector. Received: norm={history[i]} in iteration {i + 1}"
                )
            if history[i] == 0:
                break
            vector = _unit(vector, history[i])
    with np.errstate(divide="ignore"):
        return SpectralNorm(float(history[-1]), float(np.log(history[-1])), history)


def _product(model, x, from_logits):
    """A function of (examples, labels, vector): the Hessian of their summed loss, times the vector.

    It is kept at the model, since to trace it may take as long as to run it.
    """
    import tensorflow as tf

    def any_number(array):
        return tf.TensorSpec([None, *array.shape[1:]], array.dtype)

    specs = keras.tree.map_structure(any_number, x)
    purpose = specs, from_logits, [id(weight) for weight in model.trainable_variables]
    kept = getattr(model, _KEPT, None)
    if kept is None or kept.purpose != purpose:
        function = _compiled(model, specs, from_logits)
        kept = types.SimpleNamespace(purpose=purpose, function=function)
        object.__setattr__(model, _KEPT, kept)  # not a part of the model that Keras would track
    return kept.function


def _compiled(model, specs, from_logits):
    import tensorflow as tf

    weights = [weight.value for weight in model.trainable_variables]
    vectors = [tf.TensorSpec(weight.shape, "float32") for weight in weights]

    def dense(slope):  # that of an embedding is sparse
        return tf.cast(tf.convert_to_tensor(slope), "float32")

    @tf.function(input_signature=[specs, tf.TensorSpec([None], "int32"), vectors])
    def product(x, labels, vector):
        with tf.GradientTape(watch_accessed_variables=False) as outer:
            outer.watch(weights)
            with tf.GradientTape(watch_accessed_variables=False) as inner:
                inner.watch(weights)
                scores = tf.cast(model(x, training=False), "float32")
                losses = keras.losses.sparse_categorical_crossentropy(labels, scores, from_logits)
                loss = tf.reduce_sum(losses)
            slopes = inner.gradient(loss, weights, unconnected_gradients="zero")
            slope = tf.add_n(
                [tf.reduce_sum(dense(a) * b) for a, b in zip(slopes, vector, strict=True)]
            )
        return [*map(dense, outer.gradient(slope, weights, unconnected_gradients="zero"))]

    return product


def _mean_product(product, x, labels, batch_size, vector):
    total = [keras.ops.zeros_like(part) for part in vector]
    for batch in batches(x, batch_size):
        inputs = keras.tree.map_structure(keras.ops.convert_to_tensor, take(x, batch))
        part = product(inputs, keras.ops.cast(labels[batch], "int32"), vector)
        total = [a + b for a, b in zip(total, part, strict=True)]
    return [part / examples(x) for part in total]


def _norm(vector):
    return math.hypot(*(float(keras.ops.convert_to_numpy(frobenius_norm(part))) for part in vector))


def _unit(vector, norm):
    return [part / norm for part in vector]
