"""Large draws, one TensorFlow graph each, give what the initializer gives, bit by bit."""

import keras
import numpy as np
import pytest

import keras_reinit as kr
from keras_reinit import core
from keras_reinit.weights import draws

SHAPE = (600, 512)  # large
INITIALIZERS = {
    "he_normal": keras.initializers.HeNormal(),
    "he_uniform": keras.initializers.HeUniform(),
    "glorot_uniform": keras.initializers.GlorotUniform(),
    "lecun_normal": keras.initializers.LecunNormal(),
    "untruncated": keras.initializers.VarianceScaling(2.0, "fan_avg", "untruncated_normal"),
    "normal": keras.initializers.RandomNormal(0.5, 0.1),
    "truncated": keras.initializers.TruncatedNormal(-0.5, 0.1),
    "uniform": keras.initializers.RandomUniform(-0.1, 0.3),
    "orthogonal": keras.initializers.Orthogonal(1.5),
    "seeded": keras.initializers.HeNormal(seed=3),
    "generator": keras.initializers.HeNormal(seed=keras.random.SeedGenerator(3)),
}


def network(initializer, dtype="float32"):
    dense = keras.layers.Dense(
        SHAPE[1], kernel_initializer=initializer, use_bias=False, dtype=dtype, name="dense"
    )
    return keras.Sequential([keras.Input(SHAPE[:1]), dense])


def kernel(model):
    return keras.ops.convert_to_numpy(model.layers[0].kernel)


def drawn_eagerly(initializer, seed, dtype="float32"):
    """What the initializer gives for the seed of the first variable of a model."""
    config = initializer.get_config()
    config["seed"] = core.stream(seed, "fresh", position=0)
    return type(initializer).from_config(config)(SHAPE, dtype=dtype)


@pytest.mark.parametrize("name", INITIALIZERS)
def test_every_initializer_of_keras_gives_its_own_values(name):
    model = network(INITIALIZERS[name])
    for seed in (0, 2**31 - 1):
        kr.reinitialize(model, seed=seed)
        expected = keras.ops.convert_to_numpy(drawn_eagerly(INITIALIZERS[name], seed))
        np.testing.assert_array_equal(kernel(model), expected)


@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
def test_shrunk_and_perturbed_as_the_core_does_it(dtype):
    initializer = keras.initializers.HeNormal()
    model = network(initializer, dtype)
    old = model.layers[0].kernel.value + 0
    kr.shrink_perturb(model, 0.3, 0.7, seed=5)
    expected = core.shrink_perturb(old, drawn_eagerly(initializer, 5, dtype), 0.3, 0.7)
    np.testing.assert_array_equal(
        kernel(model).astype("float32"), keras.ops.convert_to_numpy(expected).astype("float32")
    )


def test_a_share_of_the_entries_and_no_other_is_drawn():
    initializer = keras.initializers.HeNormal()
    model = network(initializer)
    old = kernel(model).copy()
    masks = kr.reinitialize_subset(model, 0.2, seed=5)
    (mask,) = (keras.ops.convert_to_numpy(mask) for mask in masks.values())
    fresh = keras.ops.convert_to_numpy(drawn_eagerly(initializer, 5))
    np.testing.assert_array_equal(kernel(model), np.where(mask, fresh, old))


@pytest.mark.backends("tensorflow", reason="graphs")
def test_one_graph_serves_all_seeds_and_layers_of_a_shape():
    draws._graph.cache_clear()
    first, second = network("he_normal"), network("he_normal")
    for seed in range(3):
        kr.reinitialize(first, seed=seed)
        kr.reinitialize(second, seed=seed)
    assert draws._graph.cache_info().misses == 1
    kr.reinitialize(network("he_uniform"), seed=0)
    assert draws._graph.cache_info().misses == 2


@keras.saving.register_keras_serializable("tests")
class WithNumPy(keras.initializers.HeNormal):
    """Needs its seed as a number, outside of graphs."""

    def __call__(self, shape, dtype=None):
        return np.random.default_rng(self.seed).normal(size=shape).astype(dtype)


def test_a_large_draw_of_an_initializer_of_ones_own():
    model = network(WithNumPy())
    kernels = []
    for seed in (0, 1, 0):
        kr.reinitialize(model, seed=seed)
        kernels.append(kernel(model).copy())
    np.testing.assert_array_equal(kernels[0], kernels[2])
    assert not np.isclose(kernels[0], kernels[1]).all()
