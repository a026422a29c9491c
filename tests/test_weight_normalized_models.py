"""Blocks and methods on weight-normalised networks are those of the networks inside."""

import keras
import numpy as np
import pytest
from keras import layers

import keras_reinit as kr
from keras_reinit.layers import WeightNormalization
from tests.initializers.networks import mlp, resnet


def weights(model):
    return {name: variable.numpy() for name, variable in kr.select(model).items()}


def convolutional(wrap):
    """Two convolutional units, the second depthwise and pointwise, a hidden dense layer, a head."""
    return keras.Sequential(
        [
            keras.Input((8, 8, 3)),
            wrap(layers.Conv2D(4, 3, name="conv")),
            layers.ReLU(name="relu"),
            layers.MaxPooling2D(name="pool"),
            wrap(layers.DepthwiseConv2D(3, name="depthwise")),
            wrap(layers.Conv2D(4, 1, activation="relu", name="pointwise")),
            layers.Flatten(name="flatten"),
            wrap(layers.Dense(5, "relu", name="hidden")),
            layers.Dense(3, name="head"),
        ]
    )


def plain(layer):
    return layer


def names(model):
    return [[layer.name for layer in block.layers] for block in model.blocks]


def test_blocks_are_those_of_the_network_without_weight_normalisation():
    expected = names(kr.ReinitModel(convolutional(plain)))
    assert names(kr.ReinitModel(convolutional(WeightNormalization))) == expected
    assert expected[-1][-2:] == ["depthwise", "pointwise"]
    assert len(kr.ReinitModel(resnet(blocks=2)).blocks) == 4
    assert len(kr.ReinitModel(mlp((5, 4), head=3)).blocks) == 2


@pytest.mark.parametrize("last", [None, 1])
def test_fc_begins_with_the_gain_of_its_first_layer(last):
    model = convolutional(WeightNormalization)
    before = weights(model)
    _train(model, kr.callbacks.FullyConnectedReinit(kr.rounds.Fixed(1), 2, last=last, seed=0))
    changed = {name for name, value in weights(model).items() if np.any(value != before[name])}
    hidden = {"hidden/g", "hidden/hidden/kernel"}
    assert changed == {"head/kernel"} | (set() if last else hidden)


def test_fc_without_convolutions_keeps_the_first_layer():
    model = mlp((5, 4), inputs=6, head=3)
    before = weights(model)
    _train(model, kr.callbacks.FullyConnectedReinit(kr.rounds.Fixed(1), 2, seed=0))
    changed = {name for name, value in weights(model).items() if np.any(value != before[name])}
    assert changed == {"dense2/g", "dense2/dense2/kernel", "head/kernel"}


def test_lw_runs_and_rescales_the_gains():
    model = kr.ReinitModel(mlp((5, 4), inputs=6, head=3))
    norms = model.init_norms
    for variable in kr.select(model).values():
        variable.assign(2 * variable.value)
    model.rescale(upto=0)
    found = kr.init_norms(model)
    for name in ("dense1/g", "dense1/dense1/kernel"):
        assert found[name] == pytest.approx(norms[name], rel=1e-6)
    sample = np.random.default_rng(0).normal(size=(16, 6)).astype("float32")
    method = kr.callbacks.LayerwiseReinit(sample, until=kr.rounds.Fixed(1), seed=0)
    _train(model, method)
    assert all(np.isfinite(value).all() for value in weights(model).values())


def _train(model, method):
    """One epoch a round, with a learning rate of 0: what changes is the method's doing."""
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(keras.optimizers.SGD(0.0), loss)
    rng = np.random.default_rng(0)
    x = rng.normal(size=(8, *model.input_shape[1:])).astype("float32")
    epochs = method.max_epochs(model)
    model.fit(x, np.arange(8) % 3, epochs=epochs, callbacks=[method], verbose=0)
