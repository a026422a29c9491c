"""Gains and biases that make the pre-activations of one batch standard, layer by layer."""

import keras
import numpy as np
from keras import ops

from keras_reinit import core
from keras_reinit.layers import WeightNormalization
from keras_reinit.structure.graph import run


def standardize(model, data):
    """Set gains and biases so that each unit has mean 0 and variance 1 on a batch.

    `g = g / stddev(z)`, `b = (b - mean(z)) / stddev(z)`, with `z` the layer's output before its
    activation, all layers below standardized already, everything in inference mode.

    Args:
        model: a built Functional or Sequential `keras.Model`.
        data: one batch: an array, or a structure of arrays as the model's inputs.

    Raises:
        ValueError: if a weight-normalised layer has no bias, its units are not one axis of its
            output, it is called twice, or one of its units is constant or not finite on the batch.
    """
    seen: set[int] = set()

    def call(operation, args, kwargs):
        if isinstance(operation, WeightNormalization):
            if id(operation) in seen:
                raise ValueError(
                    f"Layer '{operation.name}' is called twice, and cannot be standard for both. "
                    "Expected layers that are not shared"
                )
            seen.add(id(operation))
            _standardize(operation, args[0])
        return operation(*args, **kwargs)

    run(model, keras.tree.map_structure(ops.convert_to_tensor, data), call)


def _standardize(layer, inputs):
    z = layer.without_activation(inputs)
    is_first = getattr(layer.layer, "data_format", None) == "channels_first"
    z = ops.moveaxis(z, 1, -1) if is_first else z
    bias = getattr(layer.layer, "bias", None)
    if bias is None or tuple(bias.shape) != tuple(layer.gains[0].shape) != (z.shape[-1],):
        raise ValueError(
            f"The units of layer '{layer.name}' cannot be made standard. Received: gains of shape "
            f"{tuple(layer.gains[0].shape)}, a bias of shape {bias and tuple(bias.shape)}, outputs "
            f"of shape {tuple(z.shape)}. Expected one gain, one bias and one channel for each unit"
        )
    mean, stddev = core.pooled(*map(ops.convert_to_numpy, core.per_example(z, axis=-1)))
    # Below float32's resolution around the mean a spread is rounding, not signal.
    if not (np.isfinite(mean) & (stddev > np.finfo("float32").eps * np.abs(mean))).all():
        raise ValueError(
            f"A unit of layer '{layer.name}' is constant or not finite on the batch and cannot be "
            f"made standard. Received: mean={mean}, stddev={stddev}"
        )
    layer.gains[0].assign(ops.convert_to_numpy(layer.gains[0].value) / stddev)
    bias.assign((ops.convert_to_numpy(bias.value) - mean) / stddev)
