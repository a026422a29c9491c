"""Moving statistics of BatchNormalization, measured anew: against NumPy."""

import keras
import numpy as np
import pytest
from keras import layers

import keras_reinit as kr


def numpy(x):
    return keras.ops.convert_to_numpy(x)


def network(axis=-1, **options):
    model = keras.Sequential(
        [
            keras.Input((5, 5, 3)),
            layers.BatchNormalization(axis=axis, name="first", **options),
            layers.Dropout(0.5),
            layers.Conv2D(4, 3, name="conv"),
            layers.Flatten(),
            layers.BatchNormalization(name="second", **options),
            layers.Dense(2, name="head"),
        ]
    )
    for layer in model.layers:
        for weight in layer.trainable_weights:
            weight.assign(weight.value * 1.5 + 0.1)
    return model


@pytest.fixture
def images(rng):
    return rng.normal(2.0, 3.0, size=(50, 5, 5, 3)).astype("float32")


@pytest.mark.parametrize("axis", [-1, 3, 1])
def test_statistics_of_every_layer(axis, images):
    model = network(axis)
    kr.recalibrate(model, images)
    first, second = model.get_layer("first"), model.get_layer("second")
    over = (0, 2, 3) if axis == 1 else (0, 1, 2)
    np.testing.assert_allclose(numpy(first.moving_mean), images.mean(over), rtol=1e-4)
    np.testing.assert_allclose(numpy(first.moving_variance), images.var(over), rtol=1e-4)
    z = numpy(first(images, training=False))
    z = numpy(model.get_layer("conv")(z)).reshape(50, -1)
    np.testing.assert_allclose(numpy(second.moving_mean), z.mean(0), rtol=1e-3, atol=1e-3)
    np.testing.assert_allclose(numpy(second.moving_variance), z.var(0), rtol=1e-3)


@pytest.mark.parametrize("options", [{}, {"center": False, "scale": False}])
def test_the_momentum_and_what_was_there_before_do_not_matter(options, images):
    results = []
    for value in (0.5, 50.0):
        keras.utils.set_random_seed(0)
        model = network(momentum=0.999, **options)
        for weight in model.non_trainable_variables:
            if "moving" in weight.name:
                weight.assign(weight.value * 0 + value)
        kr.recalibrate(model, images)
        results.append([numpy(w) for w in model.non_trainable_weights])
    for a, b in zip(*results, strict=True):
        np.testing.assert_array_equal(a, b)


def test_only_the_layers_asked_for(images):
    model = network()
    kr.recalibrate(model, images, [model.get_layer("second")])
    np.testing.assert_array_equal(numpy(model.get_layer("first").moving_mean), 0)
    assert numpy(model.get_layer("second").moving_mean).any()


def test_frozen_layers_are_left_alone(images):
    model = network()
    model.get_layer("first").trainable = False
    kr.recalibrate(model, images)
    np.testing.assert_array_equal(numpy(model.get_layer("first").moving_mean), 0)
    assert numpy(model.get_layer("second").moving_mean).any()


def test_weights_and_seed_generators_are_left_alone(images):
    model = network()
    before = [numpy(v) for v in model.variables if "moving" not in v.name]
    kr.recalibrate(model, images)
    after = [numpy(v) for v in model.variables if "moving" not in v.name]
    for a, b in zip(before, after, strict=True):
        np.testing.assert_array_equal(a, b)


@pytest.mark.backends("tensorflow", reason="tf.data")
@pytest.mark.parametrize("batch", [50, 10])
def test_a_data_set_of_batches(batch, images):
    import tensorflow as tf

    data = tf.data.Dataset.from_tensor_slices(images).batch(batch)
    model = network()
    kr.recalibrate(model, data)
    first = model.get_layer("first")
    np.testing.assert_allclose(numpy(first.moving_mean), images.mean((0, 1, 2)), rtol=1e-4)
    np.testing.assert_allclose(numpy(first.moving_variance), images.var((0, 1, 2)), rtol=1e-4)


def test_more_examples_than_a_default_batch_are_one_batch(rng):
    images = rng.normal(size=(70, 5, 5, 3)).astype("float32")
    one, other = network(), network()
    other.set_weights(one.get_weights())
    kr.recalibrate(one, images)
    kr.recalibrate(other, keras.ops.convert_to_tensor(images))
    for a, b in zip(one.get_weights(), other.get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)


def test_a_network_without_such_layers_is_left_as_it_is():
    model = kr.backbones.mlp((4,), 2)
    before = model.get_weights()
    kr.recalibrate(model, np.ones((3, 4), "float32"))
    for a, b in zip(before, model.get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)


def test_data_that_are_not_finite_are_refused_and_nothing_changes(images):
    model = network()
    before = model.get_weights()
    images = images.copy()
    images[0, 0, 0, 0] = np.nan
    with pytest.raises(ValueError, match="A sample has.*not finite"):
        kr.recalibrate(model, images)
    for a, b in zip(before, model.get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)


def test_weights_that_are_not_finite_are_refused_and_nothing_changes(images):
    model = network()
    model.get_layer("conv").bias.assign(np.full(4, np.nan))
    before = model.get_weights()
    with pytest.raises(ValueError, match="'second' are not finite"):
        kr.recalibrate(model, images)
    for a, b in zip(before, model.get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)
