"""How long the weights of a unit are to be, so that a layer keeps the norm of what it is given."""

import math

from keras_reinit.core import check_int, check_number


def weight_norm_gain(fan_in, fan_out, gamma):
    """The gain of a weight-normalised layer that multiplies the squared norm by `gamma`.

    `g = sqrt(gamma * fan_in / fan_out)`, so that `E||g * v / ||v|| x||^2 = gamma * ||x||^2` for
    random directions `v`.

    In a convolution the fans are the channels: the receptive field is a factor of both and cancels.
    A ReLU that follows keeps half of the squared norm, hence `gamma = 2` for hidden layers.

    Args:
        fan_in: number of input channels, at least 1.
        fan_out: number of output channels, at least 1.
        gamma: finite, at least 0.

    Returns:
        A float.

    Raises:
        ValueError: if an argument is out of its range.

    Example:
        >>> round(weight_norm_gain(20, 60, gamma=2), 5)
        0.8165

    Reference:
        Arpit et al. 2019, "Initialization Schemes for Feedforward Networks".
    """
    fan_in, fan_out = check_int("fan_in", fan_in), check_int("fan_out", fan_out)
    gamma = check_number("gamma", gamma)
    return math.sqrt(gamma * fan_in / fan_out)
