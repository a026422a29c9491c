"""The image sets by name: the catalogue, and `load`.

The 12 sets of Alabdulmohsin et al. 2021 by their TFDS names. Sets whose images all have one size
are kept at that size; the others are resized while they are read, here to 224 (its training images
to 248 where they are augmented). A channel of a pixel takes one byte. TensorFlow keeps a copy of
what it trains on, and needs twice that again for the moment in which a stream begins.

    name               train    test  classes  images       memory   augmented
    oxford_iiit_pet     3680    3669     37    differ       1.1 GB      1.2 GB
    stanford_dogs      12000    8580    120    differ       3.1 GB      3.5 GB
    fashion_mnist      60000   10000     10    28x28x1     0.05 GB     0.05 GB
    cars196             8144    8041    196    differ       2.4 GB      2.7 GB
    mnist_corrupted    60000   10000     10    28x28x1     0.05 GB     0.05 GB
    cifar10_corrupted  50000   10000     10    32x32x3     0.18 GB     0.18 GB
    cifar10            50000   10000     10    32x32x3     0.18 GB     0.18 GB
    caltech101          3060    6084    102    differ       1.4 GB      1.5 GB
    cassava             5656    1885      5    differ       1.1 GB      1.3 GB
    cmaterdb            5000    1000     10    32x32x3     0.02 GB     0.02 GB
    caltech_birds2010   3000    3033    200    differ       0.9 GB      1.0 GB
    cifar100           50000   10000    100    32x32x3     0.18 GB     0.18 GB

The paper's table has 101 classes for caltech101, which TFDS stores with a class of backgrounds, and
4 for cassava, which has five. `cifar10_corrupted` has nothing but test images, those of CIFAR-10
with brightness 1 unless a name such as "cifar10_corrupted/fog_3" says otherwise; one trains on
clean `cifar10`. `cassava` has a validation split of its own, which is not used: the paper's tenth
of the training images is.
"""

import functools

import numpy as np

from experiments.data import reading
from experiments.data.dataset import Dataset, held_out, sizes
from experiments.data.stream import enlarged
from experiments.engine import folders
from experiments.engine.errors import UsageError

# The sets of the paper, in the order of its tables.
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
OTHERS = ("digits", "mnist", "svhn_cropped", "cifar10_jpeg", "caltech101_64px")

TRAINED_ON = {"cifar10_corrupted": "cifar10"}
VALIDATION = 0.1  # the share of the training images that the paper holds out


def load(name, data_dir=None, download=False, image_size=None, validation=0.0, augment=False):
    """A whole image set; each is read once a process.

    Args:
        name: "digits" (scikit-learn, always there); the TFDS name of an image set, with or
            without "/config"; or "folder:PATH", of images in `PATH/train/CLASS` and
            `PATH/test/CLASS`, for what TFDS does not have, such as Tiny ImageNet.
        data_dir: TFDS folder, or None for TFDS's own default.
        download: prepare the set over the network where it is missing.
        image_size: the side of the square that a network will see. Images that differ in size are
            resized to it now; those of one size are kept, for `batches(..., image_size=...)` and
            `evaluation_batches(..., image_size=...)` to resize.
        validation: share of the training split that is held out, in [0, 1), the same examples for
            every seed. The paper's is `VALIDATION`.
        augment: whether `batches` will crop: training images that are resized now are then left
            larger by what it cuts off.

    Returns:
        A `Dataset`, its images bytes (uint8), but for digits: float32 in [0, 1]. Digits, which have
        no test split, are cut at random in half, always the same.

    Raises:
        UsageError: if the set is unknown, not prepared, not one of labelled images, has no training
            or test split, or has images that differ in size while `image_size` is None; or if
            `validation` is not in [0, 1).
    """
    _check_share(validation)
    if name == "digits":
        return _digits(validation)
    train, test = _builders(name, data_dir, download)
    sides = [_side(name, builder, image_size) for builder in (train, test)]
    if augment and sides[0] is not None:
        sides[0] = enlarged(image_size)
    return _read(name, data_dir, *sides, validation, folders.digest(name))


def count(name, data_dir=None, download=False, image_size=None, validation=0.0, size=None):
    """How many examples `subset(load(...), size, seed)` has; no image is read.

    Args:
        name: as `load`.
        data_dir: as `load`.
        download: as `load`.
        image_size: as `load`.
        validation: as `load`.
        size: as `subset`.

    Returns:
        The numbers of training and of validation examples.

    Raises:
        UsageError: as `load` and `subset`.
    """
    _check_share(validation)
    images = folders.digest(name)
    held = held_out(_available(name, data_dir, download, image_size, images), validation)
    return sizes(int(np.sum(~held)), int(np.sum(held)), size)


def check_batch(batch_size, train, dataset):
    """Raise `UsageError` if a batch is larger than the training set, of which `train` are taken."""
    if batch_size > train:
        raise UsageError(
            f"A batch is larger than the training set. Received: batch_size={batch_size} for "
            f"{train} images of '{dataset}'. Expected at most as many."
        )


@functools.lru_cache
def _available(name, data_dir, download, image_size, images):
    """The number of examples of the training split of a set that can be loaded.

    `images` is the digest of a folder's, of which other ones are another set.
    """
    if name == "digits":
        return len(_digits(0.0).y_train)
    builders = _builders(name, data_dir, download)
    for builder, split in zip(builders, ("train", "test"), strict=True):
        _side(name, builder, image_size)
        reading.check_split(builder, split)
    return builders[0].info.splits["train"].num_examples


def _check_share(validation):
    if not 0 <= validation < 1:
        raise UsageError(
            "The validation images are a share of the training split. Received: "
            f"validation={validation}. Expected 0 <= validation < 1."
        )


def _builders(name, data_dir, download):
    """The builders of the training and of the test split."""
    if name.startswith(folders.FOLDER):
        builder = reading.folder(name.removeprefix(folders.FOLDER), folders.digest(name))
        return builder, builder
    known = (*BENCHMARK, *OTHERS)
    test = reading.prepared(name, data_dir, download, known)
    clean = TRAINED_ON.get(test.name)
    return (reading.prepared(clean, data_dir, download, known) if clean else test), test


def _side(name, builder, image_size):
    """The side to which images are resized while they are read, or None."""
    if reading.one_size(builder):
        return None
    if image_size is None:
        raise UsageError(
            f"The images of '{name}' differ in size. Received: image_size=None. "
            "Expected a side to resize them to, such as --image-size 64."
        )
    return image_size


@functools.lru_cache(maxsize=2)
def _read(name, data_dir, train_side, test_side, validation, images):
    """A set of TFDS, read; `images` as in `_available`."""
    train, test = _builders(name, data_dir, download=False)
    x_test, y_test = reading.read(test, "test", test_side)
    x, y = reading.read(train, "train", train_side)
    classes = test.info.features["label"].num_classes
    held = held_out(len(y), validation)
    if train_side == test_side:
        x_held = x[held]
    else:
        x_held, _ = reading.read(train, "train", test_side, kept=held)
    arrays = x[~held], y[~held], x_held, y[held], x_test, y_test
    for array in arrays:
        array.flags.writeable = False
    return Dataset(*arrays, classes)


def _digits(validation):
    from sklearn.datasets import load_digits

    x, y = load_digits(return_X_y=True)
    x = (x / 16).astype("float32").reshape(-1, 8, 8, 1)
    order = np.random.default_rng(0).permutation(len(x))
    train, test = np.split(order, [len(x) // 2])
    held = held_out(len(train), validation)
    train, held = train[~held], train[held]
    return Dataset(x[train], y[train], x[held], y[held], x[test], y[test], classes=10)
