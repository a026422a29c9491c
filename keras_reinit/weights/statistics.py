"""Moving statistics of BatchNormalization: which go with which weights, and measured anew."""

import keras
import numpy as np
from keras import ops

from keras_reinit.core import per_example, pooled
from keras_reinit.structure.graph import rebuild
from keras_reinit.weights.select import list_weights


def recalibrate(model, data, layers=None):
    """Re-estimate the moving statistics of BatchNormalization layers on data.

    `moving_mean = mean(x)`, `moving_variance = var(x)`, over all examples and positions of the
    layer's input `x`, while every such layer below normalises with its own batch.

    Everything else (dropout, other normalisations) is in inference mode. Needed whenever kernels
    below a BatchNormalization were scaled and the network is evaluated before it is trained again.

    Args:
        model: a built Functional or Sequential `keras.Model`.
        data: an array, a structure of arrays for several inputs (one batch, whatever its length),
            or a `tf.data.Dataset` of batches.
        layers: None for all BatchNormalization layers, or a list of some of them.

    Raises:
        ValueError: if the model has such layers and no graph, or a statistic is not finite.
            Nothing is assigned then.

    Example:
        >>> keras_reinit.shrink_perturb(model, shrink=0.5, perturb=0.0)
        >>> keras_reinit.recalibrate(model, x_train[:1024])
        >>> model.evaluate(x_test, y_test)

    Reference:
        Ash & Adams 2020, Figure 6.
    """
    allowed = None if layers is None else {id(layer) for layer in layers}
    chosen = {
        id(weight.layer)
        for weight in list_weights(model)
        if weight.statistic
        and weight.layer.trainable
        and (allowed is None or id(weight.layer) in allowed)
    }
    if not chosen:
        return
    measured, outputs = [], []

    def call(_, operation, args, kwargs):
        if id(operation) not in chosen:
            return operation(*args, **kwargs)
        measured.append(operation)
        outputs.extend(per_example(ops.moveaxis(args[0], operation.axis, -1), axis=-1))
        return _OnOwnBatch(operation)(args[0])

    inputs, _ = rebuild(model, call)
    probe = keras.Model(inputs, outputs)
    probe.run_eagerly = True  # it runs once; tracing it would cost more
    moments = probe.predict(data, batch_size=_batch_size(data), verbose=0)
    statistics = [pooled(*each) for each in zip(moments[::2], moments[1::2], strict=True)]
    for layer, (mean, stddev) in zip(measured, statistics, strict=True):
        if not (np.isfinite(mean).all() and np.isfinite(stddev).all()):
            raise ValueError(
                f"Statistics of layer '{layer.name}' are not finite: the data or the weights below "
                f"are not. Received: mean={mean}, stddev={stddev}"
            )
    for layer, (mean, stddev) in zip(measured, statistics, strict=True):
        layer.moving_mean.assign(mean)
        layer.moving_variance.assign(stddev**2)


def with_statistics(model, weights):
    """The given weights and the moving statistics of their BatchNormalization layers.

    Statistics of a normalisation without scale and offset go with the layer before it.
    """
    touched, chosen = (
        {id(weight.layer) for weight in weights},
        {weight.position for weight in weights},
    )
    found, before = [], None
    for weight in list_weights(model):
        if not weight.statistic:
            before = id(weight.layer)
        elif before in touched and weight.layer.trainable and not weight.layer._trainable_variables:
            touched.add(id(weight.layer))
        if weight.position in chosen or (weight.statistic and id(weight.layer) in touched):
            found.append(weight)
    return found


class _OnOwnBatch(keras.layers.Layer):
    """Normalises with the batch's own statistics, and leaves the layer's alone.

    Calling the layer with `training=True` inside a model would not do: the mode that the model is
    called in takes its place.
    """

    def __init__(self, normalization):
        super().__init__(dtype=normalization.dtype_policy)
        self._normalization = normalization

    def call(self, inputs):
        axis = self._normalization.axis % len(inputs.shape)
        x = ops.cast(inputs, "float32")
        mean, variance = ops.moments(x, [i for i in range(len(x.shape)) if i != axis])
        outputs = ops.batch_normalization(
            x,
            mean,
            variance,
            axis,
            offset=self._normalization.beta,
            scale=self._normalization.gamma,
            epsilon=self._normalization.epsilon,
        )
        return ops.cast(outputs, inputs.dtype)


def _batch_size(data):
    """All of an array as one batch; a data set has batches of its own."""
    arrays = keras.tree.flatten(data)
    return len(arrays[0]) if all(hasattr(array, "shape") for array in arrays) else None
