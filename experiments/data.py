"""Data sets of the experiments, in memory, as floats in [0, 1] or as the papers generate them."""

import dataclasses
import pathlib

import numpy as np

from experiments.errors import UsageError, unknown

# The 12 sets of Alabdulmohsin et al. 2021 by their TFDS names.
BENCHMARK = (
    "oxford_iiit_pet",
    "stanford_dogs",
    "fashion_mnist",
    "cars196",
    "mnist_corrupted",
    "cifar10_corrupted",
    "cifar10",
    "caltech101",
    "cassava",
    "cmaterdb",
    "caltech_birds2010",
    "cifar100",
)


@dataclasses.dataclass(frozen=True)
class Dataset:
    """Training and test examples: x float32 (n, ...), y int64 labels (n,)."""

    x_train: np.ndarray
    y_train: np.ndarray
    x_test: np.ndarray
    y_test: np.ndarray
    classes: int


def synthetic(alpha, seed, train=256, test=8192):
    """The task of Section 1.1: three coordinates encode the label, 125 are noise.

    `x = (alpha * s_2(y), alpha * s_1(y), alpha * s_0(y), e_4, ..., e_128)` with label y uniform in
    0 .. 7, `s_i(y)` = +1 where bit i of y is set and -1 elsewhere, and `e` ~ N(0, 1).

    Args:
        alpha: signal strength, at least 0.
        seed: int of at least 0; the same labels and noise for every alpha.
        train: number of training examples.
        test: number of test examples.

    Returns:
        A `Dataset` of 128 features and 8 classes.

    Reference:
        Alabdulmohsin et al. 2021, Section 1.1.
    """
    generator = np.random.default_rng(seed)
    y = generator.integers(8, size=train + test)
    x = generator.standard_normal((train + test, 128)).astype("float32")
    bits = (y[:, None] >> np.array([2, 1, 0])) & 1
    x[:, :3] = alpha * (2 * bits - 1)
    return Dataset(x[:train], y[:train], x[train:], y[train:], classes=8)


def load(name, data_dir=None, download=False, image_size=None):
    """A whole image set.

    Args:
        name: "digits" (scikit-learn, always there) or the TFDS name of an image set.
        data_dir: TFDS folder, or None for TFDS's own default.
        download: prepare the set over the network where it is missing.
        image_size: None to keep the images as they are, or the side of the square they are
            resized to.

    Returns:
        A `Dataset`. Digits, which have no split, are cut at random in half, always the same.

    Raises:
        UsageError: if the set is unknown, not prepared or not one of labelled images, or its images
            differ in size.
    """
    if name == "digits":
        return _digits()
    return _tfds(name, data_dir, download, image_size)


def subset(dataset, size, seed):
    """A data set with a random part of its training examples, all classes alike.

    Args:
        dataset: `Dataset`.
        size: number of training examples, or None for all.
        seed: int of at least 0.

    Returns:
        A `Dataset` with the same test examples. The numbers of examples of two classes differ by
        at most one, where the classes are large enough.

    Raises:
        UsageError: if there are fewer examples.
    """
    if size is None:
        return dataset
    available = len(dataset.y_train)
    if not 1 <= size <= available:
        raise UsageError(
            f"Not enough training examples. Received: train_size={size}. Expected 1 to {available}."
        )
    order = np.random.default_rng(seed).permutation(available)
    labels = dataset.y_train[order]
    # Rank of each example within its class: the first of every class, then the second, ...
    rank = np.empty(available, int)
    for label in np.unique(labels):
        members = np.flatnonzero(labels == label)
        rank[members] = np.arange(len(members))
    kept = order[np.argsort(rank, kind="stable")[:size]]
    return dataclasses.replace(
        dataset, x_train=dataset.x_train[kept], y_train=dataset.y_train[kept]
    )


def batches(x, y, batch_size, seed, first_epoch=0):
    """An endless stream of shuffled batches in which epoch e depends on the seed and e only.

    `order_e = argsort(uniform(seed, e))`; a last batch that is not full is dropped.

    Args:
        x: examples, an array.
        y: labels, an array.
        batch_size: int, at most the number of examples.
        seed: int.
        first_epoch: the epoch to begin with, for training that is resumed.

    Returns:
        A `tf.data.Dataset`, for `fit(..., steps_per_epoch=len(x) // batch_size, shuffle=False)`.
    """
    import tensorflow as tf

    x, y = tf.constant(x), tf.constant(y)

    def indices(epoch):
        key = tf.random.stateless_uniform([len(x)], seed=tf.stack([seed, epoch]))
        order = tf.data.Dataset.from_tensors(tf.argsort(key))
        return order.unbatch().batch(batch_size, drop_remainder=True)

    epochs = tf.data.Dataset.range(first_epoch, tf.int64.max)
    pick = lambda index: (tf.gather(x, index), tf.gather(y, index))  # noqa: E731
    return epochs.flat_map(indices).map(pick).prefetch(2)


def full_batch(x, y):
    """A training set as one batch, over and over."""
    import tensorflow as tf

    return tf.data.Dataset.from_tensors((tf.constant(x), tf.constant(y))).repeat()


def one_batch(x):
    """Examples as a single batch, which costs `predict` less than an array does."""
    import tensorflow as tf

    return tf.data.Dataset.from_tensors(tf.constant(x))


def evaluation_batches(x, y, batch_size=1000):
    """The examples in order, for `evaluate`."""
    import tensorflow as tf

    return tf.data.Dataset.from_tensor_slices((x, y)).batch(batch_size).cache()


def _digits():
    from sklearn.datasets import load_digits

    x, y = load_digits(return_X_y=True)
    x = (x / 16).astype("float32").reshape(-1, 8, 8, 1)
    order = np.random.default_rng(0).permutation(len(x))
    train, test = np.split(order, [len(x) // 2])
    return Dataset(x[train], y[train], x[test], y[test], classes=10)


def _tfds(name, data_dir, download, image_size):
    import tensorflow_datasets as tfds

    try:
        builder = tfds.builder(name, data_dir=data_dir)
    except tfds.core.DatasetNotFoundError:
        raise UsageError(unknown("dataset", name, _known_datasets(data_dir))) from None
    if download:
        builder.download_and_prepare()
    elif not builder.data_path.exists():
        raise UsageError(
            f"The data set is not prepared. Received: dataset='{name}', data_dir={data_dir!r}, "
            f"which lacks {builder.data_path}. Expected a TFDS folder that holds it: run the same "
            f"command with --download, or `tfds build {name} --data_dir {builder.data_dir_root}`."
        )
    features = builder.info.features
    if not {"image", "label"} <= set(features):
        raise UsageError(
            f"'{name}' is no set of labelled images. Received: features {sorted(features)}. "
            "Expected 'image' and 'label'."
        )
    if image_size is None and None in features["image"].shape:
        raise UsageError(
            f"The images of '{name}' differ in size. Received: image_size=None. "
            "Expected a side to resize them to, such as --image-size 64."
        )
    x_train, y_train = _arrays(builder, "train", image_size)
    x_test, y_test = _arrays(builder, "test", image_size)
    return Dataset(x_train, y_train, x_test, y_test, features["label"].num_classes)


def _arrays(builder, split, image_size):
    import tensorflow as tf

    def prepare(example):
        image = tf.cast(example["image"], tf.float32) / 255
        if image_size is not None:
            image = tf.image.resize(image, (image_size, image_size))
        return image, example["label"]

    stream = builder.as_dataset(split=split).map(prepare, num_parallel_calls=tf.data.AUTOTUNE)
    images, labels = zip(*stream.as_numpy_iterator(), strict=True)
    return np.stack(images), np.array(labels)


def _known_datasets(data_dir):
    folder = pathlib.Path(data_dir) if data_dir else None
    prepared = [path.name for path in folder.iterdir()] if folder and folder.is_dir() else []
    return sorted({"digits", *BENCHMARK, *prepared})
