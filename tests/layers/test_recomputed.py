"""A part that is recomputed is run twice, and is the same network otherwise."""

import keras
import numpy as np
import pytest
from keras import layers

import keras_reinit as kr
from keras_reinit.layers import Recomputed, WeightNormalization


class Counting(layers.Layer):
    """The identity, which counts how often it is run."""

    runs = 0

    def call(self, inputs):
        self.runs += 1
        return inputs


def network(kind):
    """Two parts of two hidden layers, between which a layer counts."""
    inputs = keras.Input((6,))
    x = WeightNormalization(layers.Dense(5, name="stem"))(inputs)
    for part in (1, 2):
        start = keras.Input((5,))
        y = layers.Dense(5, "tanh", name=f"part{part}_first")(start)
        # Not at the end: PyTorch stops as soon as all that it needs is there again.
        y = Counting(name=f"part{part}_count")(y)
        y = WeightNormalization(layers.Dense(5, "relu", name=f"part{part}_second"))(y)
        x = kind(start, y, name=f"part{part}")(x)
    return keras.Model(inputs, layers.Dense(3, name="head")(x))


def pair():
    plain, recomputed = network(keras.Model), network(Recomputed)
    recomputed.set_weights(plain.get_weights())
    return plain, recomputed


@pytest.mark.parametrize("eager", [True, False])
def test_training_is_the_same(eager, blobs):
    x, y = blobs
    models = pair()
    for model in models:
        loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
        model.compile(keras.optimizers.SGD(0.1, 0.9), loss, run_eagerly=eager)
        model.fit(x, y, epochs=2, verbose=0, shuffle=False)
    for one, other in zip(*(model.get_weights() for model in models), strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-4, atol=1e-6)
    np.testing.assert_allclose(*(model.predict_on_batch(x) for model in models), rtol=1e-4)


@pytest.mark.backends("tensorflow", "torch", reason="JAX runs again what it traced once")
def test_each_part_is_run_once_more_in_the_backward_pass(blobs):
    x, y = blobs
    for model, expected in zip(pair(), (1, 2), strict=True):
        loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
        model.compile("sgd", loss, run_eagerly=True)
        model.train_on_batch(x, y)  # the first may run it once more to see what comes out
        counts = [model.get_layer(f"part{i}").get_layer(f"part{i}_count") for i in (1, 2)]
        for layer in counts:
            layer.runs = 0
        model.train_on_batch(x, y)
        assert [layer.runs for layer in counts] == [expected] * 2


def test_operations_find_the_layers_inside(blobs):
    plain, recomputed = pair()
    assert list(kr.select(recomputed)) == list(kr.select(plain))
    for model in (plain, recomputed):
        kr.reinitialize(model, seed=3)
    for one, other in zip(plain.get_weights(), recomputed.get_weights(), strict=True):
        np.testing.assert_array_equal(one, other)
    model = kr.ReinitModel(recomputed)
    weighted = [[each.name for each in block.layers if each.weights] for block in model.blocks]
    parts = [[f"part{i}_{name}"] for i in (1, 2) for name in ("first", "second")]
    assert weighted == [["stem"], *parts]
    np.testing.assert_allclose(
        model.predict_on_batch(blobs[0]), plain.predict_on_batch(blobs[0]), rtol=1e-5
    )


def test_it_is_saved_and_loaded(tmp_path, blobs):
    inputs = keras.Input((6,))
    part_inputs = keras.Input((6,))
    part = Recomputed(part_inputs, layers.Dense(3, name="inner")(part_inputs), name="part")
    model = keras.Model(inputs, part(inputs))
    part.get_layer("inner").trainable = False
    model.save(tmp_path / "model.keras")
    loaded = keras.models.load_model(tmp_path / "model.keras")
    assert type(loaded.get_layer("part")) is Recomputed
    np.testing.assert_array_equal(
        loaded.predict_on_batch(blobs[0]), model.predict_on_batch(blobs[0])
    )


@pytest.mark.parametrize("layer", [layers.BatchNormalization, lambda **o: layers.Dropout(0.5, **o)])
def test_layers_that_change_a_state_are_refused(layer):
    inputs = keras.Input((6,))
    inner_inputs = keras.Input((6,))
    inner = keras.Model(inner_inputs, layer(name="changing")(inner_inputs))
    with pytest.raises(ValueError, match=r"cannot be run twice. Received: \['changing'\]"):
        Recomputed(inputs, inner(layers.Dense(6)(inputs)))
