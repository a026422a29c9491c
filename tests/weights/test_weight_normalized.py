"""What the operations do to a weight-normalised model: which variables, with which values."""

import keras
import numpy as np
import pytest
from keras import layers

import keras_reinit as kr
from keras_reinit.layers import WeightNormalization


def numpy(x):
    return keras.ops.convert_to_numpy(x)


def network(**options):
    model = keras.Sequential(
        [
            keras.Input((6, 6, 3)),
            WeightNormalization(layers.Conv2D(4, 3, name="conv"), **options),
            layers.ReLU(name="relu"),
            WeightNormalization(layers.SeparableConv2D(5, 3, name="separable"), **options),
            layers.Flatten(name="flatten"),
            layers.Dense(3, name="head"),
        ]
    )
    rng = np.random.default_rng(0)
    for variable in model.weights:  # as if trained
        variable.assign(rng.uniform(0.5, 2.0, variable.shape))
    return model


def values(model, where=None):
    return {name: numpy(variable) for name, variable in kr.select(model, where).items()}


GAINS = {"conv/g", "separable/depthwise_g", "separable/pointwise_g"}
KERNELS = {
    "conv/conv/kernel": (0, 1, 2),
    "separable/separable/depthwise_kernel": (0, 1),
    "separable/separable/pointwise_kernel": (0, 1, 2),
}
HEAD = {"head/kernel", "head/bias"}
BIASES = {"conv/conv/bias", "separable/separable/bias"}


def gain_of(kernel):
    outer, _, name = kernel.split("/")
    return f"{outer}/{name.replace('kernel', 'g')}"


def assert_gains_are_norms(found, factor=1.0):
    for kernel, axes in KERNELS.items():
        norms = factor * np.sqrt((found[kernel] ** 2).sum(axis=axes)).ravel()
        np.testing.assert_allclose(found[gain_of(kernel)], norms, rtol=1e-6)


def test_names():
    assert set(values(network())) == GAINS | set(KERNELS) | BIASES | HEAD
    assert set(values(network(), "conv")) == {"conv/g", "conv/conv/kernel", "conv/conv/bias"}
    assert set(values(network(), ".*g")) == GAINS


def test_a_fresh_draw_is_a_new_layer():
    model = network()
    before = values(model)
    kr.reinitialize(model, seed=0)
    after = values(model)
    assert_gains_are_norms(after)
    for name, value in after.items():
        assert not np.any(value == before[name])
        if name in BIASES:
            np.testing.assert_array_equal(value, 0)
    limit = np.sqrt(6 / (9 * 3 + 9 * 4))  # Glorot uniform
    assert 0.8 * limit < np.abs(after["conv/conv/kernel"]).max() <= limit
    kr.reinitialize(model, seed=0)
    for name, value in values(model).items():
        np.testing.assert_array_equal(value, after[name])


def test_a_gain_with_an_initializer_is_drawn_from_it():
    model = network(gain_initializer=keras.initializers.RandomUniform(2.0, 3.0))
    draws = []
    for seed in (0, 0, 1):
        kr.reinitialize(model, seed=seed)
        draws.append(values(model))
    for name in GAINS:
        assert (draws[0][name] >= 2).all()
        assert (draws[0][name] < 3).all()
        np.testing.assert_array_equal(draws[0][name], draws[1][name])
        assert not np.any(draws[0][name] == draws[2][name])
    assert not np.any(draws[0]["conv/g"] == draws[0]["separable/depthwise_g"][0])


def test_the_gain_of_a_kernel_that_stays_is_its_norm():
    model = network()
    before = values(model)
    kr.reinitialize(model, where=".*g", seed=0)
    after = values(model)
    assert_gains_are_norms(after)
    for name in set(after) - GAINS:
        np.testing.assert_array_equal(after[name], before[name])


def test_a_kernel_alone_keeps_its_gain():
    model = network()
    before = values(model)
    kr.reinitialize(model, where=".*/kernel", seed=0)
    changed = {name for name, value in values(model).items() if np.any(value != before[name])}
    assert changed == {"conv/conv/kernel", "head/kernel"}


def test_shrink_and_perturb():
    model = network()
    before = values(model)
    kr.reinitialize(model, seed=3)
    fresh = values(model)
    for name, variable in kr.select(model).items():
        variable.assign(before[name])
    kr.shrink_perturb(model, shrink=0.5, perturb=0.25, seed=3)
    for name, value in values(model).items():
        np.testing.assert_allclose(value, 0.5 * before[name] + 0.25 * fresh[name], rtol=1e-5)


def test_a_direction_is_not_shrunk_to_nothing():
    model = network()
    before = values(model)
    with pytest.raises(ValueError, match="no direction. Received: shrink=0, perturb=0"):
        kr.shrink_perturb(model, shrink=0, perturb=0)
    for name, value in values(model).items():
        np.testing.assert_array_equal(value, before[name])


@pytest.mark.parametrize("by", ["random", "magnitude"])
@pytest.mark.parametrize("scope", ["layer", "global"])
def test_entries_are_those_of_v(by, scope):
    model = network()
    before = values(model)
    masks = kr.reinitialize_subset(model, 0.3, by=by, scope=scope, seed=0)
    assert set(masks) == {*KERNELS, "head/kernel"}
    sizes = {name: np.size(numpy(mask)) for name, mask in masks.items()}
    counts = {name: int(numpy(mask).sum()) for name, mask in masks.items()}
    if scope == "layer":
        assert counts == {name: round(0.3 * size) for name, size in sizes.items()}
    assert sum(counts.values()) == pytest.approx(0.3 * sum(sizes.values()), abs=2)
    for name, value in values(model).items():
        moved = numpy(masks[name]) if name in masks else np.zeros(value.shape, bool)
        np.testing.assert_array_equal(value != before[name], moved)


def test_norms_are_those_of_g_and_of_v():
    model = network()
    norms = kr.init_norms(model)
    x = np.ones((1, 6, 6, 3), "float32")
    before = model.predict(x, verbose=0)
    for name, variable in kr.select(model).items():
        variable.assign((2.0 if "kernel" in name else 3.0) * variable.value)
    kr.rescale(model, norms)
    assert kr.init_norms(model) == pytest.approx(norms, rel=1e-6)
    np.testing.assert_allclose(model.predict(x, verbose=0), before, rtol=1e-5)


def test_quantised_inside_is_refused_and_nothing_changes():
    model = keras.Sequential([keras.Input((4,)), WeightNormalization(layers.Dense(3, name="in"))])
    model.layers[0].layer.quantize("int8")
    before = model.get_weights()
    with pytest.raises(ValueError, match="Layer 'in' is quantised"):
        kr.reinitialize(model, seed=0)
    for one, other in zip(before, model.get_weights(), strict=True):
        np.testing.assert_array_equal(one, other)


@pytest.mark.parametrize("inner", [layers.LSTM, layers.GRU])
def test_recurrent_layers_and_cells(inner):
    cell = {layers.LSTM: layers.LSTMCell, layers.GRU: layers.GRUCell}[inner]
    model = keras.Sequential(
        [
            keras.Input((5, 3)),
            WeightNormalization(inner(4, return_sequences=True, name="first")),
            layers.RNN(WeightNormalization(cell(4, name="second")), name="rnn"),
        ]
    )
    kr.reinitialize(model, seed=0)
    found = values(model)
    for prefix, own in (("first", f"first/first/{cell.__name__.lower()[:-4]}_cell"),):
        for kernel, g in (("kernel", "g"), ("recurrent_kernel", "recurrent_g")):
            norms = np.linalg.norm(found[f"{own}/{kernel}"], axis=0)
            np.testing.assert_allclose(found[f"{prefix}/{g}"], norms, rtol=1e-6)
    norms = np.linalg.norm(found["rnn/second/second/kernel"], axis=0)
    np.testing.assert_allclose(found["rnn/second/g"], norms, rtol=1e-6)


def test_a_fresh_draw_inside_a_strategy(strategy):
    with strategy.scope():
        model = network()
    kr.reinitialize(model, seed=0)
    plain = network()
    kr.reinitialize(plain, seed=0)
    for variable, expected in zip(model.weights, plain.weights, strict=True):
        for replica in strategy.experimental_local_results(variable.value):
            np.testing.assert_allclose(numpy(replica), numpy(expected), rtol=1e-6)
