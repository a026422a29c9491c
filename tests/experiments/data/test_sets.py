"""The benchmark sets by name, prepared in miniature and read by TFDS's own reader."""

import os

import numpy as np
import pytest
import tensorflow_datasets as tfds

from experiments import data
from experiments.engine.errors import UsageError

# TFDS's number of classes, and the channels; None: the images of the set differ in size.
CLASSES = {
    "oxford_iiit_pet": 37,
    "stanford_dogs": 120,
    "fashion_mnist": 10,
    "cars196": 196,
    "mnist_corrupted": 10,
    "cifar10_corrupted": 10,
    "cifar10": 10,
    "caltech101": 102,
    "cassava": 5,
    "cmaterdb": 10,
    "caltech_birds2010": 200,
    "cifar100": 100,
}
NATIVE = {
    "fashion_mnist": (28, 28, 1),
    "mnist_corrupted": (28, 28, 1),
    "cifar10_corrupted": (32, 32, 3),
    "cifar10": (32, 32, 3),
    "cmaterdb": (32, 32, 3),
    "cifar100": (32, 32, 3),
}
SIZE = 9
TRAIN, TEST, UNUSED = range(20), range(20, 26), range(26, 30)
STEP = 8  # of brightness, from one example to the next


def example(features, number):
    """An image as bright as its number says, which neither JPEG nor resizing changes."""
    shape = [side or 4 + number % 3 for side in features["image"].shape[:2]]
    values = {
        "image": np.full((*shape, features["image"].shape[2]), STEP * number, "uint8"),
        "label": number % features["label"].num_classes,
    }
    others = {
        tfds.features.Text: "",
        tfds.features.ClassLabel: 0,
        tfds.features.BBoxFeature: tfds.features.BBox(0.0, 0.0, 1.0, 1.0),
        tfds.features.Image: np.zeros((*shape, 1), "uint8"),
        tfds.features.Sequence: [],
    }
    return {key: values.get(key, others[type(feature)]) for key, feature in features.items()}


def prepare(name, folder, **splits):
    """Store examples as the real set: its features, version and configuration."""
    real = tfds.builder(name, data_dir=folder)
    features = real.info.features
    tfds.dataset_builders.store_as_tfds_dataset(
        real.name,
        version=real.version,
        config=real.builder_config,
        features=features,
        split_datasets={
            split: [(number, example(features, number)) for number in numbers]
            for split, numbers in splits.items()
        },
        data_dir=folder,
    )


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A TFDS folder with all 12 sets."""
    path = str(tmp_path_factory.mktemp("tfds"))
    for name in set(data.BENCHMARK) - {"cifar10_corrupted", "cassava"}:
        prepare(name, path, train=TRAIN, test=TEST)
    prepare("cassava", path, train=TRAIN, validation=UNUSED, test=TEST)
    prepare("cifar10_corrupted", path, test=TEST)
    prepare("cifar10_corrupted/fog_3", path, test=UNUSED)
    return path


def numbers(images):
    """Which examples images are, by their brightness, which is the same all over each."""
    brightness = images.reshape(len(images), -1)
    assert np.ptp(brightness.astype(int), axis=1).max(initial=0) <= 2
    return np.rint(brightness.mean(axis=1) / STEP).astype(int)


def load(name, folder, **options):
    image_size = None if name.partition("/")[0] in NATIVE else SIZE
    return data.load(name, folder, image_size=image_size, **options)


def test_the_sets_are_the_twelve_of_the_paper():
    assert set(data.BENCHMARK) == set(CLASSES)


@pytest.mark.parametrize("name", data.BENCHMARK)
def test_a_tenth_of_train_is_validation_and_test_is_test(name, folder):
    loaded = load(name, folder, validation=data.VALIDATION)
    train, validation = numbers(loaded.x_train), numbers(loaded.x_validation)
    assert len(validation) == 2
    assert sorted([*train, *validation]) == list(TRAIN)
    assert sorted(numbers(loaded.x_test)) == list(TEST)
    for images, labels in (
        (loaded.x_train, loaded.y_train),
        (loaded.x_validation, loaded.y_validation),
        (loaded.x_test, loaded.y_test),
    ):
        np.testing.assert_array_equal(labels, numbers(images) % loaded.classes)


@pytest.mark.parametrize("name", data.BENCHMARK)
def test_sizes_channels_and_classes_are_those_of_tfds(name, folder):
    loaded = load(name, folder)
    shape = NATIVE.get(name, (SIZE, SIZE, 3))
    assert loaded.classes == CLASSES[name]
    assert loaded.x_train.shape == (20, *shape)
    assert loaded.x_validation.shape == (0, *shape)
    assert loaded.x_test.shape == (6, *shape)
    assert {loaded.x_train.dtype, loaded.x_test.dtype} == {np.dtype("uint8")}


@pytest.mark.parametrize("name", ["cassava", "cifar10"])
def test_augmented_training_images_leave_room_for_the_crop(name, folder):
    loaded = data.load(name, folder, image_size=28, validation=0.1, augment=True)
    train, held = (32, 32) if name == "cifar10" else (31, 28)  # 28 * 248 / 224 = 31
    assert loaded.x_train.shape == (18, train, train, 3)
    assert loaded.x_validation.shape == (2, held, held, 3)
    assert loaded.x_test.shape == (6, held, held, 3)
    plain = data.load(name, folder, image_size=28, validation=0.1)
    assert sorted([*numbers(loaded.x_train), *numbers(loaded.x_validation)]) == list(TRAIN)
    np.testing.assert_array_equal(loaded.y_train, numbers(loaded.x_train) % loaded.classes)
    np.testing.assert_array_equal(loaded.x_validation, plain.x_validation)
    np.testing.assert_array_equal(loaded.y_validation, plain.y_validation)


def test_a_corruption_is_chosen_by_name_and_trained_on_clean_images(folder):
    loaded = load("cifar10_corrupted/fog_3", folder)
    assert sorted(numbers(loaded.x_train)) == list(TRAIN)
    assert sorted(numbers(loaded.x_test)) == list(UNUSED)


def test_an_unknown_corruption_names_the_nearest(folder):
    with pytest.raises(UsageError, match="Received: 'fog3'. Did you mean 'fog_3'?"):
        load("cifar10_corrupted/fog3", folder)


def test_a_set_is_read_once_and_cannot_be_changed(folder):
    loaded = load("cmaterdb", folder)
    assert load("cmaterdb", folder) is loaded
    with pytest.raises(ValueError, match="read-only"):
        loaded.x_train[0] = 0


def test_images_that_differ_in_size_need_one(folder):
    with pytest.raises(UsageError, match="'cassava' differ in size. Received: image_size=None"):
        data.load("cassava", folder)


@pytest.mark.parametrize("lacking", ["train", "test"])
def test_a_set_needs_both_splits(tmp_path, lacking):
    present = {"train", "test"} - {lacking}
    prepare("mnist", tmp_path, **dict.fromkeys(present, TEST))
    with pytest.raises(UsageError, match=f"Received: splits .* Expected '{lacking}' among"):
        data.load("mnist", str(tmp_path))


def test_clean_images_are_needed_for_corrupted_ones(tmp_path):
    prepare("cifar10_corrupted", tmp_path, test=TEST)
    with pytest.raises(UsageError, match="not prepared. Received: dataset='cifar10',"):
        data.load("cifar10_corrupted", str(tmp_path))


@pytest.mark.parametrize(
    ("name", "advice"),
    [("cars196", "car_devkit.tgz"), ("caltech_birds2010", "lists.tgz"), ("stanford_dogs", "scipy")],
)
def test_what_cannot_be_downloaded_says_what_to_do(tmp_path, name, advice):
    with pytest.raises(UsageError, match=advice) as caught:
        data.load(name, str(tmp_path), image_size=SIZE)
    assert "--download" in str(caught.value)


def test_files_fetched_by_hand_are_looked_at_first(tmp_path):
    manual = tmp_path / "downloads" / "manual"
    manual.mkdir(parents=True)
    for file in ("cars_train.tgz", "cars_test.tgz", "car_devkit.tgz"):
        (manual / file).write_text("not the real archive")
    (manual / "cars_test_annos_withlabels.mat").write_text("nor this")
    with pytest.raises(UsageError, match="NonMatchingChecksum") as caught:
        data.load("cars196", str(tmp_path), download=True, image_size=SIZE)
    assert str(manual) in str(caught.value)


@pytest.mark.parametrize("name", ["cassava", "cifar10_corrupted", "cmaterdb"])
@pytest.mark.parametrize("size", [None, 7])
def test_a_set_is_counted_without_being_read(name, size, folder):
    options = {"image_size": SIZE, "validation": 0.4}
    part = data.subset(data.load(name, folder, **options), size, seed=0)
    expected = len(part.y_train), len(part.y_validation)
    assert data.count(name, folder, size=size, **options) == expected


def test_an_unknown_set_is_compared_with_the_folders_there(tmp_path):
    (tmp_path / "flowers").mkdir()
    (tmp_path / "flower.txt").write_text("")
    for name in ("flower", "flower.txt", "my-flowers"):  # the last two cannot be names at all
        with pytest.raises(UsageError, match="Did you mean 'flowers'") as caught:
            data.count(name, str(tmp_path))
        assert "'flower.txt'," not in str(caught.value)


@pytest.mark.parametrize("validation", [-0.1, 1, True])
def test_a_share_is_less_than_one(validation):
    with pytest.raises(ValueError, match="Expected 0 <= validation < 1"):
        data.load("digits", validation=validation)


@pytest.mark.parametrize(
    ("name", "train", "test"), [("cmaterdb", 5000, 1000), ("fashion_mnist", 60000, 10000)]
)
def test_real_sets_have_no_image_of_test_in_train(name, train, test):
    data_dir = os.environ.get("TFDS_DATA_DIR", "")
    if not os.path.isdir(os.path.join(data_dir, name)):
        pytest.skip(f"{name} is not prepared in TFDS_DATA_DIR")
    loaded = data.load(name, data_dir, validation=data.VALIDATION)
    assert loaded.x_train.shape == (train * 9 // 10, *NATIVE[name])
    assert loaded.x_validation.shape == (train // 10, *NATIVE[name])
    assert loaded.x_test.shape == (test, *NATIVE[name])
    parts = [
        {image.tobytes() for image in images}
        for images in (loaded.x_train, loaded.x_validation, loaded.x_test)
    ]
    assert sum(map(len, parts)) > 0.95 * (train + test)
    labels = np.concatenate([loaded.y_train, loaded.y_validation])
    assert len(set(np.bincount(labels))) == 1
