"""The norms of variables: taken, given back, and told finite."""

import math

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
            negative or not finite, a weight is not finite, or a variable is all zero and so has no
            direction to scale. Nothing is assigned then.

    Example:
        >>> norms = keras_reinit.init_norms(model)
        >>> model.fit(x, y)
        >>> keras_reinit.rescale(model, norms, where="conv.*")

    Reference:
        Alabdulmohsin et al. 2021, Algorithm 1, line 4.
    """
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
    if unit not in ("variables", "kernels", "layers"):
        raise ValueError(
            f"Norms are those of 'variables', 'layers' or 'kernels'. Received: unit={unit!r}"
        )
    if unit == "kernels":
        weights = [weight for weight in weights if weight.is_kernel]
    targets = {}
    for name, current in frobenius_norms(weights).items():
        _check_finite(name, current)
        target = norms[name]
        if not (math.isfinite(target) and target >= 0):
            raise ValueError(
                f"A norm must be finite and at least 0. Received: norms[{name!r}]={target}"
            )
        targets[name] = (target, current)
    if unit == "layers":
        factors = _layer_factors(weights, targets)
        for weight in weights:
            weight.variable.assign(weight.variable.value * factors[id(weight.layer)])
        return
    for name, (target, current) in targets.items():
        _check_direction(f"Variable '{name}'", target, current)
    for weight in weights:
        weight.variable.assign(core.rescale(weight.variable.value, targets[weight.name][0]))


def _layer_factors(weights, targets):
    """`||(w_0, b_0)|| / ||(w, b)||` of each layer: {id(layer): factor}."""
    squares = {}
    for weight in weights:
        sums = squares.setdefault(id(weight.layer), [weight.layer.name, 0.0, 0.0])
        target, current = targets[weight.name]
        sums[1] += target**2
        sums[2] += current**2
    factors = {}
    for key, (name, target, current) in squares.items():
        _check_direction(f"Layer '{name}'", target, current)
        factors[key] = math.sqrt(target / current) if current > 0 else 0.0
    return factors


def _check_direction(what, target, current):
    if current == 0 and target > 0:
        raise ValueError(
            f"{what} is all zero and has no direction to scale to its recorded norm. "
            f"Received: norm={target}. Expected: a network that is alive, or leave it out"
        )
