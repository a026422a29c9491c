"""Final weights of short trainings, as an earlier version of the package trained them.

`python -m tests.test_golden` writes them anew, where a change of every draw is meant.
"""

import pathlib

import keras
import numpy as np
import pytest
from keras import layers

import keras_reinit as kr
from tests.conftest import BACKEND

FILE = pathlib.Path(__file__).with_name("golden.npz")
METHODS = ("LW", "FC", "WELSR", "WELS", "DSD", "S&P", "LLF")  # those that were there then


def perceptron():
    return kr.backbones.mlp((4,), 3, hidden=(5, 4))


def convolutional():
    return keras.Sequential(
        [
            keras.Input((4, 4, 1)),
            layers.Conv2D(2, 3, padding="same", name="conv1"),
            layers.BatchNormalization(name="norm1"),
            layers.ReLU(name="relu1"),
            layers.Conv2D(3, 3, padding="same", name="conv2"),
            layers.ReLU(name="relu2"),
            layers.Flatten(name="flatten"),
            layers.Dense(3, name="head"),
        ]
    )


NETWORKS = {"perceptron": (perceptron, (4,)), "convolutional": (convolutional, (4, 4, 1))}


def compiled(network, wrap=False):
    """A network with weights that do not come from Keras's generators."""
    make, shape = NETWORKS[network]
    model = make()
    rng = np.random.default_rng(0)
    for variable in model.trainable_variables:
        variable.assign(0.5 * rng.normal(size=variable.shape))
    model = kr.ReinitModel(model) if wrap else model
    model.compile(
        keras.optimizers.SGD(0.05, momentum=0.9),
        keras.losses.SparseCategoricalCrossentropy(from_logits=True),
        run_eagerly=True,
    )
    x = rng.normal(size=(12, *shape)).astype("float32")
    return model, x, np.arange(12) % 3


def method(identifier, network):
    model, x, y = compiled(network, wrap=identifier == "LW")
    more = {"sample": x} if identifier == "LW" else {"rounds": 3}
    callback = kr.callbacks.get(identifier)(until=kr.rounds.Fixed(1), seed=3, **more)
    epochs = callback.max_epochs(model)
    model.fit(x, y, batch_size=6, epochs=epochs, shuffle=False, callbacks=[callback], verbose=0)
    return model


def stages(_, network):
    model, x, y = compiled(network)
    method = kr.methods.ShrinkPerturb(0.4, 0.1)
    warm = kr.training.WarmStart(model, method, kr.rounds.Fixed(1), batch_size=6, seed=5)
    list(warm.run([(x[:6], y[:6]), (x, y)]))
    return model


def distilled(_, network):
    student, x, y = compiled(network)
    model = kr.training.SelfDistillation(student, temperature=2.0)
    model.compile(student.optimizer, student.loss, run_eagerly=True)
    callback = kr.callbacks.ShrinkPerturb(until=kr.rounds.Fixed(1), rounds=2, seed=3)
    model.fit(x, y, batch_size=6, epochs=2, shuffle=False, callbacks=[callback], verbose=0)
    return student


TRAININGS = dict.fromkeys(METHODS, method) | {"WarmStart": stages, "SelfDistillation": distilled}


def final_weights(training, network):
    return [
        np.array(variable)
        for variable in kr.select(TRAININGS[training](training, network)).values()
    ]


@pytest.mark.parametrize("network", NETWORKS)
@pytest.mark.parametrize("training", TRAININGS)
@pytest.mark.backends("tensorflow", reason="other backends draw other numbers")
def test_final_weights_are_those_of_before(training, network):
    with np.load(FILE) as golden:
        expected = [
            golden[f"{training}/{network}/{i}"]
            for i in range(len(golden))
            if f"{training}/{network}/{i}" in golden
        ]
    found = final_weights(training, network)
    assert len(found) == len(expected) > 0
    for one, other in zip(found, expected, strict=True):  # bit-equal on one machine
        np.testing.assert_allclose(one, other, rtol=1e-4, atol=1e-5)


if __name__ == "__main__":
    assert BACKEND == "tensorflow"
    np.savez_compressed(
        FILE,
        **{
            f"{training}/{network}/{i}": value
            for training in TRAININGS
            for network in NETWORKS
            for i, value in enumerate(final_weights(training, network))
        },
    )
