"""LLF and the full reset: what is drawn, and which other methods they are equal to."""

import keras
import numpy as np
import pytest
from keras import layers

import keras_reinit as kr
from keras_reinit.weights.select import list_weights


def network():
    return keras.Sequential(
        [
            keras.Input((8, 8, 2)),
            layers.Conv2D(3, 3, padding="same", name="conv1"),
            layers.BatchNormalization(name="norm1"),
            layers.ReLU(),
            layers.Conv2D(4, 3, padding="same", name="conv2"),
            layers.BatchNormalization(name="norm2"),
            layers.ReLU(),
            layers.Flatten(),
            layers.Dense(5, activation="relu", name="dense"),
            layers.Dense(3, name="head"),
        ]
    )


def trained():
    """As after training: nothing has a value that a new network could have."""
    model = network()
    for number, weight in enumerate(list_weights(model)):
        weight.variable.assign(keras.ops.ones(weight.variable.shape) * (7.0 + number))
    return model


def values(model):
    return {weight.name: np.array(weight.variable) for weight in list_weights(model)}


def drawn(method, seed=0):
    """The names of what a method changes in a trained network, and the network's values then."""
    model = trained()
    before = values(model)
    entries = kr.apply(model, method, seed=seed)
    after = values(model)
    changed = {name for name in before if np.any(before[name] != after[name])}
    assert entries == sum(after[name].size for name in changed)
    return changed, after


LAYERS = {
    "conv1": {"conv1/kernel", "conv1/bias"},
    "norm1": {f"norm1/{n}" for n in ("gamma", "beta", "moving_mean", "moving_variance")},
    "conv2": {"conv2/kernel", "conv2/bias"},
    "norm2": {f"norm2/{n}" for n in ("gamma", "beta", "moving_mean", "moving_variance")},
    "dense": {"dense/kernel", "dense/bias"},
    "head": {"head/kernel", "head/bias"},
}


@pytest.mark.parametrize("first", LAYERS)
def test_everything_from_a_layer_on_is_drawn_and_nothing_before(first):
    names = list(LAYERS)[list(LAYERS).index(first) :]
    changed, _ = drawn(kr.methods.LaterLayers(first))
    assert changed == set.union(*(LAYERS[name] for name in names))


def test_without_a_layer_the_later_half_of_the_kernels():
    changed, _ = drawn(kr.methods.LaterLayers())
    assert changed == LAYERS["dense"] | LAYERS["head"]


def test_as_the_code_of_the_paper_kernels_alone():
    changed, _ = drawn(kr.methods.LaterLayers("conv2", biases=False, norms=False))
    assert changed == {"conv2/kernel", "dense/kernel", "head/kernel"}


def test_other_values_every_time():
    one, other = (drawn(kr.methods.LaterLayers("conv2"), seed)[1] for seed in (0, 1))
    for name in ("conv2/kernel", "dense/kernel", "head/kernel"):
        assert np.all(one[name] != other[name])


def test_the_first_layer_is_a_full_reset_and_the_head_is_fc():
    for method, other in (
        (kr.methods.LaterLayers("conv1"), kr.methods.FullReset()),
        (kr.methods.LaterLayers("head"), kr.methods.FullyConnected(last=1)),
        (kr.methods.LaterLayers("dense"), kr.methods.FullyConnected()),
    ):
        one, two = drawn(method)[1], drawn(other)[1]
        for name, value in one.items():
            np.testing.assert_array_equal(value, two[name], err_msg=name)


def test_it_is_layerwise_that_stays_at_a_block():
    backbone = kr.backbones.mlp((4,), 3, hidden=(6, 5, 4))
    start = {name: np.array(variable) for name, variable in kr.select(backbone).items()}
    for block, first in enumerate(("block2_dense", "block3_dense", "head")):
        layerwise = kr.methods.Layerwise(rescale=None, normalize=False, block=block)
        wrapped = kr.ReinitModel(keras.models.clone_model(backbone))
        plain = keras.models.clone_model(backbone)
        for model, method in ((wrapped, layerwise), (plain, kr.methods.LaterLayers(first))):
            for name, variable in kr.select(model).items():
                variable.assign(start[name])
            kr.apply(model, method, seed=5)
        one, two = (kr.select(model) for model in (wrapped, plain))
        assert list(one) == list(two)
        for name, variable in one.items():
            np.testing.assert_array_equal(np.array(variable), np.array(two[name]), err_msg=name)


def test_a_layer_inside_another_model():
    encoder = keras.Sequential(
        [keras.Input((4,)), layers.Dense(4, name="a"), layers.Dense(4, name="b")], name="encoder"
    )
    model = keras.Sequential([keras.Input((4,)), encoder, layers.Dense(2, name="head")])
    for first in ("b", "encoder/b"):
        before = values(model)
        kr.apply(model, kr.methods.LaterLayers(first), seed=len(first))
        after = values(model)
        changed = {name for name in before if np.any(before[name] != after[name])}
        assert {"encoder/b/kernel", "head/kernel"} <= changed
        assert "encoder/a/kernel" not in changed
    with pytest.raises(ValueError, match=r"from_layer='c'. Expected one of \['encoder/a', 'enc"):
        kr.apply(model, kr.methods.LaterLayers("c"))


def test_a_full_reset_of_a_reinit_model_is_a_new_network(rng):
    model = kr.ReinitModel(kr.backbones.mlp((4,), 3, hidden=(6, 5)))
    sample = rng.normal(size=(16, 4)).astype("float32")
    model.calibrate(0, sample)
    norms = model.init_norms
    assert kr.apply(model, kr.methods.FullReset(), seed=1) == sum(
        np.prod(v.shape) for v in model.trainable_variables
    )
    assert model.init_norms == pytest.approx(kr.init_norms(model))
    assert model.init_norms != norms
    assert float(model.blocks[0].normalization.mean) == 0.0
    twin = kr.ReinitModel(kr.backbones.mlp((4,), 3, hidden=(6, 5)))
    twin.reinitialize(seed=1)
    for a, b in zip(model.get_weights(), twin.get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)
