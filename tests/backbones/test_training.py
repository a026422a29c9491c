"""The networks for images train on small ones, in any precision and by layers."""

import keras
import numpy as np
import pytest

import keras_reinit as kr
from tests.backbones.networks import (
    all_networks_and_blocks,
    narrow_preact_resnet18,
    narrow_resnet18,
)
from tests.settings import all_methods

RESIDUAL = [narrow_resnet18, narrow_preact_resnet18]
five_networks = pytest.mark.parametrize(
    "build", [kr.backbones.vgg16, kr.backbones.mobilenet, kr.backbones.resnet50, *RESIDUAL]
)


def images(side, count):
    x = np.random.default_rng(0).normal(size=(count, side, side, 3)).astype("float32")
    return x, np.arange(count) % 3


def compiled(model, **options):
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(keras.optimizers.SGD(0.003, 0.9), loss, **options)
    return model


def kernels(model):
    return [np.array(layer.kernel) for layer in model.layers if hasattr(layer, "kernel")]


@all_networks_and_blocks
def test_layerwise_reinitialisation_on_the_smallest_images(build, blocks):
    x, y = images(side=8, count=4)
    model = compiled(kr.ReinitModel(build((8, 8, 3), classes=3)), run_eagerly=True)
    assert [block.layers[-1].name for block in model.blocks] == [
        f"block{k}_out" for k in range(1, blocks + 1)
    ]
    before = kernels(model)
    method = kr.callbacks.LayerwiseReinit(sample=x, until=kr.rounds.Fixed(epochs=1), seed=0)
    assert method.max_epochs(model) == blocks
    history = model.fit(x, y, epochs=1, verbose=0, callbacks=[method]).history
    assert history["reinit_block"] == [0]
    stddevs = [float(block.normalization.stddev) for block in model.blocks]
    assert stddevs[0] != 1
    assert stddevs[1:] == [1] * (blocks - 1)
    assert all(np.isfinite(weight).all() for weight in model.get_weights())
    # The first kernel was rescaled and trained, all others were drawn afresh.
    assert all(np.any(old != new) for old, new in zip(before, kernels(model), strict=True))


@all_methods
def test_every_method_has_its_rounds_on_a_residual_network(setting):
    x, y = images(side=8, count=4)
    network = kr.backbones.preact_resnet18((8, 8, 3), classes=3, width=1 / 16)
    model = compiled(kr.ReinitModel(network), run_eagerly=True)
    method = setting.callback(**{"sample": x} if "sample" in setting.arguments else {})
    history = model.fit(x, y, epochs=2, verbose=0, callbacks=[method]).history
    assert history["reinit_round"] == [0, 1]
    assert all(np.isfinite(weight).all() for weight in model.get_weights())


@five_networks
def test_a_step_in_mixed_precision(build):
    keras.config.set_dtype_policy("mixed_float16")
    x, y = images(side=32, count=2)
    model = compiled(build((32, 32, 3), classes=3), run_eagerly=True)
    assert model.output.dtype == "float16"
    before = kernels(model)
    for _ in range(3):  # the first may only find the scale of the loss
        assert np.isfinite(model.train_on_batch(x, y))
    assert all(np.any(old != new) for old, new in zip(before, kernels(model), strict=True))
    assert np.isfinite(model.predict_on_batch(x)).all()


@pytest.mark.slow
@pytest.mark.parametrize("build", [kr.backbones.vgg16, kr.backbones.mobilenet])
def test_a_step_with_xla(build):
    x, y = images(side=8, count=2)
    model = compiled(build((8, 8, 3), classes=3), jit_compile=True)
    before = kernels(model)
    assert np.isfinite(model.train_on_batch(x, y))
    assert all(np.any(old != new) for old, new in zip(before, kernels(model), strict=True))


@pytest.mark.slow
def test_resnet50_predicts_the_same_with_xla():  # a training step compiles three times as long
    x, _ = images(side=32, count=2)
    model = compiled(kr.backbones.resnet50((32, 32, 3), classes=3), jit_compile=True)
    np.testing.assert_allclose(model.predict_on_batch(x), np.array(model(x)), rtol=1e-2, atol=1e-3)


@pytest.mark.parametrize("build", [kr.backbones.vgg16, kr.backbones.resnet50, *RESIDUAL])
def test_without_normalisation_activations_stay_finite(build):
    x, _ = images(side=32, count=2)
    logits = np.array(build((32, 32, 3), classes=3, norm=None)(x))
    assert np.isfinite(logits).all()
    assert np.abs(logits).max() > 1e-3
