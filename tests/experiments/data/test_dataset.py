"""Data sets: the generated task, digits, subsets, and any set that TFDS has prepared."""

import numpy as np
import pytest

from experiments import data
from experiments.engine.errors import UsageError


@pytest.mark.parametrize("alpha", [0.5, 2.0])
def test_signs_of_the_first_three_coordinates_encode_the_label(alpha):
    task = data.synthetic(alpha, seed=3, train=40, test=60)
    assert task.x_train.shape == (40, 128)
    assert task.x_test.shape == (60, 128)
    for x, y in ((task.x_train, task.y_train), (task.x_test, task.y_test)):
        assert set(np.unique(np.abs(x[:, :3]))) == {alpha}
        np.testing.assert_array_equal((x[:, :3] > 0) @ [4, 2, 1], y)


def test_classes_zero_and_five_are_as_in_the_paper():
    task = data.synthetic(1.0, seed=0)
    assert (task.x_train[task.y_train == 0, :3] == [-1, -1, -1]).all()
    assert (task.x_train[task.y_train == 5, :3] == [1, -1, 1]).all()


def test_alpha_scales_the_signal_and_nothing_else():
    weak, strong = data.synthetic(0.5, seed=1), data.synthetic(2.0, seed=1)
    np.testing.assert_array_equal(weak.x_test[:, 3:], strong.x_test[:, 3:])
    np.testing.assert_array_equal(4 * weak.x_test[:, :3], strong.x_test[:, :3])
    assert weak.x_test[:, 3:].std() == pytest.approx(1, abs=0.01)


def test_seeds_differ():
    assert (data.synthetic(1.0, 0).x_train != data.synthetic(1.0, 1).x_train)[:, 3:].all()


def test_digits_are_split_once_and_scaled():
    digits = data.load("digits")
    assert digits.x_train.shape[1:] == (8, 8, 1)
    assert len(digits.x_train) + len(digits.x_test) == 1797
    assert (digits.x_train.min(), digits.x_train.max()) == (0, 1)
    np.testing.assert_array_equal(digits.y_test, data.load("digits").y_test)


def test_a_subset_has_all_classes_alike_and_follows_the_seed():
    digits = data.load("digits")
    first, again, other = (data.subset(digits, 35, seed) for seed in (0, 0, 1))
    assert sorted(np.bincount(first.y_train)) == [3] * 5 + [4] * 5
    np.testing.assert_array_equal(first.x_train, again.x_train)
    assert (first.x_train != other.x_train).any()
    assert first.x_test is digits.x_test


def test_a_subset_cannot_be_larger_than_the_set():
    with pytest.raises(UsageError, match="Received: train_size=900. Expected 1 to 898."):
        data.subset(data.load("digits"), 900, seed=0)


def test_a_tenth_of_the_training_digits_is_validation_test_is_untouched():
    whole, part = data.load("digits"), data.load("digits", validation=data.VALIDATION)
    assert len(whole.x_validation) == 0
    assert (len(part.x_train), len(part.x_validation)) == (808, 90)
    np.testing.assert_array_equal(part.x_test, whole.x_test)
    numbers = {image.tobytes(): number for number, image in enumerate(whole.x_train)}
    found = [numbers[image.tobytes()] for image in [*part.x_train, *part.x_validation]]
    assert len(set(found)) == len(numbers)
    labels = np.concatenate([part.y_train, part.y_validation])
    np.testing.assert_array_equal(labels, whole.y_train[found])


def test_the_size_of_a_subset_counts_training_and_validation():
    digits = data.load("digits", validation=data.VALIDATION)
    part = data.subset(digits, 200, seed=0)
    assert list(np.bincount(part.y_train)) == [18] * 10
    assert list(np.bincount(part.y_validation)) == [2] * 10
    assert (part.x_validation != data.subset(digits, 200, seed=1).x_validation).any()
    held = {image.tobytes() for image in digits.x_validation}
    assert {image.tobytes() for image in part.x_validation} <= held
    assert not {image.tobytes() for image in part.x_train} & held
    whole = data.subset(digits, 898, seed=0)
    assert (len(whole.x_train), len(whole.x_validation)) == (808, 90)


@pytest.fixture(scope="module")
def data_dir(tmp_path_factory):
    """A TFDS folder with one set of 6 x 6 images in 3 classes."""
    import tensorflow_datasets as tfds

    folder = tmp_path_factory.mktemp("tfds")
    rng = np.random.default_rng(0)
    examples = {
        split: [
            (i, {"image": rng.integers(256, size=(6, 6, 1), dtype=np.uint8), "label": i % 3})
            for i in range(size)
        ]
        for split, size in (("train", 12), ("test", 6))
    }
    features = {
        "image": tfds.features.Image(shape=(6, 6, 1)),
        "label": tfds.features.ClassLabel(num_classes=3),
    }
    tfds.dataset_builders.store_as_tfds_dataset(
        "shapes",
        version="1.0.0",
        features=tfds.features.FeaturesDict(features),
        split_datasets=examples,
        data_dir=folder,
    )
    return folder


def test_any_prepared_set_of_labelled_images_is_read_whole(data_dir):
    shapes = data.load("shapes", data_dir)
    assert shapes.x_train.shape == (12, 6, 6, 1)
    assert shapes.x_test.shape == (6, 6, 6, 1)
    assert shapes.classes == 3
    assert shapes.x_train.dtype == np.uint8
    assert list(np.bincount(shapes.y_train)) == [4, 4, 4]


def test_an_unknown_set_names_the_nearest(data_dir):
    with pytest.raises(UsageError, match="Received: 'shape'. Did you mean 'shapes'?"):
        data.load("shape", data_dir)
    with pytest.raises(UsageError, match="Did you mean 'digits'?"):
        data.load("digit")


def test_a_set_that_is_not_prepared_says_what_to_run(data_dir):
    with pytest.raises(UsageError, match="not prepared.*cmaterdb.*--download") as caught:
        data.load("cmaterdb", data_dir)
    assert str(data_dir) in str(caught.value)
