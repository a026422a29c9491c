"""Data that a network is measured on: as Keras takes it, or refused by name."""

import keras
import numpy as np
import pytest
from keras import layers

import keras_reinit as kr

tf_data = pytest.mark.backends("tensorflow", reason="tf.data")


def network():
    return keras.Sequential(
        [
            keras.Input((8,)),
            layers.Dense(4, "relu", name="first"),
            layers.BatchNormalization(name="norm"),
            layers.Dense(4, "relu", name="second"),
            layers.Dense(2),
        ]
    )


MEASURE = pytest.mark.parametrize(
    "measure",
    [kr.recalibrate, lambda model, data: kr.ReinitModel(model).calibrate(0, data)],
    ids=["recalibrate", "calibrate"],
)


def mean_of(model):
    return keras.ops.convert_to_numpy(model.get_layer("norm").moving_mean)


@MEASURE
@pytest.mark.parametrize("kind", ["csr", "csc", "coo"])
def test_sparse_matrices_of_scipy(kind, measure):
    sparse = pytest.importorskip("scipy.sparse")
    data = sparse.random(96, 8, density=0.4, format="csr", dtype="float32", random_state=0)
    one, other = network(), network()
    other.set_weights(one.get_weights())
    measure(one, data.toarray())
    measure(other, data.asformat(kind))
    np.testing.assert_allclose(mean_of(one), mean_of(other), rtol=1e-5)


@tf_data
@MEASURE
@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda data: data, "single examples of shape.*Expected e.g. sample=data.batch"),
        (lambda data: data.map(lambda x: (x, 0)), "single examples.*sample=data.batch"),
        (lambda data: data.batch(4).take(0), "empty"),
        (lambda data: data.batch(4).filter(lambda x: False), "empty"),
        (lambda data: data.batch(4).repeat(), "repeats for ever"),
    ],
    ids=["not batched", "pairs", "none", "all filtered", "endless"],
)
def test_data_sets_that_are_refused(make, message, measure):
    import tensorflow as tf

    data = make(tf.data.Dataset.from_tensor_slices(np.ones((12, 8), "float32")))
    model = network()
    before = model.get_weights()
    with pytest.raises(ValueError, match=message):
        measure(model, data)
    for a, b in zip(before, model.get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)


@MEASURE
def test_no_example_is_refused(measure):
    with pytest.raises(ValueError, match=r"some examples.*shape \(0, 8\)"):
        measure(network(), np.ones((0, 8)))


@tf_data
def test_refit_says_what_it_takes_in_place_of_a_sparse_matrix():
    sparse = pytest.importorskip("scipy.sparse")
    model = network()
    model.compile("sgd", "sparse_categorical_crossentropy")
    x = sparse.random(16, 8, density=0.5, format="csr", random_state=0)
    with pytest.raises(ValueError, match="sparse matrices.*'csr_matrix'.*Expected x.toarray"):
        kr.training.refit(model, x, np.zeros(16), "warm", kr.rounds.Fixed(epochs=1))


def test_a_fixed_batch_size_and_the_memory_of_a_recurrent_network(rng):
    inputs = keras.Input(batch_shape=(4, 3, 2))
    x = layers.LSTM(5, stateful=True, return_sequences=True)(inputs)
    model = kr.ReinitModel(keras.Model(inputs, layers.Dense(2)(layers.LSTM(5, stateful=True)(x))))
    data = rng.normal(size=(12, 3, 2)).astype("float32")
    states = [s for layer in model.layers for s in getattr(layer, "states", None) or ()]
    states[0].assign(np.full((4, 5), 0.25))
    before = [keras.ops.convert_to_numpy(s) for s in states]
    model.calibrate(0, data)
    assert float(keras.ops.convert_to_numpy(model.blocks[0].normalization.stddev)) != 1
    for a, b in zip(before, states, strict=True):
        np.testing.assert_array_equal(a, keras.ops.convert_to_numpy(b))
    with pytest.raises(ValueError, match="batches of 4.*sample of 13.*multiple of 4"):
        model.calibrate(0, np.ones((13, 3, 2), "float32"))
