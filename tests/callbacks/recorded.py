"""A training that is recorded: the weights before and after every round's action.

What is there at the end of an epoch is what training left, and what a callback finds at the
beginning of the next one is what the method made of it.
"""

import functools

import keras
import numpy as np

import keras_reinit as kr

EPOCHS_A_ROUND = 2
ROUNDS = 3


def weights(model):
    """All weights by layer: {"dense/kernel": array}."""
    return {
        f"{layer.name}/{variable.name}": variable.numpy()
        for layer in model.layers
        for variable in layer.weights
    }


class Steps:
    """What the weights were before and after the method, at the beginning of every epoch."""

    def __init__(self, model, method, x, y):
        self.initial, self.rounds, self.entries, self.optimizer = weights(model), [], [], []
        self.before, self.after = [], []

        def look(_, logs=None):
            self.after.append(weights(model))
            self.optimizer.append([v.numpy() for v in model.optimizer.variables])

        def note(_, logs):
            self.rounds.append(logs["reinit_round"])
            self.entries.append(logs["reinit_entries"])

        def leave(*_):
            self.before.append(weights(model))

        first = keras.callbacks.LambdaCallback(on_train_begin=leave, on_epoch_end=leave)
        last = keras.callbacks.LambdaCallback(on_epoch_begin=look, on_epoch_end=note)
        model.fit(
            x,
            y,
            batch_size=16,
            epochs=method.max_epochs(model),
            shuffle=False,
            verbose=0,
            callbacks=[first, method, last],
        )
        del self.before[-1]  # no epoch begins with the last one

    def actions(self, first_too=False):
        """(before, after) at the beginning of each round; between them nothing has changed."""
        for epoch, (before, after) in enumerate(zip(self.before, self.after, strict=True)):
            if epoch % EPOCHS_A_ROUND or (epoch == 0 and not first_too):
                assert_equal(before, after)
            else:
                yield before, after


def assert_equal(a, b, names=None):
    for name in a if names is None else names:
        np.testing.assert_array_equal(a[name], b[name], err_msg=name)


def kernels(arrays):
    return [name for name in arrays if name.endswith("kernel")]


def layer(arrays, name):
    """One layer's arrays: {"kernel": array}."""
    return {key.split("/")[1]: w for key, w in arrays.items() if key.split("/")[0] == name}


def perceptron(initializer="glorot_uniform", units=(16, 12)):
    return kr.backbones.mlp((6,), 3, hidden=units, kernel_initializer=initializer)


def convolutional_network():
    """Convolution, normalisation, ReLU, pooling, convolution, ReLU, two dense layers."""
    return keras.Sequential(
        [
            keras.Input((8, 8, 2)),
            keras.layers.Conv2D(4, 3, padding="same", name="conv1"),
            keras.layers.BatchNormalization(name="norm1"),
            keras.layers.ReLU(name="relu1"),
            keras.layers.MaxPooling2D(name="pool1"),
            keras.layers.Conv2D(5, 3, padding="same", name="conv2"),
            keras.layers.ReLU(name="relu2"),
            keras.layers.Flatten(name="flatten"),
            keras.layers.Dense(6, activation="relu", name="dense"),
            keras.layers.Dense(3, name="head"),
        ],
        name="net",
    )


def examples(seed, shape):
    generator = np.random.default_rng(seed)
    return generator.normal(size=(32, *shape)).astype("float32"), generator.integers(0, 3, 32)


DATA = {perceptron: examples(0, (6,)), convolutional_network: examples(1, (8, 8, 2))}
SAMPLE = 20  # examples that blocks are calibrated on


def data_of(network):
    return DATA[getattr(network, "func", network)]


def fixed():
    return kr.rounds.Fixed(epochs=EPOCHS_A_ROUND)


@functools.cache
def compiled(network, blocks=None):
    """A model, traced once for all tests that train it, and its weights when new."""
    keras.utils.set_random_seed(5)
    model = network() if blocks is None else kr.ReinitModel(network(), blocks=blocks)
    model.compile(
        keras.optimizers.SGD(0.1, momentum=0.9),
        keras.losses.SparseCategoricalCrossentropy(from_logits=True),
    )
    return model, model.get_weights()


def new(network, blocks=None):
    """The model as if it had never been trained."""
    model, start = compiled(network, blocks)
    model.set_weights(start)
    kr.reset_optimizer(model.optimizer)
    return model


@functools.cache
def run(method_class, network=perceptron, **arguments):
    """Drive a method over three rounds of training, always from the same weights."""
    method = method_class(**{"until": fixed(), "rounds": ROUNDS, "seed": 3, **arguments})
    return Steps(new(network), method, *data_of(network))
