"""Shuffled batches of arrays in which an epoch depends on the seed and its number only."""

import keras
import numpy as np


def order(count, seed, epoch):
    """A random order of the examples.

    Args:
        count: number of examples.
        seed: int of at least 0.
        epoch: int of at least 0.

    Returns:
        An int64 array (count,).

    Example:
        >>> order(3, seed=0, epoch=0)
        array([2, 0, 1])
    """
    return np.random.default_rng([seed, epoch]).permutation(count)


def batches(x, y, batch_size, seed, first_epoch=0):
    """An endless stream of epochs of shuffled batches; the last of an epoch may be smaller.

    Args:
        x: examples: an array, or a structure of arrays of one length.
        y: targets, likewise.
        batch_size: int.
        seed: int of at least 0.
        first_epoch: the epoch to begin with, for a training that is resumed.

    Returns:
        What `fit(..., steps_per_epoch=steps(x, batch_size), shuffle=False)` takes: a
        `tf.data.Dataset` on TensorFlow, else a `keras.utils.PyDataset`. Batches are the same.
    """
    if keras.backend.backend() == "tensorflow":
        return _dataset((x, y), count(x), batch_size, seed, first_epoch)
    return _Batches((x, y), batch_size, seed, first_epoch)


def count(x):
    """The number of examples in an array, or a structure of arrays of one length.

    Raises:
        ValueError: if there is none, or lengths differ.
    """
    lengths = {len(array) for array in keras.tree.flatten(x)}
    if len(lengths) != 1 or lengths == {0}:
        raise ValueError(
            "A stage needs some examples, and as many in every array. Received: arrays of "
            f"{sorted(lengths)} examples"
        )
    return lengths.pop()


def steps(x, batch_size):
    """The number of batches of an epoch."""
    return -(-count(x) // batch_size)


def _dataset(examples, size, batch_size, seed, first_epoch):
    import tensorflow as tf

    with tf.device("CPU:0"):
        examples = keras.tree.map_structure(tf.constant, examples)

    def indices(epoch):
        shuffled = tf.numpy_function(lambda e: order(size, seed, e), [epoch], tf.int64)
        return tf.data.Dataset.from_tensor_slices(tf.ensure_shape(shuffled, [size])).batch(
            batch_size
        )

    def pick(index):
        return keras.tree.map_structure(lambda array: tf.gather(array, index), examples)

    epochs = tf.data.Dataset.range(first_epoch, tf.int64.max)
    return epochs.flat_map(indices).map(pick).prefetch(2)


class _Batches(keras.utils.PyDataset):
    def __init__(self, examples, batch_size, seed, first_epoch):
        super().__init__()
        self._examples, self._batch_size, self._seed = examples, batch_size, seed
        self._steps = steps(examples[0], batch_size)
        self._first = first_epoch * self._steps

    @property
    def num_batches(self):
        return None  # without end

    def __getitem__(self, index):
        epoch, step = divmod(self._first + index, self._steps)
        chosen = order(count(self._examples[0]), self._seed, epoch)
        chosen = chosen[step * self._batch_size : (step + 1) * self._batch_size]
        return keras.tree.map_structure(lambda array: np.asarray(array)[chosen], self._examples)
