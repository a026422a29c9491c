"""Weight-normalised networks are looked at by the kernels that they compute with."""

import keras
import numpy as np
import pytest
from keras import layers

from keras_reinit.analysis import sharpness, weight_size
from keras_reinit.layers import WeightNormalization


def network(wrap):
    """Two convolutions, one of several groups, a hidden layer and a head, all wrapped."""
    inputs = keras.Input((5, 5, 2))
    x = wrap(layers.Conv2D(4, 2, activation="relu", name="conv"))(inputs)
    x = wrap(layers.DepthwiseConv2D(2, activation="relu", name="depthwise"))(x)
    x = layers.BatchNormalization(name="norm")(x)
    x = wrap(layers.Dense(3, activation="tanh", name="hidden"))(layers.Flatten()(x))
    return keras.Model(inputs, wrap(layers.Dense(3, name="head"))(x))


def plain(layer):
    return layer


@pytest.fixture(scope="module")
def three():
    """A network without; the same, normalised, as it begins; with other lengths of `v`."""
    rng, bare = np.random.default_rng(0), network(plain)
    as_begun, other = network(WeightNormalization), network(WeightNormalization)
    for layer in (each for each in bare.layers if each.weights):
        for weight in layer.weights:
            sign = rng.choice([-1, 1], weight.shape) if weight.name in ("kernel", "bias") else 1
            weight.assign(rng.uniform(0.2, 1.0, weight.shape) * sign)
        for model, factor in ((as_begun, 1.0), (other, 7.0)):
            twin = model.get_layer(layer.name)
            inner = getattr(twin, "layer", twin)
            inner.set_weights(layer.get_weights())
            if isinstance(twin, WeightNormalization):
                v = np.asarray(layer.kernel)
                axes = (0, 1) if layer.name == "depthwise" else tuple(range(v.ndim - 1))
                twin.gains[0].assign(np.sqrt((v**2).sum(axes)).ravel())
                inner.kernel.assign(factor * v)
    return bare, as_begun, other


@pytest.fixture
def examples(rng):
    return rng.normal(size=(16, 5, 5, 2)).astype("float32"), np.arange(16) % 3


def test_they_are_one_network(three, examples):
    bare, *normalized = three
    for model in normalized:
        np.testing.assert_allclose(
            model.predict_on_batch(examples[0]), bare.predict_on_batch(examples[0]), rtol=1e-4
        )


def test_weight_size_is_that_of_the_network_without(three, examples):
    bare, *normalized = three
    expected = weight_size(bare, examples[0])
    for model in normalized:
        np.testing.assert_allclose(weight_size(model, examples[0]), expected, rtol=1e-5)
        np.testing.assert_allclose(
            weight_size(model, examples[0], head="hidden"),
            weight_size(bare, examples[0], head="hidden"),
            rtol=1e-5,
        )


def test_sharpness_does_not_depend_on_the_length_of_v(three, examples):
    _, as_begun, other = three
    found = [sharpness(model, *examples, [0.0, 0.01, 0.3], draws=3) for model in (as_begun, other)]
    np.testing.assert_allclose(found[1].loss, found[0].loss, rtol=1e-3, atol=1e-6)
    assert not found[0].loss[0].any()


def test_sharpness_is_that_of_the_network_without(three, examples):
    """The streams differ, as positions do; means over draws do not."""
    bare, _, other = three
    found = [sharpness(model, *examples, [0.05], draws=25).loss[0] for model in (bare, other)]
    error = np.hypot(*(np.std(loss) / np.sqrt(25) for loss in found))
    assert abs(found[0].mean() - found[1].mean()) < 4 * error
    assert np.std(found[1]) / np.std(found[0]) == pytest.approx(1, abs=0.5)


def test_a_unit_that_is_off_gets_noise_too(three, examples):
    _, _, other = three
    g = other.get_layer("hidden").gains[0]
    before = np.asarray(g.value)
    g.assign([0.0, *before[1:]])
    loss = sharpness(other, *examples, [0.1], draws=2).loss
    assert np.isfinite(loss).all()
    assert np.asarray(g.value).tolist() == [0.0, *before[1:].tolist()]
    g.assign(before)


def test_a_frozen_kernel_gets_no_noise(three, examples):
    _, _, other = three
    for layer in other.layers:
        if isinstance(layer, WeightNormalization):
            layer.layer.trainable = False  # `g` is still trained
    before = other.get_weights()
    assert sharpness(other, *examples, [0.1], draws=1).loss.all()
    for value, old in zip(other.get_weights(), before, strict=True):
        np.testing.assert_array_equal(value, old)
