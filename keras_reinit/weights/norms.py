"""The norms of variables: taken, given back, and told finite."""

import math
from collections.abc import Mapping

import ml_dtypes
import numpy as np
from keras import ops

from keras_reinit import core
from keras_reinit.weights.select import select_weights


def frobenius_norms(weights):
    """The norm of each weight: {name: float}."""
    return {
        weight.name: float(ops.convert_to_numpy(core.frobenius_norm(weight.variable.value)))
        for weight in weights
    }


def check_finite(weights):
    """Refuse weights that hold nan or inf.

    A sum is finite exactly where every entry is (short of overflow, also a divergence).
    """
    totals = [core.total(weight.variable.value) for weight in weights]
    for weight, total in zip(weights, totals, strict=True):
        _check_finite(weight.name, float(ops.convert_to_numpy(total)))


def _check_finite(name, number):
    if not math.isfinite(number):
        raise ValueError(
            f"Variable '{name}' holds values that are not finite: training has diverged, "
            "and re-initialising a part of the network cannot mend it. Lower the learning rate"
        )


def init_norms(model):
    """The Frobenius norm of every trainable variable as it is now.

    `norms[name] = ||w||`. Called on a new model, these are its norms at initialisation.

    Args:
        model: a built `keras.Model`.

    Returns:
        A dict {variable name: float}.

    Example:
        >>> norms = keras_reinit.init_norms(model)  # before training
        >>> keras_reinit.rescale(model, norms)  # after it
    """
    return frobenius_norms(select_weights(model))


def rescale(model, norms, where=None):
    """Scale variables back to recorded Frobenius norms.

    `w = w_old * norm / ||w_old||`; a variable whose recorded norm is 0 goes back to zero.

    Args:
        model: a built `keras.Model`.
        norms: a dict {variable name: norm}, as `init_norms` gives it; norms finite, at least 0.
        where: None for every variable named in `norms`, or a pattern or list of patterns.

    Raises:
        ValueError: if a chosen variable has no recorded norm or a norm names no variable, a norm is
            negative or not finite or one that the variable's dtype cannot hold, a weight is not
            finite, or a variable is all zero and so has no direction to scale. Nothing is assigned
            then.

    Example:
        >>> norms = keras_reinit.init_norms(model)
        >>> model.fit(x, y)
        >>> keras_reinit.rescale(model, norms, where="conv.*")

    Reference:
        Alabdulmohsin et al. 2021, Algorithm 1, line 4.
    """
    if not isinstance(norms, Mapping):
        raise ValueError(
            "`norms` is a dict {variable name: norm}, as `init_norms` gives it. Received: "
            f"norms={norms!r}"
        )
    core.check_patterns("where", where)
    names = {weight.name for weight in select_weights(model)}
    weights = [
        weight
        for weight in select_weights(model, where)
        if where is not None or weight.name in norms
    ]
    unknown = [name for name in norms if name not in names]
    missing = [weight.name for weight in weights if weight.name not in norms]
    if unknown or missing:
        raise ValueError(
            f"The recorded norms are not those of model '{model.name}'. "
            f"Norms without a variable: {unknown}. Variables without a norm: {missing}"
        )
    assign_rescaled(weights, norms)


def assign_rescaled(weights, norms, unit="variables"):
    """Rescale weights to norms, one factor for each variable or each layer; check, then assign.

    Args:
        weights: list of `Weight`.
        norms: dict {name: norm} with every weight's name.
        unit: "variables", "kernels" (biases, scales and offsets stay), or "layers" (one factor
            from all variables of a layer together).
    """
    core.check_choice("unit", unit, ("variables", "kernels", "layers"))
    if unit == "kernels":
        weights = [weight for weight in weights if weight.is_kernel]
    currents = frobenius_norms(weights)
    for name, current in currents.items():
        _check_finite(name, current)
        core.check_number(f"norms[{name!r}]", norms[name])
    if unit == "layers":
        factors = _layer_factors(weights, norms, currents)
    else:
        factors = {w.name: _factor(w, norms[w.name], currents[w.name]) for w in weights}
    for weight in weights:
        _check_held(weight, factors[weight.name], currents[weight.name])
    for weight in weights:
        weight.variable.assign(core.scale(weight.variable.value, factors[weight.name]))


def _factor(weight, target, current):
    """`norm / ||w||`, in the type that norms are taken in."""
    _check_direction(f"Variable '{weight.name}'", target, current)
    wide = np.float64 if weight.variable.dtype == "float64" else np.float32
    with np.errstate(over="ignore"):
        return wide(target) / wide(current) if current > 0 else wide(0)


def _layer_factors(weights, norms, currents):
    """`||(w_0, b_0)|| / ||(w, b)||` of each layer: {name of a weight: factor}."""
    layers = {}
    for weight in weights:
        layers.setdefault(id(weight.layer), []).append(weight)
    factors = {}
    for own in layers.values():
        target = math.hypot(*(norms[weight.name] for weight in own))
        current = math.hypot(*(currents[weight.name] for weight in own))
        _check_direction(f"Layer '{own[0].layer.name}'", target, current)
        factors |= {weight.name: target / current if current > 0 else 0.0 for weight in own}
    return factors


def _check_held(weight, factor, current):
    """Refuse a factor with which an entry of a weight would be infinite."""
    largest = float(ml_dtypes.finfo(weight.variable.dtype).max)
    wide = float(np.finfo("float64" if weight.variable.dtype == "float64" else "float32").max)
    factor, top = float(factor), current
    if factor * current > largest:  # no entry is larger than the norm, but a norm is than entries
        top = float(ops.convert_to_numpy(ops.max(ops.abs(ops.cast(weight.variable, "float32")))))
    if factor > wide or factor * top > largest:
        raise ValueError(
            f"Variable '{weight.name}' of {weight.variable.dtype} cannot hold what its recorded "
            f"norm asks for. Received: norm={factor * current:.6g}, {factor:.6g} times the norm "
            f"that it has. Expected entries of at most {largest:.6g}"
        )


def _check_direction(what, target, current):
    if current == 0 and target > 0:
        raise ValueError(
            f"{what} is all zero and has no direction to scale to its recorded norm. "
            f"Received: norm={target}. Expected: a network that is alive, or leave it out"
        )
