"""Normalisation by two numbers that training does not touch."""

import keras
import numpy as np
from keras import ops


@keras.saving.register_keras_serializable(package="keras_reinit")
class FrozenNormalization(keras.layers.Layer):
    """Subtract a frozen mean and divide by a frozen standard deviation.

    `y = (x - mean) / stddev`

    The two statistics are non-trainable weights, in the order mean, stddev. A new layer has mean 0
    and stddev 1 and is exactly the identity, so that it can sit in a graph from the beginning and
    be given its values in the middle of `fit` with no retrace. They stay float32 under mixed
    precision.

    Args:
        axis: None for one mean and one stddev (Algorithm 1), -1 for one pair a channel, 1 for the
            same where channels come first.
        block: optional tuple (name, layer names): the block whose output this layer normalises.
            `ReinitModel` records it here, so that a model keeps its blocks wherever it goes.
        **kwargs: as `keras.layers.Layer`.

    Raises:
        ValueError: if `axis` is none of None, -1 and 1.

    Example:
        >>> layer = FrozenNormalization()
        >>> layer.build((None, 8))
        >>> layer.freeze(mean=2.0, stddev=4.0)
        >>> layer(np.full((1, 8), 10.0))  # -> 2.0 everywhere

    Reference:
        Alabdulmohsin et al. 2021, Algorithm 1, lines 6-11 (the lambda layer).
    """

    def __init__(self, axis=None, block=None, **kwargs):
        super().__init__(**kwargs)
        if axis not in (None, -1, 1):
            raise ValueError(
                "FrozenNormalization keeps one mean and stddev (axis=None) or one pair a channel "
                f"(axis=-1, or 1 for channels first). Received: axis={axis}"
            )
        self.axis = axis
        self.block = None if block is None else (block[0], tuple(block[1]))
        self.supports_masking = True

    def build(self, input_shape):
        shape = () if self.axis is None else (input_shape[self.axis],)
        options = {
            "shape": shape,
            "dtype": "float32",
            "trainable": False,
            "autocast": False,
            "aggregation": "only_first_replica",
        }
        self.mean = self.add_weight(name="mean", initializer="zeros", **options)
        self.stddev = self.add_weight(name="stddev", initializer="ones", **options)

    def call(self, inputs):
        mean, stddev = self.mean.value, self.stddev.value
        if self.axis == 1:
            shape = (-1, *(1 for _ in inputs.shape[2:]))
            mean, stddev = ops.reshape(mean, shape), ops.reshape(stddev, shape)
        return (inputs - ops.cast(mean, inputs.dtype)) / ops.cast(stddev, inputs.dtype)

    def channels_last(self, inputs):
        """Inputs with their channels last, and None or -1 for the axis of them then."""
        if self.axis == 1:
            return ops.moveaxis(inputs, 1, -1), -1
        return inputs, self.axis

    def freeze(self, mean, stddev):
        """Write the two statistics.

        Args:
            mean: finite number, or with an `axis` also an array of shape (channels,).
            stddev: positive finite number, or with an `axis` also an array of shape (channels,).

        Raises:
            ValueError: if a value has another shape or is not finite, or a stddev is not positive;
                nothing is written.
        """
        mean, stddev = np.asarray(mean), np.asarray(stddev)
        shape = tuple(self.mean.shape)
        where = f"the output of block '{self.block[0]}'" if self.block else "its input"
        if mean.shape not in ((), shape) or stddev.shape not in ((), shape):
            raise ValueError(
                f"Layer '{self.name}' normalises {where} with statistics of shape {shape}. "
                f"Received: mean of shape {mean.shape}, stddev of shape {stddev.shape}"
            )
        if not (np.isfinite(mean).all() and np.isfinite(stddev).all()):
            raise ValueError(
                f"Layer '{self.name}' cannot normalise {where}: its statistics are not finite. "
                f"Received: mean={mean}, stddev={stddev}"
            )
        # Below float32's resolution around the mean a spread is rounding, not signal.
        if not (stddev > np.finfo("float32").eps * np.abs(mean)).all():
            raise ValueError(
                f"Layer '{self.name}' cannot normalise {where}: it is constant over the sample "
                "(a dead block, or a sample of one repeated example). "
                f"Received: mean={mean}, stddev={stddev}. Expected a stddev above 0"
            )
        self.mean.assign(np.broadcast_to(mean, shape))
        self.stddev.assign(np.broadcast_to(stddev, shape))

    def compute_output_shape(self, input_shape):
        return input_shape

    def get_config(self):
        return {**super().get_config(), "axis": self.axis, "block": self.block}
