"""Cutout in a network: in training only, at places of its own for each image."""

import keras
import numpy as np
import pytest

import keras_reinit as kr
from keras_reinit.layers import Cutout


def holes(layer, count=2000, side=6):
    """How often each pixel is cut."""
    return 1 - np.asarray(layer(np.ones((count, side, side, 1)), training=True))[..., 0]


def test_nothing_in_inference(rng):
    x = rng.normal(size=(3, 8, 8, 2)).astype("float32")
    np.testing.assert_array_equal(np.asarray(Cutout(4)(x)), x)
    assert np.any(np.asarray(Cutout(4)(x, training=True)) != x)


def test_centers_are_uniform_over_all_pixels():
    found = holes(Cutout(size=3, seed=1))
    inside = np.pad(np.ones((6, 6)), 1)
    centers = sum(inside[i : i + 6, j : j + 6] for i in range(3) for j in range(3))
    np.testing.assert_allclose(found.mean(0), centers / 36, atol=0.04)
    assert set(found.sum((1, 2))) == {4, 6, 9}  # in a corner, at an edge, elsewhere


def test_a_seed_names_the_holes_and_calls_differ():
    layer = Cutout(2, seed=7)
    first, second = holes(layer), holes(layer)
    assert np.any(first != second)
    np.testing.assert_array_equal(holes(Cutout(2, seed=7)), first)
    assert np.any(holes(Cutout(2, seed=8)) != first)


def test_configuration_round_trip():
    layer = Cutout(5, fill=0.5, seed=3, name="hole")
    copy = keras.layers.deserialize(keras.layers.serialize(layer))
    assert copy.get_config() == layer.get_config()
    np.testing.assert_array_equal(holes(copy), holes(layer))


def test_in_a_network(tmp_path, rng):
    """Of any height and width, in half precision, below blocks, and in a saved model."""
    inputs = keras.Input((None, None, 3))
    x = Cutout(4, seed=0, dtype="float16")(inputs)
    x = keras.layers.Conv2D(2, 3, activation="relu", name="block1_out")(x)
    x = keras.layers.GlobalAveragePooling2D()(x)
    model = kr.ReinitModel(keras.Model(inputs, keras.layers.Dense(3, name="head")(x)))
    model.compile("sgd", keras.losses.SparseCategoricalCrossentropy(from_logits=True))
    x = rng.normal(size=(4, 8, 8, 3)).astype("float32")
    model.fit(x, np.arange(4) % 3, verbose=0)
    model.save(tmp_path / "model.keras")
    loaded = keras.models.load_model(tmp_path / "model.keras")
    np.testing.assert_allclose(loaded.predict_on_batch(x), model.predict_on_batch(x), rtol=1e-5)


@pytest.mark.backends("tensorflow", reason="shapes of graphs")
def test_images_whose_size_is_not_known_beforehand():
    import tensorflow as tf

    layer, spec = Cutout(3, seed=1), tf.TensorSpec([None, None, None, 1])
    cut = tf.function(lambda x: layer(x, training=True), input_signature=[spec])
    found = cut(np.ones((50, 4, 7, 1), "float32"))
    assert set((1 - np.asarray(found)).sum((1, 2, 3))) == {4, 6, 9}


@pytest.mark.parametrize("size", [0, 1.5, True])
def test_bad_size(size):
    with pytest.raises(ValueError, match=f"Received: size={size}"):
        Cutout(size)
