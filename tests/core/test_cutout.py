"""A hole in every image: where it is, and what stays."""

import numpy as np
import pytest

from keras_reinit.core import cutout


def reference(images, rows, columns, size, fill):
    """As the public code: `clip(center - size // 2, 0, side)` to `clip(center + size // 2)`."""
    images = images.copy()
    for image, row, column in zip(images, rows, columns, strict=True):
        top, left = row - size // 2, column - size // 2
        image[max(top, 0) : max(top + size, 0), max(left, 0) : max(left + size, 0)] = fill
    return images


@pytest.mark.parametrize("size", [1, 2, 3, 4, 20])
@pytest.mark.parametrize("fill", [0.0, 0.5])
def test_every_center(size, fill, rng):
    rows, columns = (each.ravel() for each in np.indices((5, 7)))
    images = rng.normal(size=(35, 5, 7, 2)).astype("float32")
    found = np.asarray(cutout(images, rows, columns, size, fill))
    np.testing.assert_array_equal(found, reference(images, rows, columns, size, fill))
    assert found.dtype == "float32"


def test_bytes_stay_bytes():
    found = cutout(np.full((1, 4, 4, 3), 9, "uint8"), rows=[2], columns=[2], size=2)
    assert np.asarray(found).dtype == "uint8"
    assert np.asarray(found)[0, :, :, 0].tolist() == [[9] * 4, [9, 0, 0, 9], [9, 0, 0, 9], [9] * 4]
