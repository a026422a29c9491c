"""The generated task of Alabdulmohsin et al. 2021."""

import numpy as np

from experiments.data.dataset import without_validation


def synthetic(alpha, seed, train=256, test=8192):
    """The task of Section 1.1: three coordinates encode the label, 125 are noise.

    `x = (alpha * s_2(y), alpha * s_1(y), alpha * s_0(y), e_4, ..., e_128)` with label y uniform in
    0 .. 7, `s_i(y)` = +1 where bit i of y is set and -1 elsewhere, and `e` ~ N(0, 1).

    Args:
        alpha: signal strength, at least 0.
        seed: int of at least 0; the same labels and noise for every alpha.
        train: number of training examples.
        test: number of test examples.

    Returns:
        A `Dataset` of 128 features and 8 classes.

    Reference:
        Alabdulmohsin et al. 2021, Section 1.1.
    """
    generator = np.random.default_rng(seed)
    y = generator.integers(8, size=train + test)
    x = generator.standard_normal((train + test, 128)).astype("float32")
    bits = (y[:, None] >> np.array([2, 1, 0])) & 1
    x[:, :3] = alpha * (2 * bits - 1)
    return without_validation(x[:train], y[:train], x[train:], y[train:], classes=8)
