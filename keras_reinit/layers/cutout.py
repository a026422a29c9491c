"""Cutout as a layer at the beginning of a network."""

import math

import keras
from keras import ops

from keras_reinit import core


@keras.saving.register_keras_serializable(package="keras_reinit")
class Cutout(keras.layers.Layer):
    """Cut a square hole into every image, in training only.

    `y = cutout(x, row, column)`, with the hole's center uniform over all pixels, so that up to
    three quarters of it lie beyond the border

    `keras.layers.RandomErasing` is another method: its rectangles lie inside of the image.

    Args:
        size: side of the hole in pixels, at least 1; the paper's is 16 on CIFAR-10.
        fill: what a hole is filled with. 0 is the mean of images that were standardized.
        seed: int, or None to draw one.
        **kwargs: as `keras.layers.Layer`.

    Raises:
        ValueError: if `size` is not an int of at least 1, or `fill` no finite number.

    Example:
        >>> model = keras.Sequential([keras.Input((32, 32, 3)), Cutout(16), backbone])

    Reference:
        DeVries & Taylor 2017.
    """

    def __init__(self, size=16, fill=0.0, seed=None, **kwargs):
        super().__init__(**kwargs)
        self.size = core.check_int("size", size)
        self.fill = core.check_number("fill", fill, least=-math.inf)
        self.seed = seed if seed is None else core.resolve_seed(seed)
        self.generator = keras.random.SeedGenerator(self.seed)
        self.built = True

    def call(self, inputs, training=False):
        if not training:
            return inputs
        count, height, width, _ = ops.shape(inputs)
        rows = keras.random.randint((count,), 0, height, seed=self.generator)
        columns = keras.random.randint((count,), 0, width, seed=self.generator)
        return core.cutout(inputs, rows, columns, self.size, self.fill)

    def compute_output_shape(self, input_shape):
        return input_shape

    def get_config(self):
        config = {"size": self.size, "fill": self.fill, "seed": self.seed}
        return {**super().get_config(), **config}
