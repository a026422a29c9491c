"""Wrong labels on purpose: drawn once from a seed, before training."""

import numpy as np

from keras_reinit.core import check_bool, check_int, check_number, fold_in


def symmetric_noise(labels, rate, classes, seed, exclude_true_class=True):
    """Replace an exact share of the labels by others at random.

    `round(rate * n)` examples are chosen; each gets a label uniform over the other classes, or,
    with `exclude_true_class=False`, over all of them, its own included.

    Args:
        labels: int labels (n,), in [0, classes); or a `tf.data.Dataset` of examples (x, label), not
            yet shuffled or batched. It is gone through once, here, for its labels.
        rate: share of examples that are drawn, in [0, 1].
        classes: number of classes, at least 2.
        seed: int; the same seed gives the same labels.
        exclude_true_class: whether a drawn label is always wrong. If not, about
            `rate * (classes - 1) / classes` of the labels are.

    Returns:
        An array like `labels`, of a wider type where theirs cannot count all classes; or a data set
        with the same labels in every epoch: shuffle and batch it afterwards. Noisy labels belong to
        the training set only, and are the same in every round: draw them once.

    Raises:
        ValueError: if the rate is not in [0, 1], a label not in [0, classes), or a data set has
            other elements, or no end. While a data set is gone through: `tf.errors.OpError` if its
            examples come in another order than at first.

    Example:
        >>> y_noisy = symmetric_noise(y_train, rate=0.4, classes=10, seed=0)
        >>> noisy = symmetric_noise(examples, rate=0.4, classes=10, seed=0)
        >>> model.fit(noisy.shuffle(10000).batch(128))

    Reference:
        Zaidi et al. 2022.
    """
    rate, classes = check_number("rate", rate, most=1), check_int("classes", classes, least=2)
    exclude_true_class = check_bool("exclude_true_class", exclude_true_class)
    if hasattr(labels, "element_spec"):
        return _relabelled(
            labels, lambda y: symmetric_noise(y, rate, classes, seed, exclude_true_class)
        )
    labels, dtype = _checked(labels, classes)
    generator = np.random.default_rng(fold_in(seed, "label noise"))
    chosen = generator.permutation(len(labels))[: round(rate * len(labels))]
    noisy = labels.copy()
    if exclude_true_class:
        shift = generator.integers(1, classes, size=len(chosen))
        noisy[chosen] = (labels[chosen] + shift) % classes
    else:
        noisy[chosen] = generator.integers(classes, size=len(chosen))
    return noisy.astype(dtype)


def asymmetric_noise(labels, transition, seed):
    """Replace labels by others with probabilities that depend on the class.

    `P(new = j | old = i) = transition[i, j]`, exactly: of the `n_i` examples of class `i`,
    `transition[i, j] * n_i` get label `j`, rounded so that the counts add up.

    Args:
        labels: int labels (n,), in [0, classes); or a `tf.data.Dataset` of examples (x, label), not
            yet shuffled or batched. It is gone through once, here, for its labels.
        transition: array (classes, classes) of at least 0, rows that sum to 1.
        seed: int; the same seed gives the same labels.

    Returns:
        An array like `labels`, or a data set as from `symmetric_noise`.

    Raises:
        ValueError: if `transition` is not such a matrix, a label not in [0, classes), or a data set
            none of examples.

    Example:
        >>> transition = 0.8 * np.eye(3) + 0.2 * np.roll(np.eye(3), 1, axis=1)
        >>> y_noisy = asymmetric_noise(y_train, transition, seed=0)  # a fifth is the next class

    Reference:
        Patrini et al. 2017 (the transition matrix).
    """
    try:
        transition = np.asarray(transition, "float64")
    except (TypeError, ValueError):
        transition = np.array(np.nan)
    classes = len(transition) if transition.ndim else 0
    square = transition.shape == (classes, classes) and classes > 1
    if not square or (transition < 0).any() or not np.allclose(transition.sum(axis=1), 1):
        raise ValueError(
            "`transition` is a square matrix, of at least 0, with rows that sum to 1. Received: "
            f"shape {transition.shape}"
            + (f", rows that sum to {transition.sum(axis=1)}" if square else "")
        )
    if hasattr(labels, "element_spec"):
        return _relabelled(labels, lambda y: asymmetric_noise(y, transition, seed))
    labels, dtype = _checked(labels, classes)
    generator = np.random.default_rng(fold_in(seed, "label noise"))
    noisy = labels.copy()
    for label in range(classes):
        members = generator.permutation(np.flatnonzero(labels == label))
        ends = np.round(np.cumsum(transition[label]) * len(members)).astype(int)
        for new, part in enumerate(np.split(members, ends[:-1])):
            noisy[part] = new
    return noisy.astype(dtype)


def _relabelled(data, noise):
    """A data set with noisy labels, which stand at the same positions in every epoch."""
    import tensorflow as tf

    spec = data.element_spec
    if not (isinstance(spec, tuple) and len(spec) > 1 and getattr(spec[1], "shape", None) == ()):
        raise ValueError(
            "Label noise needs a data set of single examples (x, label), not yet batched. "
            f"Received: elements {spec}. Expected e.g. data.unbatch()"
        )
    if data.cardinality() == tf.data.INFINITE_CARDINALITY:
        raise ValueError(
            "Label noise needs a data set with an end. Received: one that repeats for ever. "
            "Repeat the noisy one"
        )
    labels = np.array(list(data.map(lambda x, y, *_: y).as_numpy_iterator()))
    drawn = tf.data.Dataset.from_tensor_slices((labels, noise(labels)))

    def relabel(example, drawn):
        x, y, *weights = example
        label, noisy = drawn
        in_order = tf.debugging.assert_equal(
            y,
            label,
            "The examples come in another order than when their noise was drawn. "
            "Shuffle the noisy data set, not the one before it",
        )
        with tf.control_dependencies([in_order]):
            return (x, tf.identity(noisy), *weights)

    return tf.data.Dataset.zip(data, drawn).map(relabel)


def _checked(labels, classes):
    """The labels as int64, to count with, and the type of those with noise: one for all classes."""
    labels = np.asarray(labels)
    if labels.ndim != 1 or not np.issubdtype(labels.dtype, np.integer):
        raise ValueError(
            "`labels` are a vector of ints, not one-hot. Received: an array of shape "
            f"{labels.shape} and type {labels.dtype}"
        )
    if len(labels) and not (labels.min() >= 0 and labels.max() < classes):
        raise ValueError(
            f"`labels` are in [0, {classes}). Received: from {labels.min()} to {labels.max()}"
        )
    return labels.astype("int64"), np.promote_types(labels.dtype, np.min_scalar_type(classes - 1))
