"""Mean and standard deviation of an activation, streamed, against NumPy on the whole."""

import keras
import numpy as np
import pytest

from keras_reinit.core import per_example, pooled

SHAPES = [(37, 5), (37, 4, 6), (37, 5, 4, 3), (37, 2, 3, 2, 3)]


def numpy(x):
    return keras.ops.convert_to_numpy(x)


def activation(shape, offset=0.0, spread=1.0, dtype="float32"):
    z = np.random.default_rng(len(shape)).normal(offset, spread, shape)
    # examples of different mean and spread, or the two parts of the variance are not both seen
    z *= np.linspace(0.5, 2.0, shape[0]).reshape(-1, *[1] * (len(shape) - 1))
    return z.astype(dtype)


def streamed(z, axis, batch_size):
    """Moments as the callers gather them: batch by batch, the last one ragged."""
    parts = [per_example(z[i : i + batch_size], axis) for i in range(0, len(z), batch_size)]
    means = np.concatenate([numpy(mean) for mean, _ in parts])
    variances = np.concatenate([numpy(variance) for _, variance in parts])
    return pooled(means, variances)


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("axis", [None, -1])
@pytest.mark.parametrize("batch_size", [1, 10, 37, 64])
def test_streaming_is_the_moments_of_the_whole(shape, axis, batch_size):
    z = activation(shape)
    axes = None if axis is None else tuple(range(z.ndim - 1))
    mean, stddev = streamed(z, axis, batch_size)
    assert mean.dtype == stddev.dtype == np.float64
    assert mean.shape == stddev.shape == (() if axis is None else shape[-1:])
    exact = z.astype("float64")
    np.testing.assert_allclose(mean, exact.mean(axes), rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(stddev, exact.std(axes), rtol=1e-5)


@pytest.mark.parametrize("axis", [None, -1])
@pytest.mark.parametrize("shape", SHAPES)
def test_each_example_has_its_own_moments(shape, axis):
    z = activation(shape)
    mean, variance = (numpy(m) for m in per_example(z, axis))
    kept = shape[:1] if axis is None else (shape[0], shape[-1])
    axes = tuple(range(1, z.ndim if axis is None else z.ndim - 1))
    assert mean.shape == variance.shape == kept
    assert mean.dtype == variance.dtype == np.float32
    np.testing.assert_allclose(mean, z.mean(axes), rtol=1e-4, atol=1e-6)
    np.testing.assert_allclose(variance, z.var(axes), rtol=1e-4, atol=1e-7)


@pytest.mark.parametrize("axis", [None, -1])
def test_a_large_offset_does_not_cancel_the_spread(axis):
    """E[z^2] - E[z]^2 in float32 would lose everything here."""
    z = 3000.0 + np.random.default_rng(0).normal(0, 0.1, (64, 8, 8, 2))
    z = z.astype("float32")
    exact = z.astype("float64")
    axes = None if axis is None else (0, 1, 2)
    mean, stddev = streamed(z, axis, 10)
    np.testing.assert_allclose(mean, exact.mean(axes), rtol=1e-6)
    np.testing.assert_allclose(stddev, exact.std(axes), rtol=1e-2)


@pytest.mark.parametrize("dtype", ["float16", "bfloat16"])
def test_half_precision_is_summed_in_single(dtype):
    z = keras.ops.cast(np.full((2, 300, 300), 2.0, "float32"), dtype)  # 90 000 entries
    mean, variance = (numpy(m) for m in per_example(z))
    np.testing.assert_array_equal(mean, 2.0)
    np.testing.assert_array_equal(variance, 0.0)


@pytest.mark.parametrize("axis", [None, -1])
def test_a_dead_block_has_stddev_zero(axis):
    _, stddev = streamed(np.zeros((9, 3, 3, 2), "float32"), axis, 4)
    assert (stddev == 0).all()


def test_the_deviation_is_the_populations():
    mean, stddev = pooled([0.0, 2.0], [1.0, 1.0])
    assert mean == 1.0
    assert stddev == pytest.approx(np.sqrt(2.0))


def test_order_and_batches_do_not_matter():
    z = activation((37, 4, 6))
    np.testing.assert_array_equal(streamed(z, None, 5), streamed(z, None, 37))
