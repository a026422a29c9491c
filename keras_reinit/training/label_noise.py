"""Wrong labels on purpose: drawn once from a seed, before training."""

import numpy as np

from keras_reinit.core import fold_in


def symmetric_noise(labels, rate, classes, seed, exclude_true_class=True):
    """Replace an exact share of the labels by others at random.

    `round(rate * n)` examples are chosen; each gets a label uniform over the other classes, or,
    with `exclude_true_class=False`, over all of them, its own included.

    Args:
        labels: int labels (n,), in [0, classes).
        rate: share of examples that are drawn, in [0, 1].
        classes: number of classes, at least 2.
        seed: int; the same seed gives the same labels.
        exclude_true_class: whether a drawn label is always wrong. If not, about
            `rate * (classes - 1) / classes` of the labels are.

    Returns:
        An array like `labels`. Noisy labels belong to the training set only, and are the same in
        every round: draw them once.

    Raises:
        ValueError: if the rate is not in [0, 1], or a label not in [0, classes).

    Example:
        >>> y_noisy = symmetric_noise(y_train, rate=0.4, classes=10, seed=0)

    Reference:
        Zaidi et al. 2022.
    """
    labels = _checked(labels, classes)
    if not 0 <= rate <= 1:
        raise ValueError(f"`rate` lies in [0, 1]. Received: rate={rate!r}")
    generator = np.random.default_rng(fold_in(seed, "label noise"))
    chosen = generator.permutation(len(labels))[: round(rate * len(labels))]
    noisy = labels.copy()
    if exclude_true_class:
        shift = generator.integers(1, classes, size=len(chosen))
        noisy[chosen] = (labels[chosen] + shift) % classes
    else:
        noisy[chosen] = generator.integers(classes, size=len(chosen))
    return noisy


def asymmetric_noise(labels, transition, seed):
    """Replace labels by others with probabilities that depend on the class.

    `P(new = j | old = i) = transition[i, j]`, exactly: of the `n_i` examples of class `i`,
    `transition[i, j] * n_i` get label `j`, rounded so that the counts add up.

    Args:
        labels: int labels (n,), in [0, classes).
        transition: array (classes, classes) of at least 0, rows that sum to 1.
        seed: int; the same seed gives the same labels.

    Returns:
        An array like `labels`.

    Raises:
        ValueError: if `transition` is not such a matrix, or a label not in [0, classes).

    Example:
        >>> transition = 0.8 * np.eye(3) + 0.2 * np.roll(np.eye(3), 1, axis=1)
        >>> y_noisy = asymmetric_noise(y_train, transition, seed=0)  # a fifth is the next class

    Reference:
        Patrini et al. 2017 (the transition matrix).
    """
    transition = np.asarray(transition, "float64")
    classes = len(transition) if transition.ndim else 0
    square = transition.shape == (classes, classes) and classes > 1
    if not square or (transition < 0).any() or not np.allclose(transition.sum(axis=1), 1):
        raise ValueError(
            "A transition matrix is square, of at least 0, with rows that sum to 1. Received: "
            f"shape {transition.shape}"
            + (f", rows that sum to {transition.sum(axis=1)}" if square else "")
        )
    labels = _checked(labels, classes)
    generator = np.random.default_rng(fold_in(seed, "label noise"))
    noisy = labels.copy()
    for label in range(classes):
        members = generator.permutation(np.flatnonzero(labels == label))
        ends = np.round(np.cumsum(transition[label]) * len(members)).astype(int)
        for new, part in enumerate(np.split(members, ends[:-1])):
            noisy[part] = new
    return noisy


def _checked(labels, classes):
    labels = np.asarray(labels)
    if classes < 2:
        raise ValueError(f"Noise needs two classes. Received: classes={classes}")
    if labels.ndim != 1 or not np.issubdtype(labels.dtype, np.integer):
        raise ValueError(
            "Labels are a vector of ints, not one-hot. Received: an array of shape "
            f"{labels.shape} and type {labels.dtype}"
        )
    if len(labels) and not (labels.min() >= 0 and labels.max() < classes):
        raise ValueError(
            f"Labels lie in [0, {classes}). Received: labels from {labels.min()} to {labels.max()}"
        )
    return labels
