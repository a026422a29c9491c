"""Initialise a weight-normalised network as a whole."""

import contextlib
import math

import keras

from keras_reinit.core import check_choice, check_number, resolve_seed
from keras_reinit.initializers.data_dependent import standardize
from keras_reinit.initializers.gains import weight_norm_gain
from keras_reinit.initializers.gammas import gammas
from keras_reinit.initializers.orthogonal import Orthogonal
from keras_reinit.layers import WeightNormalization
from keras_reinit.layers.kernels import kernels
from keras_reinit.model import ReinitModel
from keras_reinit.weights.redraw import reinitialize_weights
from keras_reinit.weights.select import select_weights
from keras_reinit.weights.snapshot import restored_on_error
from keras_reinit.weights.statistics import with_statistics

_SCHEMES = {  # and how each draws `v`
    "arpit": "orthogonal",
    "hanin": "orthogonal",
    "he": "gaussian",
    "pytorch": "uniform",
    "data_dependent": "orthogonal",
}
_WITH_GAMMAS = ("arpit", "hanin")
_DIRECTIONS = ("forward", "backward")
_VECTORS = ("orthogonal", "gaussian", "uniform")


def initialize(model, scheme="arpit", v=None, direction="forward", stem=None, data=None, seed=None):
    """Initialise a network of weight-normalised layers, whose residual blocks it finds itself.

    `kernel = g * v / ||v||`: it draws `v`, sets `g`, and biases to 0.

    | scheme | g |
    |---|---|
    | "arpit" | `sqrt(gamma * fan_in / fan_out)`, backward `sqrt(gamma)`; gamma as in `gammas` |
    | "hanin" | the same, but the last layer of the b-th block of a stage has gamma `0.9^(2b)` |
    | "he" | 1 |
    | "pytorch" | `||v||` |
    | "data_dependent" | `1 / stddev` and the bias `-mean / stddev` of each unit on a batch |

    Every other trainable variable, such as those of a head without weight normalisation, is drawn
    afresh from its own layer's initializer.

    The layers keep what was chosen as their initializers of `v`, `g` and bias: a later fresh draw,
    a clone and a saved model follow the same scheme. What depends on data is no initializer: after
    a fresh draw of a "data_dependent" network `g` is 1, and it is to be initialised again.

    Args:
        model: a built `keras.Model`; but for "he" and "pytorch" Functional or Sequential.
        scheme: "arpit", "hanin", "he", "pytorch" or "data_dependent".
        v: "orthogonal", "gaussian" (N(0, 1 / n), for n entries a unit) or "uniform"
            (U(-1 / sqrt(n), 1 / sqrt(n)), PyTorch's rule). None for the scheme's own: "gaussian"
            with "he", "uniform" with "pytorch", else "orthogonal".
        direction: "forward" keeps the norm of activations, "backward" that of gradients; for
            "arpit" and "hanin".
        stem: None, or the gamma of the layers before the first residual block: 1 in wide residual
            networks, 2 in ResNet-56, 110 and 164, whatever follows them. For "arpit" and "hanin".
        data: the batch of "data_dependent", an array or a structure of arrays.
        seed: int, or None to draw one. The same seed gives the same weights.

    Raises:
        ValueError: if an argument is unknown or does not go with the scheme, the model has no
            weight-normalised layer, one of them has several kernels, its structure is none that
            the scheme is made for (see `gammas`), or a unit is constant on the batch. Nothing is
            changed then.

    Example:
        >>> keras_reinit.initialize(model, "arpit", seed=0)

    Reference:
        Arpit et al. 2019; Salimans & Kingma 2016 (data-dependent); Hanin & Rolnick 2018.
    """
    _check_arguments(scheme, v, direction, stem, data)
    seed = resolve_seed(seed)
    weights = select_weights(model)
    layers = _normalized_layers(model, weights)
    gains = _gains(model, layers, scheme, direction, stem)
    affected = with_statistics(model, weights)
    with (
        _configuration_restored_on_error(layers),
        restored_on_error([weight.variable for weight in affected]),
    ):
        for layer in layers:
            _configure(layer, v or _SCHEMES[scheme], gains[id(layer)])
        reinitialize_weights(affected, seed)
        if scheme == "data_dependent":
            standardize(model, data)


def _check_arguments(scheme, v, direction, stem, data):
    choices = {"scheme": (scheme, _SCHEMES), "direction": (direction, _DIRECTIONS)}
    if v is not None:
        choices["v"] = (v, _VECTORS)
    for name, (value, allowed) in choices.items():
        check_choice(name, value, allowed)
    if stem is not None:
        check_number("stem", stem)
    if scheme not in _WITH_GAMMAS and (direction != "forward" or stem is not None):
        raise ValueError(
            "Only schemes with a gamma for each layer have a direction and a stem. Received: "
            f"scheme={scheme!r}, direction={direction!r}, stem={stem}"
        )
    if (scheme == "data_dependent") != (data is not None):
        raise ValueError(
            "A batch is for scheme 'data_dependent', which needs one. Received: "
            f"scheme={scheme!r}, data={'None' if data is None else type(data)}"
        )


def _normalized_layers(model, weights):
    """The weight-normalised layers among the owners of weights, each with one kernel."""
    if isinstance(model, ReinitModel):
        raise ValueError(
            f"Model '{model.name}' is a ReinitModel, which holds the norms of its weights at "
            "wrapping. Initialise its backbone, then wrap it; `model.reinitialize(seed=...)` draws "
            "by the same scheme"
        )
    owners = {id(weight.layer): weight.layer for weight in weights}
    layers = [layer for layer in owners.values() if isinstance(layer, WeightNormalization)]
    if not layers:
        raise ValueError(
            f"Model '{model.name}' has no trainable weight-normalised layer. Expected layers "
            "inside keras_reinit.layers.WeightNormalization"
        )
    for layer in layers:
        if len(layer.gains) > 1 or _initializer_name(layer) is None:
            raise ValueError(
                f"Layer '{layer.name}' has {len(layer.gains)} kernels and cannot be initialised as "
                f"one map. Received: {type(layer.layer)}. Expected a dense or convolutional layer "
                "(a separable one as a depthwise and a pointwise layer)"
            )
    return layers


def _gains(model, layers, scheme, direction, stem):
    """The gain of each layer: {id(layer): float}, or None for the norm of `v`."""
    if scheme in _WITH_GAMMAS:
        of_layers = {id(layer): gamma for layer, gamma in gammas(model, scheme, stem).items()}
        return {id(layer): _gain(layer, of_layers[id(layer)], direction) for layer in layers}
    return {id(layer): None if scheme == "pytorch" else 1.0 for layer in layers}


def _gain(layer, gamma, direction):
    (kernel,) = kernels(layer.layer)
    if direction == "backward":
        return math.sqrt(gamma)
    return weight_norm_gain(kernel.fan_in, kernel.fan_out, gamma)


def _configure(layer, v, gain):
    """Make a scheme the initializers of a layer."""
    (kernel,) = kernels(layer.layer)
    setattr(layer.layer, _initializer_name(layer), _vectors(v, kernel))
    layer.gain_initializer = None if gain is None else keras.initializers.Constant(gain)
    layer.layer.bias_initializer = keras.initializers.Zeros()


def _vectors(v, kernel):
    if v == "orthogonal":
        return Orthogonal(kernel.unit_axes)
    scale = 1 / math.sqrt(kernel.summed)
    if v == "gaussian":
        return keras.initializers.RandomNormal(0.0, scale)
    return keras.initializers.RandomUniform(-scale, scale)


def _initializer_name(layer):
    """The attribute of a layer that holds the initializer of its kernel, or None."""
    names = ("kernel_initializer", "depthwise_initializer")
    return next((name for name in names if name in vars(layer.layer)), None)


@contextlib.contextmanager
def _configuration_restored_on_error(layers):
    """Put the initializers of layers back if what happens inside fails."""
    before = [
        (owner, {k: part for k, part in vars(owner).items() if k.endswith("_initializer")})
        for layer in layers
        for owner in (layer, layer.layer)
    ]
    try:
        yield
    except BaseException:
        for owner, initializers in before:
            for name, initializer in initializers.items():
                setattr(owner, name, initializer)
        raise
