"""Labelled texts by their TFDS names, as numbered words.

Words are numbered first, and a vocabulary is chosen afterwards, from the texts that a network is
trained on: those held out and those of the test set have no say in it.
"""

import functools
import itertools
import re

import numpy as np

from experiments.data import reading
from experiments.data.dataset import sizes, without_validation

TEXTS = ("imdb_reviews", "imdb_reviews_labelled")
PADDING, UNKNOWN = 0, 1  # the words of a vocabulary follow

_MARKUP = re.compile(r"<[^>]*>")
_WORD = re.compile(r"\w+(?:'\w+)*")


def words(text):
    """The words of a text, one after the other: lower case, without punctuation and mark-up.

    Example:
        >>> list(words("It isn't<br />GOOD."))
        ['it', "isn't", 'good']
    """
    return (match.group() for match in _WORD.finditer(_MARKUP.sub(" ", text.lower())))


def load_text(name, data_dir=None, download=False, length=256):
    """A whole set of texts; each is read once a process.

    Args:
        name: TFDS name of a set with "text" and "label".
        data_dir: TFDS folder, or None for TFDS's own default.
        download: prepare the set over the network where it is missing.
        length: the first so many words of a text are kept; shorter ones are padded with
            `PADDING` at the end.

    Returns:
        A `Dataset` of int32 numbers (n, length), one for every word that occurs at all, in the
        order in which they first do: for `in_vocabulary`.

    Raises:
        UsageError: if the set is unknown, not prepared, or not one of labelled texts.
    """
    _builder(name, data_dir, download)
    return _read(name, data_dir, length)


def count_text(name, data_dir=None, download=False, size=None):
    """How many training texts a part of a set has; no text is read.

    Args:
        name: as `load_text`.
        data_dir: as `load_text`.
        download: as `load_text`.
        size: number of texts of the part, or None for all.

    Returns:
        The numbers of training and of validation texts, as `experiments.data.count`: none of those.

    Raises:
        UsageError: as `load_text`, or if there are fewer texts.
    """
    return sizes(_builder(name, data_dir, download).info.splits["train"].num_examples, 0, size)


def in_vocabulary(training, size):
    """Renumber words by how often they occur in training texts.

    Args:
        training: numbered words of these texts, as `load_text` returns them.
        size: numbers of the vocabulary, `PADDING` and `UNKNOWN` included, at least 3.

    Returns:
        A function from numbered words to numbers in [0, size), int32: the most frequent word is
        2; rarer words than there is room for, and those of no training text, are `UNKNOWN`.

    Example:
        >>> limited = in_vocabulary(whole.x_train, 5000)
        >>> x_train, x_test = limited(whole.x_train), limited(whole.x_test)
    """
    counts = np.bincount(training.ravel())
    counts[PADDING] = 0
    frequent = np.argsort(-counts, kind="stable")[: size - 2]
    frequent = frequent[counts[frequent] > 0]

    def limited(numbered):
        table = np.full(max(len(counts), numbered.max(initial=0) + 1), UNKNOWN, "int32")
        table[PADDING] = PADDING
        table[frequent] = np.arange(2, 2 + len(frequent))
        return table[numbered]

    return limited


def _builder(name, data_dir, download):
    builder = reading.prepared(name, data_dir, download, TEXTS, kind="text")
    for split in ("train", "test"):
        reading.check_split(builder, split)
    return builder


@functools.lru_cache(maxsize=1)
def _read(name, data_dir, length):
    import tensorflow_datasets as tfds

    builder = _builder(name, data_dir, download=False)
    once = tfds.ReadConfig(try_autocache=False)
    numbers: dict[str, int] = {}
    arrays = []
    for split in ("train", "test"):
        stored = builder.info.splits[split].num_examples
        x, y = np.full((stored, length), PADDING, "int32"), np.empty(stored, "int64")
        stream = builder.as_dataset(split=split, batch_size=reading.READ_TOGETHER, read_config=once)
        row = 0
        for batch in stream.as_numpy_iterator():
            for text, label in zip(batch["text"], batch["label"], strict=True):
                first = itertools.islice(words(text.decode()), length)
                found = [numbers.setdefault(word, len(numbers) + 1) for word in first]
                x[row, : len(found)], y[row] = found, label
                row += 1
        arrays += [x, y]
    for array in arrays:
        array.flags.writeable = False
    x_train, y_train, x_test, y_test = arrays
    classes = builder.info.features["label"].num_classes
    return without_validation(x_train, y_train, x_test, y_test, classes)
