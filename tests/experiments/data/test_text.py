"""Texts by name, prepared in miniature: their words, their numbers, the vocabulary of some."""

import numpy as np
import pytest
import tensorflow_datasets as tfds

from experiments import data
from experiments.data import text
from experiments.engine.errors import UsageError

TRAIN = [("A good film.<br /><br />GOOD!", 1), ("A bad film", 0), ("It isn't good", 1)]
TEST = [("A film of zebras", 0)]
WORDS = ["a", "good", "film", "bad", "it", "isn't", "of", "zebras"]  # in order of appearance


def prepare(name, folder, features, **splits):
    tfds.dataset_builders.store_as_tfds_dataset(
        name, version="1.0.0", features=features, split_datasets=splits, data_dir=folder
    )


def examples(pairs):
    return [(number, {"text": x, "label": y}) for number, (x, y) in enumerate(pairs)]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A TFDS folder with a set of texts, one without a test split, and a set of images."""
    path = str(tmp_path_factory.mktemp("tfds"))
    features = {"text": tfds.features.Text(), "label": tfds.features.ClassLabel(num_classes=2)}
    features = tfds.features.FeaturesDict(features)
    prepare("imdb_reviews_labelled", path, features, train=examples(TRAIN), test=examples(TEST))
    prepare("untested", path, features, train=examples(TRAIN))
    features = tfds.features.FeaturesDict(
        {
            "image": tfds.features.Image(shape=(2, 2, 1)),
            "label": tfds.features.ClassLabel(num_classes=2),
        }
    )
    image = {"image": np.zeros((2, 2, 1), "uint8"), "label": 0}
    prepare("pictures", path, features, train=[(0, image)], test=[(0, image)])
    return path


def load(folder, length=6):
    return data.load_text("imdb_reviews_labelled", folder, length=length)


def spelled(numbers, names):
    """Rows of numbers as rows of words, without the padding."""
    return [[names[n - 1] for n in row if n != text.PADDING] for row in numbers]


def test_words_are_numbered_in_the_order_of_their_appearance(folder):
    whole = load(folder)
    assert spelled(whole.x_train, WORDS) == [
        ["a", "good", "film", "good"],
        ["a", "bad", "film"],
        ["it", "isn't", "good"],
    ]
    assert spelled(whole.x_test, WORDS) == [["a", "film", "of", "zebras"]]
    assert whole.x_train.dtype == "int32"
    assert whole.y_train.tolist() == [1, 0, 1]
    assert whole.classes == 2


def test_a_long_text_is_cut_and_a_short_one_padded_at_its_end(folder):
    assert load(folder, length=2).x_train.tolist() == [[1, 2], [1, 3], [4, 5]]
    assert load(folder, length=5).x_train[1].tolist() == [1, 4, 3, 0, 0]


def test_the_vocabulary_is_that_of_the_training_texts_alone(folder):
    whole = load(folder)
    # "a" and "film" are in both texts, "good" twice in one; the first of equals comes first.
    limited = data.in_vocabulary(whole.x_train[:2], size=6)
    names = ["[unknown]", "a", "good", "film", "bad"]
    assert spelled(limited(whole.x_train[:2]), names) == [
        ["a", "good", "film", "good"],
        ["a", "bad", "film"],
    ]
    assert spelled(limited(whole.x_train[2:]), names) == [["[unknown]", "[unknown]", "good"]]
    assert spelled(limited(whole.x_test), names) == [["a", "film", "[unknown]", "[unknown]"]]
    assert limited(whole.x_test).dtype == "int32"


def test_a_small_vocabulary_keeps_the_most_frequent_words(folder):
    whole = load(folder)
    limited = data.in_vocabulary(whole.x_train, size=3)
    assert spelled(limited(whole.x_train), ["[unknown]", "good"])[0] == [
        "[unknown]",
        "good",
        "[unknown]",
        "good",
    ]


def test_a_large_vocabulary_has_no_more_words_than_there_are(folder):
    whole = load(folder)
    assert data.in_vocabulary(whole.x_train, size=1000)(whole.x_train).max() == 1 + 6


def test_texts_are_counted_without_being_read(folder, monkeypatch):
    monkeypatch.setattr(text, "_read", None)
    assert data.count_text("imdb_reviews_labelled", folder) == (3, 0)
    assert data.count_text("imdb_reviews_labelled", folder, size=2) == (2, 0)
    with pytest.raises(UsageError, match="Received: train_size=4. Expected 1 to 3."):
        data.count_text("imdb_reviews_labelled", folder, size=4)


@pytest.mark.parametrize("read", [data.load_text, data.count_text])
def test_what_is_no_set_of_texts_is_refused(folder, read):
    with pytest.raises(UsageError, match="'pictures' is no set of labelled texts.*Expected 'text'"):
        read("pictures", folder)
    with pytest.raises(UsageError, match="lacks a split"):
        read("untested", folder)
    with pytest.raises(UsageError, match="Did you mean 'imdb_reviews"):
        read("imdb_review", folder)


def test_a_set_that_is_not_prepared_says_how_to_prepare_it(folder):
    with pytest.raises(UsageError, match="tfds build imdb_reviews "):
        data.load_text("imdb_reviews", folder)
