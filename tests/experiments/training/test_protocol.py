"""One compiled model serves many runs: after a restart it is a new network."""

import keras
import numpy as np
import pytest

import keras_reinit as kr
from experiments import data
from experiments.training import methods, protocol

FEATURES = 6


@pytest.fixture
def model():
    model = kr.ReinitModel(kr.backbones.mlp((FEATURES,), classes=3, hidden=(8, 8)))
    protocol.compile_for(model, keras.optimizers.SGD(0.1, momentum=0.9), steps=4)
    return model


def trained(model, blobs, method, seed=0):
    x, y = blobs
    until = kr.rounds.Fixed(epochs=1)
    callbacks = methods.callbacks(method, until, 2, 1, data.one_batch(x), seed)
    protocol.fit(model, data.full_batch(x, y), epochs=2, steps=4, callbacks=callbacks)
    return model.get_weights()


@pytest.mark.parametrize("method", ["BL", "WELSR", "WELS", "DSD", "FC", "FC head", "S&P"])
def test_a_run_does_not_depend_on_the_runs_before(model, blobs, method):
    protocol.restart(model, seed=1)
    first = trained(model, blobs, method)
    protocol.restart(model, seed=2)
    trained(model, blobs, "LW")
    protocol.restart(model, seed=1)
    for a, b in zip(first, trained(model, blobs, method), strict=True):
        np.testing.assert_array_equal(a, b)


@pytest.mark.parametrize("method", ["LW", "LW kernels"])
def test_layerwise_starts_from_identity_and_its_own_norms(model, blobs, method):
    protocol.restart(model, seed=1)
    first = trained(model, blobs, method)
    protocol.restart(model, seed=2)
    trained(model, blobs, method)
    protocol.restart(model, seed=1)
    assert model.init_norms == pytest.approx(kr.init_norms(model))
    assert all(float(block.normalization.stddev) == 1 for block in model.blocks)
    assert all(float(block.normalization.mean) == 0 for block in model.blocks)
    for a, b in zip(first, trained(model, blobs, method), strict=True):
        np.testing.assert_array_equal(a, b)


def test_another_seed_is_another_network(model):
    protocol.restart(model, seed=1)
    first = np.array(model.get_layer("head").kernel)
    protocol.restart(model, seed=2)
    assert (np.array(model.get_layer("head").kernel) != first).all()


def test_one_trace_serves_all_runs(model, blobs, monkeypatch):
    traces, compute_loss = [], model.compute_loss

    def counted(*arguments, **options):
        traces.append(None)
        return compute_loss(*arguments, **options)

    monkeypatch.setattr(model, "compute_loss", counted)
    trained(model, blobs, "BL")
    first_run = len(traces)
    for seed, method in enumerate(["LW", "WELSR", "S&P"]):
        protocol.restart(model, seed)
        trained(model, blobs, method, seed)
    assert len(traces) == first_run


def test_accuracy(model, blobs):
    x, y = blobs
    expected = np.mean(np.argmax(model.predict(x, verbose=0), axis=-1) == y)
    assert protocol.accuracy(model, x, y) == pytest.approx(expected)
