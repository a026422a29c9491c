"""Masks mark exactly as many entries as they promise, and the right ones."""

import itertools

import keras
import numpy as np
import pytest

from keras_reinit.core import exact_count, random_mask, smallest_mask

FRACTIONS = [0.0, 0.01, 0.2, 0.25, 1 / 3, 0.5, 0.8, 0.999, 1.0]
SHAPES = [(), (1,), (5,), (7, 3), (3, 3, 4, 5), (0,), (1000,)]
BAD_FRACTIONS = [-1e-9, 1.0000001, float("nan"), float("inf"), -float("inf"), 20]


def numpy(x):
    return keras.ops.convert_to_numpy(x)


@pytest.mark.parametrize("fraction", FRACTIONS)
@pytest.mark.parametrize("shape", SHAPES)
def test_both_masks_mark_exactly_the_rounded_count(shape, fraction):
    expected = round(fraction * int(np.prod(shape)))
    w = np.random.default_rng(0).normal(size=shape).astype("float32")
    for mask in (smallest_mask(w, fraction), random_mask(shape, fraction, seed=1)):
        assert keras.backend.standardize_dtype(mask.dtype) == "bool"
        assert tuple(mask.shape) == shape
        assert numpy(mask).sum() == expected == exact_count(int(np.prod(shape)), fraction)


@pytest.mark.parametrize(
    ("size", "fraction", "expected"),
    [(10, 0.2, 2), (11, 0.2, 2), (13, 0.2, 3), (2, 0.2, 0), (5, 0.5, 2), (7, 0.5, 4), (0, 1, 0)],
)
def test_exact_count(size, fraction, expected):
    count = exact_count(size, fraction)
    assert count == expected
    assert isinstance(count, int)


@pytest.mark.parametrize("fraction", BAD_FRACTIONS)
def test_a_fraction_outside_the_unit_interval_is_refused(fraction):
    for call in (
        lambda: exact_count(10, fraction),
        lambda: smallest_mask(np.ones(10, "float32"), fraction),
        lambda: random_mask((10,), fraction, seed=0),
    ):
        with pytest.raises(ValueError, match=r"`fraction`.*Received: fraction="):
            call()


@pytest.mark.parametrize("dtype", ["float32", "float16", "float64"])
@pytest.mark.parametrize("fraction", [0.1, 0.2, 0.5, 0.77])
def test_smallest_by_magnitude_not_by_sign(dtype, fraction):
    w = np.random.default_rng(3).normal(size=(9, 11)).astype(dtype)
    count = round(fraction * w.size)
    expected = np.zeros(w.size, bool)
    expected[np.argsort(np.abs(w).ravel(), kind="stable")[:count]] = True
    np.testing.assert_array_equal(numpy(smallest_mask(w, fraction)).ravel(), expected)


def test_half_precision_that_numpy_does_not_order():
    w = keras.ops.cast(np.random.default_rng(3).normal(size=(9, 11)), "bfloat16")
    rounded = numpy(keras.ops.cast(w, "float32"))
    np.testing.assert_array_equal(smallest_mask(w, 0.3), smallest_mask(rounded, 0.3))


def test_the_array_is_left_as_it_was():
    w = np.random.default_rng(3).normal(size=(9, 11)).astype("float32")
    before = w.copy()
    smallest_mask(w, 0.5)
    np.testing.assert_array_equal(w, before)


@pytest.mark.parametrize("fraction", FRACTIONS)
def test_ties_go_by_index(fraction):
    w = np.random.default_rng(5).integers(-2, 3, size=(6, 7)).astype("float32")  # mostly ties
    count = round(fraction * w.size)
    expected = np.zeros(w.size, bool)
    expected[np.argsort(np.abs(w).ravel(), kind="stable")[:count]] = True
    np.testing.assert_array_equal(numpy(smallest_mask(w, fraction)).ravel(), expected)


def test_a_constant_array_is_marked_from_its_start():
    mask = numpy(smallest_mask(np.full((4, 5), -3.0, "float32"), 0.35)).ravel()
    np.testing.assert_array_equal(mask, np.arange(20) < 7)


def test_zero_and_minus_zero_are_tied():
    mask = numpy(smallest_mask(np.array([1.0, -0.0, 0.0, 2.0], "float32"), 0.25))
    np.testing.assert_array_equal(mask, [False, True, False, False])


def test_random_masks_repeat_with_their_seed_only():
    masks = [numpy(random_mask((40, 25), 0.2, seed)) for seed in range(20)]
    for seed, mask in enumerate(masks):
        np.testing.assert_array_equal(mask, numpy(random_mask((40, 25), 0.2, seed)))
    assert all((a != b).any() for a, b in itertools.combinations(masks, 2))


@pytest.mark.parametrize("shape", [(7,), (5, 3), (2, 3, 4)])
def test_random_masks_are_the_smallest_of_the_generators_numbers(shape):
    ranks = np.random.default_rng(6).integers(2**32, size=shape, dtype="uint32")
    count = exact_count(ranks.size, 0.4)
    expected = ranks <= np.sort(ranks, axis=None)[count - 1]
    np.testing.assert_array_equal(numpy(random_mask(shape, 0.4, seed=6)), expected)


def test_every_entry_is_marked_equally_often():
    draws = 400
    hits = sum(numpy(random_mask((10, 10), 0.2, seed)).astype(int) for seed in range(draws))
    expected = 0.2 * draws
    # chi-square of 99 degrees of freedom, corrected for drawing without replacement
    chi_square = ((hits - expected) ** 2).sum() / (expected * 0.8) * 99 / 100
    assert 60 < chi_square < 149  # the 0.1 % quantiles


def test_two_random_masks_overlap_as_independent_ones_do():
    first, second = (numpy(random_mask((100, 100), 0.2, seed)) for seed in (0, 1))
    assert (first & second).mean() == pytest.approx(0.04, abs=0.01)
