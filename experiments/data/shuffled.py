"""Examples in a random order, some of them held out, as a network takes them."""

import dataclasses

import numpy as np

from experiments.data.stream import floats
from experiments.data.text import in_vocabulary


@dataclasses.dataclass(frozen=True)
class Shuffled:
    """Examples in the order in which they come, and those that are measured on.

    Args:
        x: examples (n, ...): images as float32 in [0, 1], texts as numbered words.
        y: labels (n,).
        x_held_out: examples that are never trained on.
        y_held_out: their labels.
        classes: number of classes.
    """

    x: np.ndarray
    y: np.ndarray
    x_held_out: np.ndarray
    y_held_out: np.ndarray
    classes: int


def trained(count, held_out):
    """How many of some examples are trained on, where a share of them is held out."""
    return count - round(held_out * count)


def shuffled(whole, seed, size=None, held_out=1 / 3, words=None):
    """Training examples of a set, drawn at random, of which a share is held out.

    Args:
        whole: `Dataset`; its validation and test examples are left alone.
        seed: int of at least 0, of the order and of which are held out.
        size: how many examples, those held out included, or None for all.
        held_out: share that is held out, in [0, 1).
        words: size of the vocabulary of a set of texts, chosen from those trained on, in
            whatever stage; else None.

    Returns:
        A `Shuffled`.
    """
    order = np.random.default_rng(seed).permutation(len(whole.y_train))[:size]
    count = trained(len(order), held_out)
    x, y = whole.x_train[order], whole.y_train[order]
    x = np.asarray(floats(x)) if words is None else in_vocabulary(x[:count], words)(x)
    return Shuffled(x[:count], y[:count], x[count:], y[count:], whole.classes)


def alike(examples, shape):
    """Images brought to another size (bilinear) and number of channels (through gray).

    Args:
        examples: `Shuffled` images.
        shape: height, width and channels.

    Returns:
        A `Shuffled`; what is held out stays as it is.
    """
    import tensorflow as tf

    images = examples.x
    if images.shape[-1] != shape[-1]:
        images = np.repeat(images.mean(axis=-1, keepdims=True), shape[-1], axis=-1)
    with tf.device("CPU:0"):
        images = tf.image.resize(images, shape[:2]).numpy()
    return dataclasses.replace(examples, x=images)
