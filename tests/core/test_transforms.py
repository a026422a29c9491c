"""The maps and measures against NumPy."""

import keras
import numpy as np
import pytest

from keras_reinit.core import blend, frobenius_norm, rescale, shrink_perturb, total

# The widest type there is: JAX has none of 64 bits unless it is told to.
WIDE = "float32" if keras.backend.backend() == "jax" else "float64"
DTYPES = list(dict.fromkeys(["float16", "bfloat16", "float32", WIDE]))
TOLERANCE = {"float16": 2e-3, "bfloat16": 2e-2, "float32": 1e-6, "float64": 1e-14}


def tensor(x, dtype):
    return keras.ops.cast(keras.ops.convert_to_tensor(np.asarray(x, WIDE)), dtype)


def numpy(x):
    return keras.ops.convert_to_numpy(keras.ops.cast(x, WIDE)).astype("float64")


@pytest.fixture
def arrays():
    generator = np.random.default_rng(0)
    return generator.normal(size=(6, 4)), generator.normal(size=(6, 4))


@pytest.mark.parametrize("dtype", DTYPES)
def test_blend(arrays, dtype):
    old, fresh = (tensor(a, dtype) for a in arrays)
    mask = np.random.default_rng(1).random((6, 4)) < 0.3
    blended = blend(old, fresh, mask)
    assert keras.backend.standardize_dtype(blended.dtype) == dtype
    np.testing.assert_array_equal(numpy(blended), np.where(mask, numpy(fresh), numpy(old)))


def test_blend_at_the_ends(arrays):
    old, fresh = (tensor(a, "float32") for a in arrays)
    everything = np.ones((6, 4), bool)
    np.testing.assert_array_equal(numpy(blend(old, fresh, everything)), numpy(fresh))
    np.testing.assert_array_equal(numpy(blend(old, fresh, ~everything)), numpy(old))


def test_blend_does_not_mix_in_what_it_replaces():
    """0 * nan is nan: an entry that is replaced leaves no trace."""
    blended = blend(
        np.array([np.nan, 1.0], "float32"),
        np.array([2.0, np.inf], "float32"),
        np.array([True, False]),
    )
    np.testing.assert_array_equal(numpy(blended), [2.0, 1.0])


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize(("shrink", "perturb"), [(0.4, 0.1), (1, 0.5), (0.5, 0), (-1.0, 2.0)])
def test_shrink_perturb(arrays, dtype, shrink, perturb):
    old, fresh = (tensor(a, dtype) for a in arrays)
    new = shrink_perturb(old, fresh, shrink, perturb)
    assert keras.backend.standardize_dtype(new.dtype) == dtype
    expected = shrink * numpy(old) + perturb * numpy(fresh)
    np.testing.assert_allclose(
        numpy(new), expected, rtol=10 * TOLERANCE[dtype], atol=5 * TOLERANCE[dtype]
    )


@pytest.mark.parametrize("dtype", DTYPES)
def test_shrink_perturb_at_the_ends_is_exact(arrays, dtype):
    old, fresh = (tensor(a, dtype) for a in arrays)
    np.testing.assert_array_equal(numpy(shrink_perturb(old, fresh, 1, 0)), numpy(old))
    np.testing.assert_array_equal(numpy(shrink_perturb(old, fresh, 0, 1)), numpy(fresh))


@pytest.mark.parametrize("dtype", DTYPES)
def test_frobenius_norm(arrays, dtype):
    w = tensor(arrays[0], dtype)
    norm = frobenius_norm(w)
    assert keras.backend.standardize_dtype(norm.dtype) in ("float32", "float64")
    assert tuple(norm.shape) == ()
    np.testing.assert_allclose(numpy(norm), np.linalg.norm(numpy(w)), rtol=1e-6)


@pytest.mark.parametrize("dtype", ["float16", "bfloat16"])
def test_the_norm_of_half_precision_does_not_overflow(dtype):
    w = tensor(np.full(10_000, 10.0), dtype)  # the sum of squares is 1e6 > 65504
    np.testing.assert_allclose(numpy(frobenius_norm(w)), 1000.0, rtol=1e-3)


@pytest.mark.parametrize("dtype", DTYPES)
def test_total(arrays, dtype):
    w = tensor(arrays[0], dtype)
    np.testing.assert_allclose(numpy(total(w)), numpy(w).sum(), rtol=1e-4)


@pytest.mark.parametrize("dtype", ["float16", "bfloat16"])
def test_the_total_of_half_precision_does_not_overflow(dtype):
    np.testing.assert_allclose(numpy(total(keras.ops.full((100,), 60000.0, dtype))), 6e6, rtol=1e-2)


@pytest.mark.parametrize("bad", [[np.nan], [np.inf], [-np.inf], [np.inf, -np.inf]])
def test_the_total_is_not_finite_where_an_entry_is_not(bad):
    w = np.ones(1000, "float32")
    w[500 : 500 + len(bad)] = bad
    assert not np.isfinite(numpy(total(w)))


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("norm", [1e-3, 1.0, 37.5])
def test_rescale(arrays, dtype, norm):
    w = tensor(arrays[0], dtype)
    new = rescale(w, norm)
    assert keras.backend.standardize_dtype(new.dtype) == dtype
    expected = numpy(w) * norm / np.linalg.norm(numpy(w))
    np.testing.assert_allclose(
        numpy(new), expected, rtol=5 * TOLERANCE[dtype], atol=TOLERANCE[dtype] * norm
    )


def test_rescale_keeps_the_direction_exactly_where_the_norm_is_right():
    w = np.array([3.0, -4.0], "float32")
    np.testing.assert_array_equal(numpy(rescale(w, 5.0)), w)


@pytest.mark.parametrize("norm", [0.0, 2.0])
def test_a_zero_array_stays_zero(norm):
    np.testing.assert_array_equal(numpy(rescale(np.zeros((3, 2), "float32"), norm)), 0.0)


def test_a_norm_of_zero_gives_zeros(arrays):
    """What was initialised to zero goes back to zero."""
    new = numpy(rescale(tensor(arrays[0], "float32"), 0.0))
    np.testing.assert_array_equal(new, 0.0)


@pytest.mark.parametrize("scale", [1e-3, 1e-2, 1.0, 50.0])
def test_rescale_in_half_precision_by_large_and_small_factors(scale):
    """The factor is beyond float16 although both ends are within it."""
    w = tensor(np.full(100, 6e-5), "float16")
    new = numpy(rescale(w, scale * 10 * 100))  # each entry becomes 100 * scale
    np.testing.assert_allclose(new, 100 * scale, rtol=2e-3)
