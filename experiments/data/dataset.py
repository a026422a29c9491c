"""What a data set in memory is, and parts of one."""

import dataclasses

import numpy as np

from experiments.engine.errors import UsageError


@dataclasses.dataclass(frozen=True)
class Dataset:
    """Training, validation and test examples.

    Args:
        x_train: array (n, ...): images as bytes (uint8), anything else as float32.
        y_train: int labels (n,), from 0.
        x_validation: examples held out of the training split, none where nothing is held out.
        y_validation: their labels.
        x_test: test examples, never used to choose anything.
        y_test: their labels.
        classes: number of classes.
    """

    x_train: np.ndarray
    y_train: np.ndarray
    x_validation: np.ndarray
    y_validation: np.ndarray
    x_test: np.ndarray
    y_test: np.ndarray
    classes: int


def without_validation(x_train, y_train, x_test, y_test, classes):
    """A `Dataset` of which nothing is held out."""
    return Dataset(x_train, y_train, x_train[:0], y_train[:0], x_test, y_test, classes)


def held_out(count, share):
    """Which examples of a training split are validation: the same ones always.

    `round(share * count)` of them, drawn at random, so that a split stored class by class
    loses some of every class.

    Args:
        count: number of examples.
        share: number in [0, 1).

    Returns:
        A bool array (count,).
    """
    chosen = np.random.default_rng(0).permutation(count)[: round(share * count)]
    mask = np.zeros(count, bool)
    mask[chosen] = True
    return mask


def sizes(train, validation, size=None):
    """How many examples a part of a set has.

    Args:
        train: number of training examples of the whole set.
        validation: number of its validation examples.
        size: number of examples of the part, of both kinds together, or None for all.

    Returns:
        The numbers of training and of validation examples.

    Raises:
        UsageError: if there are fewer examples.
    """
    if size is None:
        return train, validation
    available = train + validation
    if not 1 <= size <= available:
        raise UsageError(
            f"Not enough training examples. Received: train_size={size}. Expected 1 to {available}."
        )
    held = round(size * validation / available)
    return size - held, held


def subset(dataset, size, seed):
    """A data set with a random part of its training examples, all classes alike.

    Args:
        dataset: `Dataset`.
        size: number of examples, training and validation together, in the proportion of the whole
            set; or None for all.
        seed: int of at least 0.

    Returns:
        A `Dataset` with the same test examples. The numbers of training examples of two classes
        differ by at most one, where the classes are large enough, and so do those of validation.

    Raises:
        UsageError: if there are fewer examples.
    """
    if size is None:
        return dataset
    train, validation = sizes(len(dataset.y_train), len(dataset.y_validation), size)
    kept = _alike(dataset.y_train, train, seed)
    checked = _alike(dataset.y_validation, validation, seed)
    return dataclasses.replace(
        dataset,
        x_train=dataset.x_train[kept],
        y_train=dataset.y_train[kept],
        x_validation=dataset.x_validation[checked],
        y_validation=dataset.y_validation[checked],
    )


def _alike(labels, size, seed):
    """Random positions of `size` examples, whose labels take turns."""
    order = np.random.default_rng(seed).permutation(len(labels))
    labels = labels[order]
    # Rank of each example within its class: the first of every class, then the second, ...
    rank = np.empty(len(labels), int)
    for label in np.unique(labels):
        members = np.flatnonzero(labels == label)
        rank[members] = np.arange(len(members))
    return order[np.argsort(rank, kind="stable")[:size]]
