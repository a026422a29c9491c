"""A fresh draw for every layer of Keras that has weights, held against a newly built one."""

import keras
import numpy as np
import pytest
from keras import layers

import keras_reinit as kr
from keras_reinit.weights.select import list_weights

VECTORS, SEQUENCES = (None, 16), (None, 6, 16)
LINES, IMAGES, VOLUMES = (None, 8, 4), (None, 8, 8, 4), (None, 6, 6, 6, 4)

# name: (function that makes the layer, shape of its input)
LAYERS = {
    "Dense": (lambda: layers.Dense(40), VECTORS),
    "EinsumDense": (
        lambda: layers.EinsumDense("abc,cde->abde", (None, 5, 9), bias_axes="de"),
        SEQUENCES,
    ),
    "Conv1D": (lambda: layers.Conv1D(16, 3), LINES),
    "Conv2D": (lambda: layers.Conv2D(16, 3), IMAGES),
    "Conv2D grouped": (lambda: layers.Conv2D(32, 3, groups=2), IMAGES),
    "Conv3D": (lambda: layers.Conv3D(8, 3), VOLUMES),
    "Conv1DTranspose": (lambda: layers.Conv1DTranspose(16, 3), LINES),
    "Conv2DTranspose": (lambda: layers.Conv2DTranspose(16, 3), IMAGES),
    "Conv3DTranspose": (lambda: layers.Conv3DTranspose(8, 3), VOLUMES),
    "DepthwiseConv1D": (lambda: layers.DepthwiseConv1D(5, depth_multiplier=12), LINES),
    "DepthwiseConv2D": (lambda: layers.DepthwiseConv2D(3, depth_multiplier=8), IMAGES),
    "SeparableConv1D": (lambda: layers.SeparableConv1D(40, 5, depth_multiplier=12), LINES),
    "SeparableConv2D": (lambda: layers.SeparableConv2D(40, 3, depth_multiplier=8), IMAGES),
    "SimpleRNN": (lambda: layers.SimpleRNN(24), SEQUENCES),
    "GRU": (lambda: layers.GRU(16), SEQUENCES),
    "LSTM": (lambda: layers.LSTM(16), SEQUENCES),
    "stacked cells": (lambda: layers.RNN([layers.LSTMCell(12), layers.GRUCell(12)]), SEQUENCES),
    "Bidirectional": (lambda: layers.Bidirectional(layers.LSTM(12)), SEQUENCES),
    "Bidirectional two": (
        lambda: layers.Bidirectional(
            layers.GRU(12), backward_layer=layers.GRU(12, go_backwards=True)
        ),
        SEQUENCES,
    ),
    "ConvLSTM1D": (lambda: layers.ConvLSTM1D(8, 3), (None, 3, 8, 4)),
    "ConvLSTM2D": (lambda: layers.ConvLSTM2D(4, 3), (None, 3, 6, 6, 4)),
    "TimeDistributed": (lambda: layers.TimeDistributed(layers.Dense(40)), SEQUENCES),
    "Embedding": (lambda: layers.Embedding(50, 12), (None, 7)),
    "MultiHeadAttention": (lambda: layers.MultiHeadAttention(4, 8), SEQUENCES),
    "GroupQueryAttention": (lambda: layers.GroupQueryAttention(8, 4, 2), SEQUENCES),
    "AdditiveAttention": (lambda: layers.AdditiveAttention(), (None, 5, 400)),
    "Attention": (lambda: layers.Attention(use_scale=True), SEQUENCES),
    "PReLU": (lambda: layers.PReLU("he_normal"), (None, 40, 10)),
    "BatchNormalization": (lambda: layers.BatchNormalization(), VECTORS),
    "GroupNormalization": (lambda: layers.GroupNormalization(4), (*IMAGES[:3], 8)),
    "LayerNormalization": (lambda: layers.LayerNormalization(), VECTORS),
    "RMSNormalization": (lambda: layers.RMSNormalization(), VECTORS),
    "SpectralNormalization": (
        lambda: layers.SpectralNormalization(layers.Conv2D(16, 3)),
        IMAGES,
    ),
    "orthogonal": (lambda: layers.Dense(32, kernel_initializer="orthogonal"), VECTORS),
    "seeded": (
        lambda: layers.Dense(40, kernel_initializer=keras.initializers.HeUniform(seed=3)),
        VECTORS,
    ),
    "constants": (
        lambda: layers.Dense(40, kernel_initializer="ones", bias_initializer="zeros"),
        VECTORS,
    ),
}
each_layer = pytest.mark.parametrize("name", LAYERS)


def model_of(name):
    """A model with this layer alone."""
    make, shape = LAYERS[name]
    inputs = keras.Input(shape[1:], dtype="int32" if name == "Embedding" else None)
    layer = make()
    attends = "Attention" in name
    outputs = layer(inputs, inputs) if name.endswith("HeadAttention") else None
    if outputs is None:
        outputs = layer(inputs, inputs) if name.startswith("Group") and attends else None
    if outputs is None:
        outputs = layer([inputs, inputs]) if attends else layer(inputs)
    return keras.Model(inputs, outputs)


def values(model):
    return {slot.name: slot.variable.numpy() for slot in list_weights(model)}


def is_random(array):
    return len(np.unique(array)) > array.size / 2 and array.size > 2


@each_layer
def test_random_variables_are_new_and_constants_as_in_a_new_layer(name):
    model = model_of(name)
    initial = values(model)
    for variable in model.weights:  # training, as it were
        variable.assign(variable.value * 3 + 0.5)
    kr.reinitialize(model, seed=0)
    first = values(model)
    kr.reinitialize(model, seed=1)
    second = values(model)
    assert first  # not one of these layers is passed over
    for key, start in initial.items():
        if is_random(start):
            for a, b in ((first, initial), (second, initial), (first, second)):
                share = np.mean(a[key] == b[key])
                assert share < 0.01, f"{key} repeats {share:.0%} of its values"
        else:
            np.testing.assert_array_equal(first[key], start, err_msg=key)
    arrays = [array for array in first.values() if is_random(array)]
    for i, a in enumerate(arrays):
        assert all(a.shape != b.shape or not np.array_equal(a, b) for b in arrays[:i])


@each_layer
def test_the_distribution_is_that_of_a_new_layer(name):
    model, twins = model_of(name), [model_of(name) for _ in range(2)]
    draws = []
    for seed in range(3):
        kr.reinitialize(model, seed=seed)
        draws.append(values(model))
    references = [list(values(twin).values()) for twin in twins]
    for i, key in enumerate(draws[0]):
        fresh = np.stack([draw[key] for draw in draws])
        built = np.stack([reference[i] for reference in references])
        assert fresh.dtype == built.dtype
        spread = fresh.std(), built.std()
        assert spread[0] == pytest.approx(spread[1], rel=0.15), key
        assert abs(fresh.mean() - built.mean()) <= 0.15 * spread[1] + 1e-6, key
        # Uniform, truncated, or neither: how far out the largest value lies.
        assert abs(fresh).max() == pytest.approx(abs(built).max(), rel=0.35), key


@each_layer
def test_a_seed_names_the_values_whatever_else_was_built(name):
    one = model_of(name)
    layers.Dense(3).build((None, 2))  # moves automatic names on
    two = model_of(name)
    for model in (one, two):
        kr.reinitialize(model, seed=5)
    for a, b in zip(values(one).values(), values(two).values(), strict=True):
        np.testing.assert_array_equal(a, b)


@pytest.mark.parametrize(
    "policy",
    [
        "mixed_float16",
        "bfloat16",
        pytest.param(
            "float64", marks=pytest.mark.backends("tensorflow", "torch", reason="64 bits")
        ),
    ],
)
def test_values_have_the_dtype_of_the_variable(policy):
    model = keras.Sequential([keras.Input((4,)), layers.Dense(3, dtype=policy)])
    before = model.layers[0].kernel.numpy().astype("float64")
    kr.reinitialize(model, seed=0)
    kernel = model.layers[0].kernel
    assert kernel.dtype == {"mixed_float16": "float32"}.get(policy, policy)
    same = kernel.numpy().astype("float64") == before
    # In half precision two draws may agree by chance, and those of PyTorch do.
    by_chance = policy == "bfloat16" and keras.backend.backend() == "torch"
    assert np.mean(same) < 0.2 if by_chance else not np.any(same)


# -- What the equations of the initializers say ---------------------------------------------------


@pytest.mark.parametrize(
    ("make", "shape", "fan_in"),
    [
        (lambda init: layers.Dense(64, kernel_initializer=init), (None, 50), 50),
        (lambda init: layers.Conv2D(32, 3, kernel_initializer=init), IMAGES, 36),
        (
            lambda init: layers.DepthwiseConv2D(3, depth_multiplier=16, depthwise_initializer=init),
            IMAGES,
            36,
        ),
    ],
    ids=["dense", "convolution", "depthwise"],
)
def test_he_initializers_see_the_fan_in(make, shape, fan_in):
    for init, bound in (("he_uniform", np.sqrt(6 / fan_in)), ("he_normal", None)):
        model = keras.Sequential([keras.Input(shape[1:]), make(init)])
        kr.reinitialize(model, seed=0)
        kernel = model.layers[0].kernel.numpy()
        assert kernel.std() == pytest.approx(np.sqrt(2 / fan_in), rel=0.1)
        if bound:
            assert 0.97 * bound < abs(kernel).max() <= bound


def test_projections_of_attention_see_the_fans_of_their_matrices():
    """Four heads of 8 on width 16: a matrix of 16 x 32, not what the last two axes would say."""
    model = model_of("MultiHeadAttention")
    kr.reinitialize(model, seed=0)
    limit = np.sqrt(6 / (16 + 32))
    projections = [a for a in values(model).values() if a.ndim == 3]
    assert [a.shape for a in projections] == [(16, 4, 8)] * 3 + [(4, 8, 16)]
    for kernel in projections:
        assert 0.95 * limit < abs(kernel).max() <= limit


@pytest.mark.parametrize("units", [16, 40])
def test_orthogonal_kernels_are_orthogonal(units):
    model = keras.Sequential(
        [keras.Input((16,)), layers.Dense(units, kernel_initializer="orthogonal")]
    )
    kr.reinitialize(model, seed=0)
    kernel = model.layers[0].kernel.numpy()
    np.testing.assert_allclose(kernel @ kernel.T, np.eye(16), atol=1e-5)


def test_recurrent_kernels_are_orthogonal_and_the_forget_gate_open():
    model = model_of("LSTM")
    kr.reinitialize(model, seed=0)
    cell = model.layers[-1].cell
    recurrent = cell.recurrent_kernel.numpy()
    np.testing.assert_allclose(recurrent @ recurrent.T, np.eye(16), atol=1e-5)
    np.testing.assert_array_equal(cell.bias.numpy(), np.repeat([0, 1, 0, 0], 16))


def test_a_spectrally_normalised_layer_still_works():
    model = model_of("SpectralNormalization")
    kr.reinitialize(model, seed=0)
    outputs = model(np.ones((2, 8, 8, 4), "float32"), training=True)
    assert np.isfinite(keras.ops.convert_to_numpy(outputs)).all()
