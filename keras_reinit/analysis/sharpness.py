"""How much a network changes when noise is added to its weights."""

from typing import NamedTuple

import keras
import numpy as np

from keras_reinit.analysis.effective import effective, gain_of, normalized_layers, pairs
from keras_reinit.analysis.inference import check_labels, check_model, check_scores, predict
from keras_reinit.core import check_int, check_numbers, fold_in, stream
from keras_reinit.weights.snapshot import unchanged


class Sharpness(NamedTuple):
    """What noise in the weights did; one row a sigma, one column a draw.

    Attributes:
        sigmas: the standard deviations of the noise, a tuple.
        accuracy: change in accuracy, float64 of shape (sigmas, draws); mostly below 0.
        loss: change in mean cross-entropy, float64 of shape (sigmas, draws); `inf` where the
            network's outputs overflowed.
    """

    sigmas: tuple
    accuracy: np.ndarray
    loss: np.ndarray


def sharpness(model, x, y, sigmas, draws=5, seed=0, from_logits=True, batch_size=256):
    """Change in accuracy and cross-entropy when Gaussian noise is added to the weights.

    `change = measure(w + noise) - measure(w)`, with `noise ~ N(0, sigma^2 I)`

    The noise goes to all trainable weights, offsets and scales included. Where a kernel is weight
    normalised it goes to the kernel that this makes, `g * v / ||v||`, and not to `g` and `v`, whose
    length means nothing. It depends on the seed, the index of sigma, the draw and the position of
    the weight only. An example whose noisy output
    is not finite counts as misclassified. The model is left as it was found, also after an
    exception.

    Args:
        model: a built classifier with one output.
        x: examples as an array, or a structure of arrays for several inputs.
        y: labels, ints of shape (n,).
        sigmas: standard deviations of the noise, each at least 0.
        draws: how often noise is drawn for each sigma.
        seed: int that names the noise.
        from_logits: True where the model returns logits, as the backbones do, False where it
            returns probabilities.
        batch_size: examples in one batch.

    Returns:
        A `Sharpness(sigmas, accuracy, loss)`.

    Raises:
        TypeError: if `x` holds something else than arrays, or `seed` is not an int.
        ValueError: if a sigma is negative or not finite, there is no sigma, draw, example or
            trainable weight, a label is none of the classes, an output without noise is not finite,
            or the outputs are not what `from_logits` says.

    Example:
        >>> sharpness(model, x_train, y_train, sigmas=[0.0, 0.01], draws=3).accuracy.mean(axis=1)
        array([ 0.  , -0.07])

    Reference:
        Alabdulmohsin et al. 2021, Section 4.2 and Figure 5.
    """
    sigmas = _check_sigmas(sigmas)
    draws = check_int("draws", draws)
    check_model(model)
    fold_in(seed)
    weights = model.trainable_variables
    if not weights:
        raise ValueError(f"Model '{model.name}' has no trainable weight that noise could go to")
    accuracy, loss = np.zeros((2, len(sigmas), draws))
    with unchanged(model.variables):
        scores = predict(model, x, batch_size)
        labels = check_labels(y, len(scores), scores.shape[1])
        check_scores(model, scores, from_logits)
        plain = _measure(scores, labels, from_logits)
        normalized = _normalized(model, weights)
        gains = {id(g) for _, g in normalized}
        values = {id(weight): keras.ops.copy(weight.value) for weight in weights}
        values |= {id(kernel.variable): effective(kernel, g) for kernel, g in normalized}
        for row, sigma in enumerate(sigmas):
            for draw in range(draws if sigma else 0):
                for position, weight in enumerate(weights):
                    if id(weight) in gains:
                        continue
                    value = values[id(weight)]
                    own = stream(seed, "noise", row, draw, position=position)
                    weight.assign(
                        value + keras.random.normal(value.shape, 0.0, sigma, value.dtype, own)
                    )
                for kernel, g in normalized:
                    g.assign(gain_of(kernel, g))
                noisy = _measure(predict(model, x, batch_size), labels, from_logits)
                accuracy[row, draw], loss[row, draw] = noisy[0] - plain[0], noisy[1] - plain[1]
    return Sharpness(sigmas, accuracy, loss)


def _normalized(model, weights):
    """The (kernel, g) of the weight-normalised layers both of whose parts are trained."""
    trained = {id(weight) for weight in weights}
    return [
        (kernel, g)
        for layer in normalized_layers(model)
        for kernel, g in pairs(layer)
        if {id(kernel.variable), id(g)} <= trained
    ]


def _measure(scores, labels, from_logits):
    """Accuracy and mean cross-entropy."""
    finite = np.isfinite(scores).all(-1)
    scores = np.where(finite[:, None], scores, 0.0)
    own = scores[np.arange(len(labels)), labels]
    if from_logits:
        top = scores.max(-1)
        losses = top - own + np.log(np.exp(scores - top[:, None]).sum(-1))
    else:
        losses = -np.log(np.clip(own, keras.config.epsilon(), None))  # as Keras's loss does
    correct = finite & (scores.argmax(-1) == labels)
    return correct.mean(), np.where(finite, losses, np.inf).mean()


def _check_sigmas(sigmas):
    values = check_numbers("sigmas", sigmas, least=0)
    if not values.size:
        raise ValueError(f"Received: sigmas={sigmas!r}. Expected e.g. sigmas=[0.0, 0.01, 0.1]")
    return tuple(values.tolist())
