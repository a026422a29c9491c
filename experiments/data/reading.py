"""From TFDS to arrays: which builder, is it prepared, and its images, each read once."""

import functools
import pathlib

import numpy as np

from experiments.engine.errors import UsageError, unknown

# Sets that TFDS cannot download by itself, and how to help it.
BY_HAND = {
    "cars196": (
        "Its address no longer exists: obtain cars_train.tgz, cars_test.tgz, car_devkit.tgz and "
        "cars_test_annos_withlabels.mat elsewhere, put them into {manual}, then use --download."
    ),
    "caltech_birds2010": (
        "Google Drive often refuses the download: fetch images.tgz and lists.tgz of CUB-200 (2010) "
        "in a browser, put them into {manual}, then use --download."
    ),
}
READ_TOGETHER = 256  # images a step, several times as fast as one by one
# Sets that need one more package to be prepared.
NEEDS_SCIPY = ("stanford_dogs", "cars196", "svhn_cropped", "caltech_birds2010")


def prepared(name, data_dir, download, known, kind="image"):
    """The TFDS builder of a prepared set of labelled images or texts.

    Args:
        name: TFDS name, with or without "/config".
        data_dir: TFDS folder, or None for TFDS's own default.
        download: prepare the set over the network where it is missing.
        known: names to propose where there is no such set.
        kind: "image" or "text", the feature that the set has beside "label".

    Raises:
        UsageError: if the set is unknown, not prepared, or not one of this kind.
    """
    builder = _builder(name, data_dir, known)
    if not builder.is_prepared():
        if not download:
            raise UsageError(
                f"The data set is not prepared. Received: dataset='{name}', data_dir={data_dir!r}, "
                f"which lacks {builder.data_path}. Expected a TFDS folder that holds it: run the "
                f"same command with --download, or `tfds build {name} --data_dir "
                f"{builder.data_dir_root}`.{_help(builder)}"
            )
        _download(builder)
    _check_features(name, builder, kind)
    return builder


@functools.lru_cache
def folder(path, images):
    """The builder of a folder of images, `train/CLASS/IMAGE` and `test/CLASS/IMAGE`.

    Args:
        path: the folder; its images are PNG or JPEG files of any size, read with three channels.
        images: their digest: where it is another, the folder is looked at again.

    Raises:
        UsageError: if there is no such folder, a split of it has no image, or a class is in one
            split only.
    """
    import tensorflow_datasets as tfds

    root = pathlib.Path(path).expanduser()
    expected = f"Expected {root}/train/CLASS/IMAGE and {root}/test/CLASS/IMAGE, PNG or JPEG files."
    if not root.is_dir():
        raise UsageError(f"There is no such folder. Received: dataset='folder:{path}'. {expected}")
    classes = {split: _subfolders(root / split) for split in ("train", "test")}
    builder = tfds.ImageFolder(str(root))
    counts = {split: info.num_examples for split, info in builder.info.splits.items()}
    empty = [split for split in classes if not counts.get(split)]
    if empty:
        raise UsageError(
            f"A split of the folder has no image. Received: dataset='folder:{path}', none in "
            f"{empty[0]}/CLASS. {expected}{_tiny_imagenet(root)}"
        )
    single = sorted(classes["train"] ^ classes["test"])
    if single:
        raise UsageError(
            f"The splits have different classes. Received: dataset='folder:{path}', with "
            f"{len(single)} in one of them only, such as '{single[0]}'. "
            f"{expected}{_tiny_imagenet(root)}"
        )
    return builder


def _subfolders(folder):
    return {path.name for path in folder.glob("*/")}


def _tiny_imagenet(root):
    """How to arrange the archive of Tiny ImageNet, as a sentence that begins with a space."""
    if not (root / "val" / "val_annotations.txt").exists():
        return ""
    return (
        " Tiny ImageNet's own layout: move train/CLASS/images/* up into train/CLASS, and the images"
        " of val, whose classes are in val/val_annotations.txt, into test/CLASS; those of its test"
        " have no labels."
    )


def one_size(builder):
    """Whether all images of a set have the same height and width."""
    return None not in builder.info.features["image"].shape


def check_split(builder, split):
    """Raise `UsageError` if a prepared set lacks a split."""
    if split not in builder.info.splits:
        raise UsageError(
            f"'{builder.info.full_name}' lacks a split. Received: splits "
            f"{sorted(builder.info.splits)}. Expected '{split}' among them."
        )


def read(builder, split, side=None, kept=None):
    """Images of a split and their labels, in the order in which they are stored.

    Args:
        builder: builder of a prepared set.
        split: name of the split.
        side: the side of the square that images are resized to (bilinear), or None to keep them.
        kept: bool array, for every example of the split whether it is wanted, or None for all.

    Returns:
        Images, uint8 (n, height, width, channels), and labels, int64 (n,).

    Raises:
        UsageError: if there is no such split.
    """
    import tensorflow as tf
    import tensorflow_datasets as tfds

    check_split(builder, split)
    if kept is None:
        kept = np.ones(builder.info.splits[split].num_examples, bool)
    image_feature = builder.info.features["image"]
    shape = image_feature.shape if side is None else (side, side, image_feature.shape[-1])

    def decoded(example, kept):
        image = image_feature.decode_example(example["image"])
        if side is not None:
            image = tf.cast(tf.round(tf.image.resize(image, (side, side))), tf.uint8)
        return image, example["label"]

    decoders = {"image": tfds.decode.SkipDecoding()}
    if not isinstance(builder, tfds.ImageFolder):
        decoders = tfds.decode.PartialDecoding({"image": True, "label": True}, decoders=decoders)
    once = tfds.ReadConfig(try_autocache=False)
    stream = builder.as_dataset(split=split, decoders=decoders, read_config=once)
    stream = tf.data.Dataset.zip(stream, tf.data.Dataset.from_tensor_slices(kept))
    stream = stream.filter(lambda example, kept: kept)
    stream = stream.map(decoded, num_parallel_calls=tf.data.AUTOTUNE).batch(READ_TOGETHER)

    images = np.empty((np.sum(kept), *shape), "uint8")
    labels = np.empty(len(images), "int64")
    start = 0
    for some, their_labels in stream.as_numpy_iterator():
        stop = start + len(some)
        images[start:stop], labels[start:stop] = some, their_labels
        start = stop
    return images, labels


def _builder(name, data_dir, known):
    import tensorflow_datasets as tfds

    base, _, config = name.partition("/")
    try:
        return tfds.builder(name, data_dir=data_dir)
    except AssertionError as error:  # no such version
        raise UsageError(
            f"The data set cannot be loaded. Received: dataset='{name}', and {error}"
        ) from error
    except ValueError:  # no such set, no such config, or not even a name
        configs = _configs(base)
    if configs:
        raise UsageError(unknown(f"config of '{base}'", config, configs))
    folder = pathlib.Path(data_dir) if data_dir else None
    present = [path.name for path in folder.glob("*/")] if folder else []
    raise UsageError(unknown("dataset", name, sorted({*known, *present})))


def _configs(name):
    """The configs of a set; none where there is no such set."""
    import tensorflow_datasets as tfds

    try:
        return sorted(tfds.builder_cls(name).builder_configs)
    except ValueError:
        return []


def _download(builder):
    try:
        builder.download_and_prepare()
    except Exception as error:  # whatever TFDS, the network or a missing package raises
        raise UsageError(
            f"The data set could not be prepared. Received: dataset='{builder.name}', and "
            f"{type(error).__name__}: {error}{_help(builder)}"
        ) from error


def _help(builder):
    """What else is needed to prepare a set, as sentences that begin with a space."""
    manual = pathlib.Path(builder.data_dir_root, "downloads", "manual")
    text = f" {BY_HAND[builder.name]}".format(manual=manual) if builder.name in BY_HAND else ""
    return text + " It needs scipy." * (builder.name in NEEDS_SCIPY)


def _check_features(name, builder, kind):
    import tensorflow_datasets as tfds

    features = builder.info.features
    types = {"image": tfds.features.Image, "text": tfds.features.Text}
    expected = {kind: types[kind], "label": tfds.features.ClassLabel}
    if not all(key in features and isinstance(features[key], expected[key]) for key in expected):
        raise UsageError(
            f"'{name}' is no set of labelled {kind}s. Received: features {sorted(features)}. "
            f"Expected '{kind}' and 'label'."
        )
