"""Backbones of unusual structure: nested, several inputs or outputs, masks, mixed precision."""

import keras
import numpy as np
import pytest
from keras import layers

import keras_reinit as kr


def numpy(x):
    return keras.ops.convert_to_numpy(x)


@pytest.fixture
def images(rng):
    return rng.normal(1.0, 2.0, size=(40, 8, 8, 2)).astype("float32")


@pytest.mark.parametrize("mode", [False, True])
def test_the_mode_that_a_nested_backbone_was_called_in_is_kept(mode, images):
    """As in the recipe of fine-tuning, `base(x, training=False)`."""
    base = keras.Sequential(
        [
            keras.Input((8, 8, 2)),
            layers.Conv2D(3, 3, name="conv1"),
            layers.BatchNormalization(name="norm1"),
            layers.ReLU(name="relu1"),
        ],
        name="base",
    )
    inputs = keras.Input((8, 8, 2))
    outputs = layers.Dense(3, name="head")(layers.Flatten()(base(inputs, training=mode)))
    plain = keras.Model(inputs, outputs)
    model = kr.ReinitModel(plain)
    for training in (None, False, True):  # what an outer `training` does is Keras's affair
        keras.utils.set_random_seed(1)
        expected = numpy(plain(images, training=training))
        keras.utils.set_random_seed(1)
        np.testing.assert_allclose(numpy(model(images, training=training)), expected, atol=1e-5)


@pytest.mark.parametrize("structure", ["list", "dict"])
def test_several_inputs(structure, rng, tmp_path):
    a, b = keras.Input((4,), name="a"), keras.Input((2,), name="b")
    x = layers.Concatenate(name="both")([layers.Dense(3, name="left")(a), b])
    x = layers.Dense(5, "relu", name="hidden")(x)
    outputs = layers.Dense(2, name="head")(x)
    plain = keras.Model([a, b] if structure == "list" else {"a": a, "b": b}, outputs)
    arrays = {"a": rng.normal(size=(12, 4)), "b": rng.normal(size=(12, 2))}
    data = list(arrays.values()) if structure == "list" else arrays
    model = kr.ReinitModel(plain)
    np.testing.assert_array_equal(model.predict(data, verbose=0), plain.predict(data, verbose=0))
    model.calibrate(len(model.blocks) - 1, data)
    normalization = model.blocks[-1].normalization
    hidden = numpy(
        model.get_layer("hidden")(
            numpy(model.get_layer("both")([model.get_layer("left")(arrays["a"]), arrays["b"]]))
        )
    )
    np.testing.assert_allclose(numpy(normalization.mean), hidden.mean(), rtol=1e-4)
    model.save(tmp_path / "model.keras")
    twin = keras.models.load_model(tmp_path / "model.keras")
    np.testing.assert_array_equal(model.predict(data, verbose=0), twin.predict(data, verbose=0))


def test_several_outputs_above_the_last_block(rng):
    inputs = keras.Input((4,))
    x = layers.Dense(5, "relu", name="hidden")(inputs)
    heads = {name: layers.Dense(2, name=name)(x) for name in ("one", "two")}
    plain = keras.Model(inputs, heads)
    model = kr.ReinitModel(plain, blocks=["hidden"])
    x = rng.normal(size=(12, 4)).astype("float32")
    for name, output in model.predict(x, verbose=0).items():
        np.testing.assert_array_equal(output, plain.predict(x, verbose=0)[name])


@pytest.mark.parametrize("policy", ["mixed_float16", "mixed_bfloat16"])
def test_mixed_precision(policy, images):
    keras.config.set_dtype_policy(policy)
    backbone = keras.Sequential(
        [
            keras.Input((8, 8, 2)),
            layers.Conv2D(3, 3, name="conv1"),
            layers.BatchNormalization(name="norm1"),
            layers.ReLU(name="relu1"),
            layers.Conv2D(4, 3, activation="relu", name="conv2"),
            layers.Flatten(),
            layers.Dense(3, name="head"),
        ]
    )
    model = kr.ReinitModel(backbone)
    model.calibrate(0, images)
    model.calibrate(1, images)
    model.rescale(1)
    model.reinitialize(0, seed=0)
    assert {w.dtype for w in model.weights} == {"float32"}
    assert numpy(model.blocks[0].normalization.stddev) != 1
    assert keras.backend.standardize_dtype(model(images).dtype) == policy.removeprefix("mixed_")


def test_masks_reach_the_layers_above(rng):
    inputs = keras.Input((6,))
    x = layers.Embedding(9, 4, mask_zero=True, name="embedding")(inputs)
    plain = keras.Model(inputs, layers.Dense(2, name="head")(layers.LSTM(3, name="lstm")(x)))
    model = kr.ReinitModel(plain)
    x = rng.integers(0, 9, (10, 6)) * (np.arange(6) < 3)
    np.testing.assert_array_equal(model.predict(x, verbose=0), plain.predict(x, verbose=0))


def test_layers_called_by_keyword(rng):
    inner = keras.Sequential([keras.Input((4,)), layers.Dense(4, "relu", name="a")], name="inner")
    inputs = keras.Input((4,))
    x = layers.BatchNormalization(name="norm")(inputs=inner(inputs=inputs))
    plain = keras.Model(inputs, layers.Dense(2, name="head")(inputs=x))
    model = kr.ReinitModel(plain)
    x = rng.normal(size=(12, 4)).astype("float32")
    np.testing.assert_array_equal(model.predict(x, verbose=0), plain.predict(x, verbose=0))
    model.calibrate(0, x)
    np.testing.assert_allclose(
        numpy(model.get_layer("norm").moving_mean), numpy(inner(x)).mean(0), rtol=1e-5
    )
