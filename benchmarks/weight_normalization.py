"""What weight normalisation costs: training steps with and without it, and against it by hand.

Command: `python -m benchmarks.weight_normalization [--repeats 12] [--json FILE]`, about 2 minutes.

Ratios of times of a training step, each within one run on the same data:
  normalised / bare: the price of the normalisation, which falls as batches or images grow;
  normalised / by hand, where a layer of its own computes `conv(x, g * v / ||v||) + b` and no more:
    aim 1.0, as the wrapper is to cost nothing beside the normalisation.
"""

import time

import keras
import numpy as np
from keras import ops

import keras_reinit as kr
from benchmarks.ratios import arguments, in_turn, ratio, report

IMAGES, SIDE, STEPS = 64, 28, 6
FILTERS = (32, 32, 64, 64)


class ByHand(keras.layers.Layer):
    """A weight-normalised 3x3 convolution with ReLU, written down and not wrapped."""

    def __init__(self, filters):
        super().__init__()
        self.filters = filters

    def build(self, input_shape):
        shape = (3, 3, input_shape[-1], self.filters)
        self.v = self.add_weight(name="v", shape=shape, initializer="glorot_uniform")
        self.g = self.add_weight(name="g", shape=(self.filters,), initializer="ones")
        self.bias = self.add_weight(name="bias", shape=(self.filters,), initializer="zeros")

    def call(self, x):
        norm = ops.sqrt(ops.sum(ops.square(self.v), axis=(0, 1, 2), keepdims=True))
        x = ops.conv(x, self.v * (self.g / norm), padding="same")
        return ops.relu(x + ops.reshape(self.bias, (1, 1, 1, -1)))


def convolution(filters):
    """A 3x3 convolution with ReLU."""
    return keras.layers.Conv2D(filters, 3, padding="same", activation="relu")


def step_timer(layer, data):
    """A function that times training steps of a network of layers made by `layer(filters)`."""
    inputs = x = keras.Input((SIDE, SIDE, 1))
    for i, filters in enumerate(FILTERS):
        x = layer(filters)(x)
        x = keras.layers.MaxPooling2D()(x) if i % 2 else x
    x = keras.layers.GlobalAveragePooling2D()(x)
    model = keras.Model(inputs, keras.layers.Dense(10)(x))
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(keras.optimizers.SGD(1e-3, momentum=0.9), loss)

    def measure():
        seconds = []
        for _ in range(STEPS):
            start = time.perf_counter()
            model.train_on_batch(*data)
            seconds.append(time.perf_counter() - start)
        return seconds

    return measure


def main():
    """Measure and print."""
    options = arguments(__doc__, repeats=12).parse_args()
    rng = np.random.default_rng(0)
    images = rng.normal(size=(IMAGES, SIDE, SIDE, 1)).astype("float32")
    data = images, rng.integers(0, 10, size=IMAGES)
    seconds = in_turn(
        options.repeats,
        bare=step_timer(convolution, data),
        normalised=step_timer(
            lambda filters: kr.layers.WeightNormalization(convolution(filters)), data
        ),
        by_hand=step_timer(ByHand, data),
    )
    ratios = {
        "time, normalised / bare": ratio(seconds["normalised"], seconds["bare"]),
        "time, normalised / by hand": ratio(seconds["normalised"], seconds["by_hand"]),
    }
    title = f"training steps of four convolutions at {SIDE}x{SIDE}, batch {IMAGES}"
    report(title, seconds, ratios, options.json)


if __name__ == "__main__":
    main()
