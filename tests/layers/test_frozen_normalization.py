"""The identity until frozen, then (x - mean) / stddev, and never more than that."""

import keras
import numpy as np
import pytest

from keras_reinit.layers import FrozenNormalization


def built(channels=3, **arguments):
    layer = FrozenNormalization(**arguments)
    layer.build((None, channels))
    return layer


def numpy(x):
    return keras.ops.convert_to_numpy(x)


@pytest.mark.parametrize("axis", [None, -1])
@pytest.mark.parametrize("shape", [(2, 3), (2, 5, 3), (2, 4, 4, 3)])
def test_a_new_layer_is_exactly_the_identity(axis, shape, rng):
    x = rng.normal(size=shape).astype("float32")
    np.testing.assert_array_equal(numpy(FrozenNormalization(axis=axis)(x)), x)


@pytest.mark.parametrize("axis", [None, -1])
def test_frozen_statistics_are_applied(axis, rng):
    x = rng.normal(size=(2, 4, 4, 3)).astype("float32")
    layer = built(axis=axis)
    mean, stddev = (2.0, 4.0) if axis is None else (np.array([1.0, 2, 3]), np.array([4.0, 5, 6]))
    layer.freeze(mean, stddev)
    np.testing.assert_allclose(numpy(layer(x)), (x - mean) / stddev, rtol=1e-6)
    assert layer(x).shape == x.shape == layer.compute_output_shape(x.shape)


def test_weights_are_mean_and_stddev_and_not_trained():
    layer = built()
    assert [weight.name for weight in layer.weights] == ["mean", "stddev"]
    assert layer.trainable_weights == []
    layer.trainable = True
    assert layer.trainable_weights == []
    assert [tuple(weight.shape) for weight in layer.weights] == [(), ()]
    assert [tuple(weight.shape) for weight in built(axis=-1).weights] == [(3,), (3,)]


@pytest.mark.parametrize("policy", ["mixed_float16", "mixed_bfloat16", "float16"])
def test_statistics_stay_in_single_precision(policy):
    layer = built(dtype=policy)
    layer.freeze(1.0001, 3.0)
    y = layer(np.full((1, 3), 10.0, "float32"))
    assert keras.backend.standardize_dtype(y.dtype) == policy.removeprefix("mixed_")
    assert [weight.dtype for weight in layer.weights] == ["float32", "float32"]
    np.testing.assert_allclose(numpy(layer.mean), 1.0001, rtol=1e-6)
    np.testing.assert_allclose(numpy(keras.ops.cast(y, "float32")), 3.0, rtol=1e-2)


def test_the_gradient_is_scaled_and_not_cut(rng):
    inputs = keras.Input((3,))
    model = keras.Model(inputs, FrozenNormalization()(keras.layers.Dense(3)(inputs)))
    model.layers[-1].freeze(0.0, 4.0)
    model.compile(keras.optimizers.SGD(1.0), "mean_absolute_error")
    x, y = rng.normal(size=(8, 3)).astype("float32"), np.full((8, 3), 100.0, "float32")
    bias = model.layers[1].bias
    model.fit(x, y, batch_size=8, verbose=0)
    np.testing.assert_allclose(numpy(bias), 1 / 3 / 4, rtol=1e-5)
    np.testing.assert_array_equal(numpy(model.layers[-1].stddev), 4.0)


@pytest.mark.backends("tensorflow", "jax", reason="tracing")
def test_freezing_between_epochs_does_not_retrace():
    layer = FrozenNormalization()
    traces = 0

    def loss(y, prediction):
        nonlocal traces
        traces += 1
        return keras.ops.mean(keras.ops.abs(y - prediction))

    model = keras.Sequential([keras.Input((3,)), layer, keras.layers.Dense(1)])
    model.compile(keras.optimizers.SGD(0.0), loss)
    x, y = np.ones((4, 3), "float32"), np.zeros((4, 1), "float32")
    first = model.fit(x, y, verbose=0).history["loss"][0]
    traced = traces
    freeze = keras.callbacks.LambdaCallback(on_epoch_begin=lambda *_: layer.freeze(0.0, 2.0))
    second = model.fit(x, y, verbose=0, callbacks=[freeze]).history["loss"][0]
    assert traces == traced
    assert second == pytest.approx(first / 2)


@pytest.mark.parametrize("axis", [None, -1])
def test_configuration_and_file(axis, tmp_path, rng):
    layer = FrozenNormalization(axis=axis, block=("block1", ("conv", "relu")), name="frozen")
    twin = FrozenNormalization.from_config(layer.get_config())
    assert twin.get_config() == layer.get_config()
    assert tuple(twin.block[1]) == ("conv", "relu")
    model = keras.Sequential([keras.Input((3,)), layer])
    layer.freeze(*((1.0, 2.0) if axis is None else (np.arange(3.0), np.arange(3.0) + 1)))
    x = rng.normal(size=(2, 3)).astype("float32")
    model.save(tmp_path / "model.keras")
    revived = keras.models.load_model(tmp_path / "model.keras")
    np.testing.assert_array_equal(numpy(revived(x)), numpy(model(x)))
    assert tuple(revived.layers[0].block[1]) == ("conv", "relu")


def test_a_mask_passes_through():
    inputs = keras.Input((4,))
    x = keras.layers.Embedding(5, 3, mask_zero=True)(inputs)
    y = FrozenNormalization()(x)
    assert y._keras_mask is x._keras_mask


NAN, INF = float("nan"), float("inf")


@pytest.mark.parametrize(
    ("mean", "stddev", "reason"),
    [
        (0.0, 0.0, "constant"),
        (1e4, 1e-4, "constant"),  # rounding of a constant output, not a spread
        (0.0, -1.0, "above 0"),
        (NAN, 1.0, "not finite"),
        (0.0, INF, "not finite"),
        (0.0, NAN, "not finite"),
        (0.0, np.ones(2), "shape"),
        (np.zeros(2), 1.0, "shape"),
    ],
)
def test_bad_statistics_are_refused_and_none_written(mean, stddev, reason):
    layer = built(block=("block7", ()))
    layer.freeze(3.0, 5.0)
    with pytest.raises(ValueError, match=f"(?s)block7.*{reason}|{reason}.*block7"):
        layer.freeze(mean, stddev)
    assert [float(weight.numpy()) for weight in layer.weights] == [3.0, 5.0]


def test_one_dead_channel_is_refused():
    layer = built(axis=-1)
    with pytest.raises(ValueError, match="constant"):
        layer.freeze(np.zeros(3), np.array([1.0, 0.0, 1.0]))
    np.testing.assert_array_equal(numpy(layer.stddev), 1.0)


@pytest.mark.parametrize("axis", [0, 2, "channels", (1, 2)])
def test_other_axes_are_refused(axis):
    with pytest.raises(ValueError, match="Received: axis="):
        FrozenNormalization(axis=axis)


def test_every_replica_is_given_the_statistics(strategy):
    with strategy.scope():
        layer = built()
    layer.freeze(2.0, 4.0)
    for weight, expected in zip(layer.weights, (2.0, 4.0), strict=True):
        for replica in strategy.experimental_local_results(weight.value):
            assert float(replica.numpy()) == expected
