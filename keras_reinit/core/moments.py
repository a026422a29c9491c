"""Mean and standard deviation of an activation, streamed example by example."""

import numpy as np
from keras import ops


def per_example(z, axis=None):
    """Mean and population variance of each example of a batch.

    `mean_i = mean(z_i)`, `variance_i = mean((z_i - mean_i)^2)`

    Args:
        z: array of shape (batch, ...).
        axis: None for one number an example; -1 for one a channel (the last axis).

    Returns:
        Two float32 arrays of shape (batch,), or (batch, channels) for `axis=-1`.

    Example:
        >>> per_example([[1.0, 3.0]])  # -> ([2.0], [1.0])
    """
    z = ops.cast(z, "float32")
    axes = tuple(range(1, len(z.shape) - (axis is not None)))
    if not axes:
        return z, ops.zeros_like(z)
    return ops.mean(z, axis=axes), ops.var(z, axis=axes)


def pooled(means, variances):
    """Mean and population standard deviation over all examples.

    `mean = mean_i(mean_i)`, `stddev^2 = mean_i(variance_i) + mean_i((mean_i - mean)^2)`,
    exact where every example has the same number of entries.

    Args:
        means: array of shape (examples,) or (examples, channels).
        variances: array of the same shape, not negative.

    Returns:
        Two float64 NumPy arrays of shape () or (channels,).

    Example:
        >>> pooled([0.0, 2.0], [1.0, 1.0])  # -> (1.0, sqrt(2))
    """
    means = np.asarray(means, "float64")
    variance = np.asarray(variances, "float64").mean(axis=0) + means.var(axis=0)
    return means.mean(axis=0), np.sqrt(variance)
