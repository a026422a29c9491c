"""Batches of examples in memory, as a network takes them: float32, images in [0, 1]."""

import numpy as np

from experiments.engine.errors import UsageError

ENLARGED = 248 / 224  # side of a training image of the paper before and after it is cropped
CACHE_BYTES = 2**28  # examples for `evaluate` are kept as floats up to this size


def enlarged(image_size):
    """The side to which images are enlarged before they are cropped to `image_size`."""
    return round(image_size * ENLARGED)


def input_shape(x, image_size=None):
    """The shape of one example as a network takes it.

    Args:
        x: examples (n, ...).
        image_size: side of the square that images (n, height, width, channels) are resized to, or
            None.

    Returns:
        A tuple.
    """
    return x.shape[1:] if image_size is None else (image_size, image_size, x.shape[-1])


def floats(x, image_size=None):
    """Examples as a network takes them.

    Args:
        x: array (n, ...); bytes are images, everything else is left as it is.
        image_size: side of the square that images are resized to (bilinear), or None.

    Returns:
        A float32 tensor (n, ...), images in [0, 1].
    """
    return _scaled(_resized(x, image_size), x.dtype)


def standardized(x, *others):
    """Images with mean 0 and standard deviation 1 in each channel, by the moments of the first.

    Args:
        x: float array (n, height, width, channels).
        *others: more of them, such as those of a test.

    Returns:
        A list of arrays, as many as there are arguments.

    Raises:
        UsageError: if a channel of `x` is constant.
    """
    axes = tuple(range(x.ndim - 1))
    mean, deviation = x.mean(axes), x.std(axes)
    if not deviation.all():
        raise UsageError(
            "A channel is the same in all images. Received: standard deviations "
            f"{deviation.tolist()} of {len(x)} images. Expected other images."
        )
    return [(each - mean) / deviation for each in (x, *others)]


def batches(x, y, batch_size, seed, first_epoch=0, image_size=None, augment=False, padding=None):
    """An endless stream of shuffled batches in which epoch e depends on the seed and e only.

    `order_e = argsort(uniform(seed, e))`; a last batch that is not full is dropped. Augmentation is
    that of Alabdulmohsin et al. 2021: images are enlarged to 248/224 of `image_size`, cropped to
    `image_size` at a random place, and half of them mirrored. With `padding` they are not enlarged
    but surrounded by zeros, as usual on CIFAR.

    Args:
        x: examples, an array; bytes are images, of which a network sees floats in [0, 1].
        y: labels, an array.
        batch_size: int, at most the number of examples.
        seed: int.
        first_epoch: the epoch to begin with, for training that is resumed.
        image_size: side of the square that images are resized to, or None.
        augment: whether images are cropped and mirrored at random; where `image_size` is None, they
            are square and keep their size.
        padding: rows and columns of zeros on each side that augmented images are cropped from, or
            None to enlarge them.

    Returns:
        A `tf.data.Dataset`, for `fit(..., steps_per_epoch=len(x) // batch_size, shuffle=False)`.

    Raises:
        UsageError: if a batch is larger than the set.
    """
    import tensorflow as tf

    count, steps = len(x), len(x) // batch_size
    if not steps:
        raise UsageError(
            f"A batch cannot hold more examples than there are. Received: batch_size={batch_size}, "
            f"{count} examples. Expected batch_size <= {count}."
        )
    side = input_shape(x, image_size)[0] if augment else image_size
    with tf.device("CPU:0"):
        x, y = tf.constant(x), tf.constant(y)

    def epoch_batches(epoch):
        key = tf.stack([seed, epoch])
        order = tf.argsort(tf.random.stateless_uniform([count], seed=key))
        draws = [order]
        if augment:
            margin = enlarged(side) - side if padding is None else 2 * padding
            draws += _draws(count, margin + 1, key)
        draws = [tf.reshape(draw[: steps * batch_size], (steps, batch_size)) for draw in draws]
        return tf.data.Dataset.from_tensor_slices(tuple(draws))

    def larger(images):
        if padding is None:
            return _resized(images, enlarged(side))
        around = (padding, padding)
        return tf.pad(_resized(images, side), ((0, 0), around, around, (0, 0)))

    def pick(index, *draws):
        images = tf.gather(x, index)
        if augment:
            images = _crop(larger(images), side, *draws)
        return _scaled(_resized(images, side), x.dtype), tf.gather(y, index)

    epochs = tf.data.Dataset.range(first_epoch, tf.int64.max)
    picked = epochs.flat_map(epoch_batches).map(pick, num_parallel_calls=tf.data.AUTOTUNE)
    return picked.prefetch(2)


def full_batch(x, y):
    """A training set as one batch, over and over."""
    import tensorflow as tf

    return tf.data.Dataset.from_tensors((floats(x), tf.constant(y))).repeat()


def one_batch(x, image_size=None):
    """Examples as a single batch, which costs `predict` less than an array does."""
    import tensorflow as tf

    return tf.data.Dataset.from_tensors(floats(x, image_size))


def evaluation_batches(x, y, batch_size=1000, image_size=None):
    """The examples in order, for `evaluate`; never augmented.

    Args:
        x: examples, an array.
        y: labels, an array.
        batch_size: int.
        image_size: side of the square that images are resized to, or None.

    Returns:
        A `tf.data.Dataset`. Small sets are made once and kept as floats.
    """
    import tensorflow as tf

    small = 4 * len(x) * np.prod(input_shape(x, image_size)) <= CACHE_BYTES
    with tf.device("CPU:0"):
        x, y = tf.constant(x), tf.constant(y)

    def pick(start):
        stop = start + batch_size
        return floats(x[start:stop], image_size), y[start:stop]

    picked = tf.data.Dataset.range(0, len(y), batch_size).map(
        pick, num_parallel_calls=tf.data.AUTOTUNE
    )
    return picked.cache() if small else picked.prefetch(2)


def _resized(x, side):
    """Images of the given side, or the very same where they have it or it is None."""
    import tensorflow as tf

    if side is None or tuple(x.shape[1:3]) == (side, side):
        return x
    return tf.image.resize(x, (side, side))


def _scaled(x, dtype):
    """As float32; what came from bytes (`dtype`) divided by 255."""
    import tensorflow as tf

    return tf.cast(x, tf.float32) / (255 if dtype == np.uint8 else 1)


def _draws(count, places, key):
    """Random rows and columns, in 0 .. places - 1, and whether to mirror, for every position."""
    import tensorflow as tf

    def seed(number):
        return tf.random.experimental.stateless_fold_in(key, number)

    corners = tf.random.stateless_uniform([count, 2], seed=seed(1), maxval=places, dtype=tf.int32)
    mirrored = tf.random.stateless_uniform([count], seed=seed(2)) < 0.5
    return corners[:, 0], corners[:, 1], mirrored


def _crop(images, side, row, column, mirrored):
    """Squares of `side`, each from its own row and column on, some of them mirrored."""
    import tensorflow as tf

    offsets = tf.range(side)
    rows = row[:, None] + offsets
    columns = column[:, None] + tf.where(mirrored[:, None], offsets[::-1], offsets)
    images = tf.gather(images, rows, axis=1, batch_dims=1)
    return tf.gather(images, columns, axis=2, batch_dims=1)
