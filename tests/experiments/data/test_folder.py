"""A folder of images as a data set: what TFDS does not have, such as Tiny ImageNet."""

import re

import keras
import numpy as np
import pytest

from experiments import data
from experiments.engine.errors import UsageError
from experiments.engine.experiment import Context
from experiments.papers.zaidi2022 import regularized_run

CLASSES = ("bird", "cat", "dog")
COUNTS = {"train": 6, "test": 2}  # of each class


@pytest.fixture
def folder(tmp_path):
    """Images of three classes, each of one color of its own, in two sizes, one of them gray."""
    for split, count in COUNTS.items():
        for label, name in enumerate(CLASSES):
            place = tmp_path / split / name
            place.mkdir(parents=True)
            for number in range(count):
                side, channels = 8 + 4 * (number % 2), 1 if number == 0 else 3
                image = np.full((side, side, channels), 50 * label + number, "uint8")
                keras.utils.save_img(place / f"{number}.png", image, scale=False)
    return tmp_path


def test_a_folder_is_read_with_its_labels(folder):
    found = data.load(f"folder:{folder}", image_size=8, validation=1 / 3)
    assert found.classes == 3
    assert found.x_train.shape == (12, 8, 8, 3)
    assert found.x_validation.shape == (6, 8, 8, 3)
    assert found.x_test.shape == (6, 8, 8, 3)
    for images, labels in (
        (found.x_train, found.y_train),
        (found.x_validation, found.y_validation),
        (found.x_test, found.y_test),
    ):
        assert images.dtype == np.uint8
        np.testing.assert_array_equal(images[:, 0, 0, 0] // 50, labels)
        assert (images == images[:, :1, :1, :1]).all()
    trained = np.concatenate([found.x_train, found.x_validation])[:, 0, 0, 0]
    assert sorted(trained) == [50 * label + number for label in range(3) for number in range(6)]


def test_its_images_are_counted_without_reading_them(folder):
    for file in folder.rglob("*.png"):
        file.write_bytes(b"")
    assert data.count(f"folder:{folder}", image_size=8, validation=1 / 3) == (12, 6)


def test_its_images_need_a_size(folder):
    with pytest.raises(UsageError, match="differ in size. Received: image_size=None"):
        data.count(f"folder:{folder}")


def test_a_run_trains_on_a_folder(folder):
    run = regularized_run.RegularizedRun(
        f"folder:{folder}", "scnn", "BL", image_size=8, epochs=1, batch_size=6, augment=True
    )
    result = run.execute(Context())
    assert (result["classes"], result["steps"]) == (3, 3)


def test_there_is_no_such_folder(tmp_path):
    with pytest.raises(UsageError, match=r"no such folder. Received: dataset='folder:.*/nowhere'"):
        data.load(f"folder:{tmp_path}/nowhere", image_size=8)


def test_a_split_without_images(tmp_path):
    (tmp_path / "train" / "cat" / "images").mkdir(parents=True)
    expected = re.escape(f"none in train/CLASS. Expected {tmp_path}/train/CLASS/IMAGE")
    with pytest.raises(UsageError, match=expected):
        data.load(f"folder:{tmp_path}", image_size=8)
    (tmp_path / "val").mkdir()
    (tmp_path / "val" / "val_annotations.txt").touch()
    (tmp_path / "train" / "dog").mkdir()  # the folder is looked at again
    with pytest.raises(UsageError, match="Tiny ImageNet's own layout: move"):
        data.load(f"folder:{tmp_path}", image_size=8)


def test_the_splits_have_the_same_classes(folder):
    (folder / "test" / "cat").rename(folder / "test" / "images")
    with pytest.raises(UsageError, match="with 2 in one of them only, such as 'cat'"):
        data.load(f"folder:{folder}", image_size=8)
