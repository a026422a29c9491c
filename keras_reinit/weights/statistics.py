"""Moving statistics of BatchNormalization: which go with which weights, and measured anew."""

import keras
import numpy as np
from keras import ops

from keras_reinit.core import per_example, pooled
from keras_reinit.keras_private import all_layers, own_other_variables
from keras_reinit.structure import flow
from keras_reinit.weights.sample import check_sample, fixed_batch, predict
from keras_reinit.weights.select import list_weights


def recalibrate(model, data, layers=None):
    """Re-estimate the moving statistics of BatchNormalization layers on data.

    `moving_mean = mean(x)`, `moving_variance = var(x)`, over all examples and positions of the
    layer's input `x` (that its mask leaves), while every such layer below normalises with its own
    batch. A layer that is called several times pools its calls.

    Everything else (dropout, other normalisations) is in inference mode, and so is a normalisation
    that is frozen or that the model calls with `training=False`: it is left alone. Needed whenever
    kernels below a BatchNormalization were scaled and the network is evaluated before it is trained
    again.

    Args:
        model: a built `keras.Model` that can be called.
        data: an array, a structure of arrays for several inputs (one batch, whatever its length),
            or a `tf.data.Dataset` of batches.
        layers: None for all BatchNormalization layers, or a list of some of them, or of layers and
            models that they are inside of.

    Raises:
        ValueError: if the data are empty, not finite or not in batches, a call of the model does
            not reach a layer, or a statistic is not finite. Nothing is assigned then.

    Example:
        >>> keras_reinit.shrink_perturb(model, shrink=0.5, perturb=0.0)
        >>> keras_reinit.recalibrate(model, x_train[:1024])
        >>> model.evaluate(x_test, y_test)

    Reference:
        Ash & Adams 2020, Figure 6.
    """
    allowed = None
    if layers is not None:
        allowed = {id(part) for layer in layers for part in all_layers(layer)}
    in_training = trained_statistics(model)
    owners = {id(w.layer): w.layer for w in list_weights(model) if w.statistic}
    chosen = {
        key: layer
        for key, layer in owners.items()
        if key in in_training and (allowed is None or key in allowed)
    }
    if not chosen:
        return
    check_sample(model, data)
    statistics = _measured(model, data, chosen)
    for key, (mean, stddev) in statistics.items():
        if not (np.isfinite(mean).all() and np.isfinite(stddev).all()):
            raise ValueError(
                f"Statistics of layer '{chosen[key].name}' are not finite: the data or the weights "
                f"below are not. Received: mean={mean}, stddev={stddev}"
            )
    for key, (mean, stddev) in statistics.items():
        _assign(chosen[key], mean, stddev)


def trained_statistics(model):
    """The ids of the BatchNormalization layers whose statistics training changes."""
    uses = flow.fed(model)
    return {
        id(layer)
        for layer in flow.batch_normalizations(model)
        if layer.trainable and (id(layer) not in uses or uses[id(layer)].trains)
    }


def with_statistics(model, weights):
    """The given weights and the moving statistics that go with them.

    Statistics go with the scale and offset of their own layer, and with the weights of the layers
    that feed it, on whatever branch. Those that training does not change stay.
    """
    touched = {id(weight.layer) for weight in weights}
    chosen = {weight.position for weight in weights}
    everything = list_weights(model)
    if not any(weight.statistic for weight in everything):
        return list(weights)
    in_training, uses = trained_statistics(model), flow.fed(model)
    chosen_weights, before = [], None
    for weight in everything:
        key = id(weight.layer)
        if not weight.statistic:
            before = key if weight.is_kernel else before
        elif key in in_training:
            feeders = uses[key].feeders if key in uses else {before}
            if key in touched or not touched.isdisjoint(feeders):
                chosen.add(weight.position)
        if weight.position in chosen:
            chosen_weights.append(weight)
    return chosen_weights


def _measured(model, data, chosen):
    """Mean and standard deviation of the inputs of some layers: {id(layer): (mean, stddev)}."""
    probe = _Probe(model, chosen)
    batch = fixed_batch(model)
    try:
        moments = predict(probe, data, whole=True, batch=batch)
    except NotImplementedError as error:
        raise ValueError(
            f"Model '{model.name}' has no `call`, and layers inside of it are measured where it "
            f"is called. Received: {[layer.name for layer in chosen.values()]}. Expected "
            "`recalibrate` of the models that it is made of"
        ) from error
    chosen_weights: dict[int, list] = {}
    for key, *of_call in zip(probe.calls, *(moments[i::3] for i in range(3)), strict=True):
        chosen_weights.setdefault(key, []).append(of_call)
    return {key: _pooled(calls) for key, calls in chosen_weights.items()}


def _pooled(calls):
    """Of all examples of all calls, each as often as it has entries."""
    means, variances, counts = (np.concatenate(parts) for parts in zip(*calls, strict=True))
    if (counts == counts.flat[0]).all():
        return pooled(means, variances)
    shares = counts.astype("float64") / counts.sum(axis=0)
    mean = (shares * means).sum(axis=0)
    return mean, np.sqrt((shares * (variances + (means - mean) ** 2)).sum(axis=0))


class _Probe(keras.Model):
    """Gives the moments of the inputs of some BatchNormalization layers inside a model.

    These normalise with their own batch meanwhile. Calling them with `training=True` inside a model
    would not do: the mode that the model is called in takes its place.
    """

    def __init__(self, model, chosen):
        super().__init__()
        object.__setattr__(self, "_model", model)  # untracked: nothing of it is this model's
        object.__setattr__(self, "_chosen", chosen)
        object.__setattr__(self, "calls", [])
        self.run_eagerly = True  # it runs once; tracing it would cost more
        self.built = True

    def call(self, inputs):
        calls, moments = [], []

        def measure(layer, _, inputs, training=None, mask=None):
            calls.append(id(layer))
            x = ops.moveaxis(ops.cast(inputs, "float32"), layer.axis, -1)
            mean, variance, count = _moments(x, mask)
            moments.extend((mean, variance, count))
            return _on_own_batch(layer, inputs, mask)

        with keras.StatelessScope(), flow.replaced(self._chosen.values(), "call", measure):
            self._model(inputs, training=False)
        missed = [layer.name for key, layer in self._chosen.items() if key not in calls]
        if missed:
            raise ValueError(
                f"A call of model '{self._model.name}' does not reach the BatchNormalization "
                f"layers {missed}, and cannot measure them. Expected `layers` without these"
            )
        self.calls[:] = calls
        return moments


def _moments(x, mask):
    """Means, variances and counts of entries, example by example, channels last."""
    if mask is None:
        mean, variance = per_example(x, axis=-1)
        return mean, variance, ops.ones_like(mean)
    kept = ops.cast(ops.broadcast_to(ops.expand_dims(mask, -1), ops.shape(x)), "float32")
    axes = tuple(range(1, len(x.shape) - 1))
    count = ops.sum(kept, axis=axes)
    divisor = ops.maximum(count, 1.0)
    mean = ops.sum(kept * x, axis=axes) / divisor
    centered = x - ops.reshape(mean, (-1, *(1 for _ in axes), x.shape[-1]))
    return mean, ops.sum(kept * ops.square(centered), axis=axes) / divisor, count


def _on_own_batch(layer, inputs, mask):
    x = ops.cast(inputs, "float32")
    axis = layer.axis % len(x.shape)
    if mask is None:
        mean, variance = ops.moments(x, [i for i in range(len(x.shape)) if i != axis])
    else:
        means, variances, counts = _moments(ops.moveaxis(x, axis, -1), mask)
        shares = counts / ops.maximum(ops.sum(counts, axis=0), 1.0)
        mean = ops.sum(shares * means, axis=0)
        variance = ops.sum(shares * (variances + ops.square(means - mean)), axis=0)
    outputs = ops.batch_normalization(
        x,
        mean,
        variance,
        axis,
        offset=layer.beta,
        scale=layer.gamma,
        epsilon=layer.epsilon,
    )
    return ops.cast(outputs, layer.compute_dtype)


def _assign(layer, mean, stddev):
    """All that a layer keeps: with `renorm` also what training normalises with."""
    with_epsilon = np.sqrt(stddev**2 + layer.epsilon)
    values = {
        "moving_mean": mean,
        "moving_variance": stddev**2,
        "moving_stddev": with_epsilon,
        "renorm_mean": mean,
        "renorm_stddev": with_epsilon,
    }
    for variable in own_other_variables(layer):
        if variable.name in values:
            variable.assign(values[variable.name])
