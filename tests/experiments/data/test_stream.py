"""Batches: order, augmentation against a NumPy reference, and what evaluation sees."""

import hashlib
import itertools
import subprocess
import sys

import numpy as np
import pytest

from experiments import data
from experiments.engine.errors import UsageError


def arrays(stream, count):
    """The first batches of a stream as NumPy arrays."""
    return [(x.numpy(), y.numpy()) for x, y in itertools.islice(stream, count)]


def orders_of(stream, count):
    labels = np.concatenate([y for _, y in arrays(stream, 2 * count)])
    return labels.reshape(count, -1).tolist()


def test_the_order_of_an_epoch_depends_on_seed_and_epoch_alone():
    x, y = np.arange(5, dtype="float32"), np.arange(5)
    epochs = orders_of(data.batches(x, y, 2, seed=0), 6)
    assert len({tuple(labels) for labels in epochs}) > 1
    assert all(len(set(labels)) == 4 for labels in epochs)
    assert orders_of(data.batches(x, y, 2, seed=0), 6) == epochs
    assert orders_of(data.batches(x, y, 2, seed=0, first_epoch=4), 2) == epochs[4:]
    assert orders_of(data.batches(x, y, 2, seed=1), 6) != epochs


def test_the_order_is_that_of_earlier_results():
    y = np.arange(5)
    orders = orders_of(data.batches(y.astype("float32"), y, 2, seed=0), 3)
    assert orders == [[0, 4, 1, 3], [0, 3, 4, 2], [0, 4, 1, 2]]


def test_batches_keep_examples_and_labels_together():
    x, y = np.arange(8, dtype="float32"), np.arange(8)
    for examples, labels in arrays(data.batches(x, y, 3, seed=0), 4):
        np.testing.assert_array_equal(examples, labels)


def test_a_batch_cannot_hold_more_than_there_is():
    x, y = np.zeros(4, "float32"), np.zeros(4, int)
    with pytest.raises(UsageError, match="Received: batch_size=5, 4 examples."):
        data.batches(x, y, 5, seed=0)


def test_bytes_become_floats_in_0_1_and_floats_stay_as_they_are(rng):
    y = np.zeros(3, int)
    pixels = rng.integers(256, size=(3, 4, 4, 1), dtype=np.uint8)
    ((seen, _),) = arrays(data.evaluation_batches(pixels, y), 1)
    np.testing.assert_array_equal(seen, pixels.astype("float32") / 255)
    (trained, _), *_ = arrays(data.batches(pixels, y, 3, seed=0), 1)
    np.testing.assert_array_equal(np.sort(trained.ravel()), np.sort(seen.ravel()))
    numbers = rng.normal(size=(3, 7)).astype("float32")
    ((seen, _),) = arrays(data.evaluation_batches(numbers, y), 1)
    np.testing.assert_array_equal(seen, numbers)


# Augmentation ----------------------------------------------------------------------------------

SIDE, LARGE = 28, 31  # LARGE = round(28 * 248 / 224)


@pytest.fixture(scope="module")
def large():
    """512 different images that need no enlargement: a crop is then an exact cut."""
    rng = np.random.default_rng(0)
    return rng.integers(256, size=(512, LARGE, LARGE, 2), dtype=np.uint8), np.arange(512)


def crops(images):
    """All crops of images: array (rows, columns, 2 for plain and mirrored, n, ...)."""
    places = range(images.shape[1] - SIDE + 1)
    cuts = [[images[:, i : i + SIDE, j : j + SIDE] for j in places] for i in places]
    return np.array([[(cut, cut[:, :, ::-1]) for cut in row] for row in cuts])


def found_in(batch, images):
    """For each image of a batch, the only (row, column, mirrored) whose pixels it has."""
    whole = crops(images)
    same = (np.rint(255 * batch).astype("uint8") == whole).all(axis=(-3, -2, -1))
    assert (same.sum(axis=(0, 1, 2)) == 1).all()
    return np.array([np.argwhere(same[..., n])[0] for n in range(len(batch))])


def test_every_image_is_a_crop_half_are_mirrored_all_places_alike(large):
    x, y = large
    ((batch, labels),) = arrays(data.batches(x, y, 512, seed=0, image_size=SIDE, augment=True), 1)
    assert batch.dtype == np.float32
    found = found_in(batch, x[labels])
    rows, columns, mirrored = found.T
    assert 0.4 < mirrored.mean() < 0.6  # 4.5 standard deviations
    for places in (rows, columns):
        counts = np.bincount(places, minlength=4)
        assert len(counts) == 4
        assert counts.min() > 85  # expected 128, 4.4 standard deviations
    assert np.abs(np.corrcoef(found.T)[np.triu_indices(3, 1)]).max() < 0.2


def test_draws_change_with_epoch_and_seed_and_position(large):
    x, y = large[0][:4], large[1][:4]
    stream = data.batches(x, y, 4, seed=0, image_size=SIDE, augment=True)
    other = data.batches(x, y, 4, seed=1, image_size=SIDE, augment=True)
    drawn = [
        found_in(batch, x[labels]).tolist()
        for batch, labels in [*arrays(stream, 3), *arrays(other, 1)]
    ]
    assert len({str(draws) for draws in drawn}) == 4
    assert len({str(draw) for draw in drawn[0]}) > 1


def test_the_order_does_not_depend_on_augmentation_nor_augmentation_on_the_batch(large):
    x, y = large[0][:12], large[1][:12]
    whole = arrays(data.batches(x, y, 12, seed=3, image_size=SIDE, augment=True), 2)
    thirds = arrays(data.batches(x, y, 4, seed=3, image_size=SIDE, augment=True), 6)
    plain = arrays(data.batches(x, y, 4, seed=3, image_size=SIDE), 6)
    np.testing.assert_array_equal(
        np.concatenate([batch for batch, _ in whole]), np.concatenate([b for b, _ in thirds])
    )
    for (_, labels), (_, same) in zip(thirds, plain, strict=True):
        np.testing.assert_array_equal(labels, same)


def bilinear(images, side):
    """Resize in NumPy: pixel i of the result looks at (i + 1/2) * size / side - 1/2."""
    size = images.shape[1]
    place = np.clip((np.arange(side) + 0.5) * size / side - 0.5, 0, size - 1)
    weights = np.maximum(0, 1 - np.abs(place[:, None] - np.arange(size)))
    return np.einsum("ip,jq,npqc->nijc", weights, weights, images)


def test_small_images_are_enlarged_before_the_crop(rng):
    x, y = rng.integers(256, size=(16, 12, 12, 3), dtype=np.uint8), np.arange(16)
    (batch, labels), *_ = arrays(data.batches(x, y, 16, seed=0, image_size=SIDE, augment=True), 1)
    difference = np.abs(255 * batch - crops(bilinear(x[labels].astype(float), LARGE)))
    best = difference.max(axis=(-3, -2, -1)).min(axis=(0, 1, 2))
    assert best.max() < 1e-2


def test_with_padding_every_image_is_a_crop_of_itself_among_zeros(rng):
    x, y = rng.integers(1, 256, size=(256, SIDE, SIDE, 2), dtype=np.uint8), np.arange(256)
    options = {"seed": 0, "image_size": SIDE, "augment": True, "padding": 2}
    ((batch, labels),) = arrays(data.batches(x, y, 256, **options), 1)
    padded = np.pad(x[labels], ((0, 0), (2, 2), (2, 2), (0, 0)))
    rows, columns, mirrored = found_in(batch, padded).T
    assert set(rows) == set(columns) == set(range(5))
    assert 0.35 < mirrored.mean() < 0.65


def test_without_augmentation_images_are_only_resized(rng):
    x, y = rng.integers(256, size=(5, 12, 12, 3), dtype=np.uint8), np.arange(5)
    expected = bilinear(x.astype(float), 20) / 255
    for stream in (
        data.batches(x, y, 5, seed=0, image_size=20),
        data.evaluation_batches(x, y, 5, image_size=20),
    ):
        ((batch, labels),) = arrays(stream, 1)
        np.testing.assert_allclose(batch, expected[labels], atol=1e-5)
    np.testing.assert_allclose(next(iter(data.one_batch(x, 20))), expected, atol=1e-5)
    assert data.input_shape(x, 20) == (20, 20, 3)
    assert data.input_shape(x) == (12, 12, 3)


@pytest.mark.parametrize("limit", [0, 2**28])
def test_evaluation_sees_all_images_in_order_always_the_same(large, monkeypatch, limit):
    monkeypatch.setattr("experiments.data.stream.CACHE_BYTES", limit)
    x, y = large[0][:10], large[1][:10]
    stream = data.evaluation_batches(x, y, 4)
    for _ in range(2):
        batches = arrays(stream, 99)
        assert [len(labels) for _, labels in batches] == [4, 4, 2]
        np.testing.assert_array_equal(np.concatenate([labels for _, labels in batches]), y)
        seen = np.concatenate([batch for batch, _ in batches])
        np.testing.assert_array_equal(seen, x.astype("float32") / 255)


PROGRAM = """
import hashlib, itertools
import numpy as np
from experiments import data

x = np.random.default_rng(0).integers(256, size=(10, 12, 12, 3), dtype=np.uint8)
stream = data.batches(x, np.arange(10), 4, 7, first_epoch=3, image_size=16, augment=True)
digest = hashlib.sha256()
for batch, labels in itertools.islice(stream, 4):
    digest.update(batch.numpy().tobytes() + labels.numpy().tobytes())
print(digest.hexdigest())
"""


def test_training_resumed_in_another_process_sees_the_same_bits():
    x = np.random.default_rng(0).integers(256, size=(10, 12, 12, 3), dtype=np.uint8)
    whole = data.batches(x, np.arange(10), 4, 7, image_size=16, augment=True)
    digest = hashlib.sha256()
    for batch, labels in arrays(whole, 10)[6:]:
        digest.update(batch.tobytes() + labels.tobytes())
    done = subprocess.run([sys.executable, "-c", PROGRAM], capture_output=True, text=True)
    assert done.stdout.strip() == digest.hexdigest(), done.stderr
