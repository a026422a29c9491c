"""How far examples are from being misclassified."""

import numpy as np

from keras_reinit.analysis.inference import check_labels, check_model, check_scores, predict
from keras_reinit.core import check_int, check_numbers
from keras_reinit.weights.snapshot import unchanged


def margins(model, x, y, from_logits=True, batch_size=256):
    """Softmax margin of each example: the label's probability less the next largest one.

    `margin = p[y] - max_(j != y) p[j]`, with `p = softmax(model(x))` in float64

    1 is a sure and correct prediction, below 0 a wrong one. The model is left as it was found.

    Args:
        model: a built classifier with one output.
        x: examples as an array, or a structure of arrays for several inputs.
        y: labels, ints of shape (n,).
        from_logits: True where the model returns logits, as the backbones do, False where it
            returns probabilities.
        batch_size: examples in one batch.

    Returns:
        A float64 array of shape (n,), in [-1, 1], in the order of the examples.

    Raises:
        TypeError: if `x` holds something else than arrays.
        ValueError: if there is no example, a label is none of the classes, an output is not finite,
            or the outputs are not what `from_logits` says.

    Example:
        >>> margins(model, x_train, y_train).min()
        0.43

    Reference:
        Alabdulmohsin et al. 2021, Section 4.1 and Figure 6.
    """
    check_model(model)
    with unchanged(model.variables):
        scores = predict(model, x, batch_size)
    labels = check_labels(y, len(scores), scores.shape[1])
    check_scores(model, scores, from_logits)
    own = np.take_along_axis(scores, labels[:, None], -1)[:, 0]
    others = scores.copy()
    np.put_along_axis(others, labels[:, None], -np.inf, -1)
    next_largest = others.max(-1)
    if not from_logits:
        return own - next_largest
    # One of the two is the largest logit of all: no exponential overflows, none cancels.
    top = np.maximum(own, next_largest)
    partition = np.exp(scores - top[:, None]).sum(-1)
    return -np.sign(own - next_largest) * np.expm1(-np.abs(own - next_largest)) / partition


def smallest(margins, count=400):
    """The smallest margins, from the smallest up.

    Args:
        margins: a vector of finite margins.
        count: how many; all of them where there are fewer.

    Returns:
        An array of shape (min(count, n),).

    Raises:
        ValueError: if `margins` is not a vector of finite numbers, or `count` is below 1.

    Example:
        >>> smallest([0.9, -0.1, 0.4], count=2)
        array([-0.1,  0.4])

    Reference:
        Alabdulmohsin et al. 2021, Figure 6.
    """
    values = check_numbers("margins", margins)
    return np.sort(values)[: check_int("count", count)]
