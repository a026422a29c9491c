"""Epochs over arrays in memory, whose order depends on the seed and the epoch's number only."""

import functools
import types

import keras
import numpy as np

from keras_reinit import keras_private

_KEPT = "_keras_reinit_epoch"


@functools.lru_cache(maxsize=1)
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


class Epochs(keras.utils.PyDataset):
    """Shuffled batches of an epoch, the last of which may be smaller: for every backend.

    Args:
        examples: the pair of examples and targets: arrays, or structures of arrays, of one length.
        batch_size: int.
        seed: int of at least 0.

    Attributes:
        epoch: the epoch that is read: set it when one begins.
        examples: as given.
        batch_size: as given.
        samples: number of examples.

    Raises:
        ValueError: if there is no example, or lengths differ.
    """

    def __init__(self, examples, batch_size, seed):
        super().__init__()
        self.epoch = 0
        self.examples = tuple(examples)
        self.samples = _count(examples)
        self.batch_size, self._seed = batch_size, seed

    def __len__(self):
        return -(-self.samples // self.batch_size)

    def __getitem__(self, step):
        index = self.order()[step * self.batch_size : (step + 1) * self.batch_size]
        return keras.tree.map_structure(lambda array: np.asarray(array)[index], self.examples)

    def order(self):
        """The order of the examples in this epoch."""
        return order(self.samples, self._seed, self.epoch)


def can_compile(model):
    """Whether `fit_compiled` can train a model: on TensorFlow, compiled, on one replica."""
    return (
        keras.backend.backend() == "tensorflow"
        and not model.run_eagerly
        and model.distribute_strategy.num_replicas_in_sync == 1
    )


def fit_compiled(model, batches, **options):
    """`model.fit` on `Epochs`, each of which is one call of one TensorFlow function.

    Small networks live on the overhead of a step. Here all steps of an epoch are one loop in the
    graph, which takes its batches out of the arrays itself: no iterator, and nothing to trace again
    when the set has grown. `model.train_step` is what Keras calls, too. Hooks of callbacks on
    batches are called once an epoch.

    Args:
        model: a compiled `keras.Model`, of which `can_compile` is true.
        batches: `Epochs`.
        **options: as `fit`.

    Returns:
        The `keras.callbacks.History`.
    """
    import tensorflow as tf

    with tf.device("CPU:0"):
        examples = keras.tree.map_structure(tf.constant, batches.examples)
    size = tf.constant(batches.batch_size, tf.int64)
    epoch = _epoch_function(model, examples, size)
    before = model.train_function
    model.train_function = lambda _: epoch(examples, batches.order(), size)
    try:
        return model.fit(tf.data.Dataset.range(1).repeat(), steps_per_epoch=1, **options)
    finally:
        model.train_function = before


def _epoch_function(model, examples, size):
    """The function, which a model keeps until it is compiled again."""
    import tensorflow as tf

    def any_length(tensor):
        return tf.TensorSpec([None, *tensor.shape[1:]], tensor.dtype)

    specs = keras.tree.map_structure(any_length, examples)
    purpose = specs, keras_private.compilation(model), model.train_step
    kept = getattr(model, _KEPT, None)
    if kept is None or kept.purpose != purpose:
        kept = types.SimpleNamespace(purpose=purpose, function=_traceable(model, specs))
        object.__setattr__(model, _KEPT, kept)  # not a part of the model that Keras would track
        _warm_up(model, kept.function, examples, size)
    return kept.function


def _traceable(model, specs):
    import tensorflow as tf

    def train(batch):
        return model.distribute_strategy.run(model.train_step, args=(batch,))

    def picked(examples, index):
        with tf.device("CPU:0"):
            return keras.tree.map_structure(lambda array: tf.gather(array, index), examples)

    last_step = tf.function(train)
    # XLA would compile again for every size of the last batch.
    step = tf.function(train, jit_compile=True) if model.jit_compile else last_step
    whole, number = tf.TensorSpec([None], tf.int64), tf.TensorSpec([], tf.int64)

    @tf.function(input_signature=(specs, whole, number))
    def epoch(examples, order, size):
        last = (tf.size(order, tf.int64) - 1) // size
        for index in tf.range(last):
            step(picked(examples, order[index * size : (index + 1) * size]))
        return last_step(picked(examples, order[last * size :]))

    return epoch


def _warm_up(model, epoch, examples, size):
    """Trace, compile and run once, so that the first epoch takes no longer than the others."""
    variables = [*model.variables, *model.optimizer.variables]
    before = [keras.ops.copy(variable.value) for variable in variables]
    epoch(examples, np.zeros(int(size) + 1, "int64"), size)
    for variable, value in zip(variables, before, strict=True):
        variable.assign(value)


def _count(examples):
    """The number of examples in a structure of arrays of one length."""
    leaves = keras.tree.flatten(examples)
    sparse = sorted({type(leaf).__name__ for leaf in leaves if hasattr(leaf, "toarray")})
    if sparse:
        raise ValueError(
            f"Examples in memory are dense. Received: sparse matrices of SciPy, {sparse}. Expected "
            "x.toarray(), or a tf.data.Dataset of batches"
        )
    scalars = {type(leaf) for leaf in leaves if not np.ndim(leaf)}
    if scalars:
        raise TypeError(f"Examples are arrays, not lists of numbers. Received: {scalars}")
    lengths = {len(array) for array in leaves}
    if len(lengths) != 1 or lengths == {0}:
        raise ValueError(
            "A stage needs some examples, and as many in every array. Received: arrays of "
            f"{sorted(lengths)} examples"
        )
    return lengths.pop()
