"""The gains of the paper, and directions that are orthogonal."""

import keras
import numpy as np
import pytest

import keras_reinit as kr
from keras_reinit.initializers import Orthogonal, weight_norm_gain


@pytest.mark.parametrize(
    ("fan_in", "fan_out", "gamma", "expected"),
    [
        (20, 60, 2, 0.81650),
        (3, 16, 1, 0.43301),  # WRN-40-10: stem, first and second convolution, shortcut
        (16, 160, 2, 0.44721),
        (160, 160, 1 / 6, 0.40825),
        (16, 160, 1, 0.31623),
        (160, 320, 2, 1.0),
        (160, 320, 1, 0.70711),
        (16, 16, 1 / 9, 0.33333),  # second convolution of ResNet-56, 110, 164
        (16, 16, 1 / 18, 0.23570),
        (16, 16, 1 / 27, 0.19245),
    ],
)
def test_published_gains(fan_in, fan_out, gamma, expected):
    assert round(weight_norm_gain(fan_in, fan_out, gamma), 5) == expected


@pytest.mark.parametrize("arguments", [(0, 1, 2), (1, 0, 2), (1, 1, -1), (1, 1, float("nan"))])
def test_arguments_out_of_range(arguments):
    with pytest.raises(ValueError, match="Received: (fan_in|fan_out|gamma)="):
        weight_norm_gain(*arguments)


@pytest.mark.parametrize(
    ("shape", "unit_axes"),
    [
        ((40, 30), -1),
        ((30, 40), -1),
        ((3, 3, 8, 16), (3,)),
        ((3, 3, 8, 16), (-2,)),
        ((3, 3, 4, 2), (-2, -1)),
        ((5, 3, 4), (1, 2)),
        ((12, 3, 1), (1, 2)),
    ],
)
def test_units_are_orthogonal(shape, unit_axes):
    kernel = keras.ops.convert_to_numpy(Orthogonal(unit_axes, seed=0)(shape)).astype("float64")
    axes = [a % len(shape) for a in np.atleast_1d(unit_axes)]
    matrix = np.moveaxis(kernel, axes, range(len(axes)))
    matrix = matrix.reshape(int(np.prod([shape[a] for a in axes])), -1)
    gram = matrix @ matrix.T if matrix.shape[0] <= matrix.shape[1] else matrix.T @ matrix
    assert np.abs(gram - np.eye(len(gram))).max() < 1e-5


def test_orthogonal_kernels_have_a_seed_and_a_config():
    draws = [np.asarray(Orthogonal(seed=seed)((4, 4))) for seed in (0, 0, 1)]
    np.testing.assert_array_equal(draws[0], draws[1])
    assert not np.any(draws[0] == draws[2])
    config = keras.initializers.serialize(Orthogonal((-2, -1), seed=3))
    assert keras.initializers.deserialize(config).get_config() == {"unit_axes": [-2, -1], "seed": 3}


def test_public_names():
    assert kr.initialize is kr.initializers.initialize
