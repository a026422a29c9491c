"""The operations on a model: read its variables, apply the core, check, assign."""

import itertools
import math
import random

import keras
import numpy as np
from keras import ops

from keras_reinit import core
from keras_reinit.layers import WeightNormalization
from keras_reinit.weights.fresh import FreshValues
from keras_reinit.weights.select import matching, walk


def resolve_seed(seed):
    """An int seed from an int or None; None draws one from Python's `random`.

    `keras.utils.set_random_seed` therefore makes a None reproducible too.
    """
    if seed is None:
        return random.randrange(2**31)
    if isinstance(seed, bool) or not isinstance(seed, int | np.integer):
        raise TypeError(f"A seed is an int or None. Received: seed={seed!r} ({type(seed)})")
    return int(seed)


def reinitialize(model, where=None, seed=None):
    """Draw variables afresh, each from its own layer's initializer.

    `w ~ the initializer of w`, never the original values again. The moving statistics of every
    `BatchNormalization` that is touched go back to those of a new layer.

    Args:
        model: a built `keras.Model`.
        where: None for all trainable variables, or a pattern or list of patterns over names:
            "dense/kernel", "dense", "encoder/.*".
        seed: int, or None to draw one. The same seed gives the same weights.

    Raises:
        ValueError: if a pattern matches nothing, the model is not built, or a layer cannot give a
            fresh draw. Nothing is assigned then.

    Example:
        >>> keras_reinit.reinitialize(model, where="block4/.*", seed=0)

    Reference:
        Alabdulmohsin et al. 2021, Equation 1.
    """
    slots = with_statistics(model, matching(model, where))
    redraw(slots, resolve_seed(seed))


def with_statistics(model, slots):
    """The given slots and the moving statistics of their BatchNormalization layers.

    Statistics of a normalisation without scale and offset go with the layer before it.
    """
    touched, chosen = {id(slot.layer) for slot in slots}, {slot.position for slot in slots}
    found, before = [], None
    for slot in walk(model):
        if not slot.statistic:
            before = id(slot.layer)
        elif before in touched and slot.layer.trainable and not slot.layer._trainable_variables:
            touched.add(id(slot.layer))
        if slot.position in chosen or (slot.statistic and id(slot.layer) in touched):
            found.append(slot)
    return found


def redraw(slots, seed, masks=None):
    """Assign fresh values to slots, only where masked if masks are given; count the entries.

    Args:
        slots: list of `Slot`.
        seed: int.
        masks: None, or a boolean array for each slot, as `subset_masks` makes them.

    Returns:
        The number of entries drawn, an int.
    """
    fresh = FreshValues(slots)
    entries = 0
    masks = itertools.repeat(None) if masks is None else iter(masks)
    for slot in slots:
        mask = next(masks)
        if mask is None:
            entries += math.prod(slot.variable.shape)
            value = fresh.draw(slot, seed)
        else:
            entries += int(np.count_nonzero(ops.convert_to_numpy(mask)))
            value = fresh.draw(slot, seed, core.blend, mask)
        slot.variable.assign(value)
        del mask  # before the next one is made
    return entries


def frobenius_norms(slots):
    """The norm of each slot: {name: float}."""
    return {
        slot.name: float(ops.convert_to_numpy(core.frobenius_norm(slot.variable.value)))
        for slot in slots
    }


def check_finite(slots):
    """Refuse weights that hold nan or inf.

    A sum is finite exactly where every entry is (short of overflow, also a divergence).
    """
    totals = [core.total(slot.variable.value) for slot in slots]
    for slot, total in zip(slots, totals, strict=True):
        _check_finite(slot.name, float(ops.convert_to_numpy(total)))


def _check_finite(name, number):
    if not math.isfinite(number):
        raise ValueError(
            f"Variable '{name}' holds values that are not finite: training has diverged, "
            "and re-initialising a part of the network cannot mend it. Lower the learning rate"
        )


def reinitialize_subset(
    model, fraction, by="random", scope="layer", where=None, seed=None, biases=False
):
    """Draw an exact share of the entries of the kernels afresh.

    `w = (1 - s) * w_old + s * w_fresh`, where `s` has `round(fraction * size)` ones.

    Args:
        model: a built `keras.Model`.
        fraction: share of the entries, in [0, 1].
        by: "random" for a uniformly random subset, "magnitude" for the smallest `|w|`.
        scope: "layer" counts in each kernel, "global" over all kernels together.
        where: None for all trainable kernels, or a pattern or list of patterns over names.
        seed: int, or None to draw one.
        biases: also take entries of the biases.

    Returns:
        The masks used: a dict {variable name: boolean array}, True where drawn afresh.

    Raises:
        ValueError: if the fraction lies outside [0, 1], an option is unknown, a pattern matches no
            kernel, a weight is not finite, or a layer cannot give a fresh draw. Nothing is
            assigned then.

    Example:
        >>> masks = keras_reinit.reinitialize_subset(model, 0.2, by="magnitude", seed=0)

    Reference:
        Taha et al. 2021; Han et al. 2017; Alabdulmohsin et al. 2021, Section 1.
    """
    seed = resolve_seed(seed)
    slots = kernels(model, where, biases)
    check_finite(slots)
    masks = list(subset_masks(slots, fraction, by, scope, core.fold_in(seed, "mask")))
    redraw(slots, seed, masks)
    return {slot.name: mask for slot, mask in zip(slots, masks, strict=True)}


def kernels(model, where=None, biases=False):
    """The trainable kernels (and biases) that patterns choose, as slots."""
    slots = [slot for slot in matching(model, where) if slot.is_kernel or (biases and slot.is_bias)]
    if not slots:
        raise ValueError(
            f"Model '{model.name}' has no trainable kernel there. Received: where={where!r}, "
            f"biases={biases}"
        )
    return slots


def subset_masks(slots, fraction, by, scope, seed):
    """Masks of an exact share of the entries of some slots.

    Returns:
        An iterator over one boolean array for each slot. For `scope="layer"` each is made when it
        is asked for, so that no two of them need to be held.
    """
    if by not in ("random", "magnitude"):
        raise ValueError(f"Entries are chosen by 'random' or 'magnitude'. Received: by={by!r}")
    if scope not in ("layer", "global"):
        raise ValueError(f"A count is for each 'layer' or 'global'. Received: scope={scope!r}")
    core.exact_count(0, fraction)  # refuses a fraction outside [0, 1] before anything is drawn
    if scope == "global":
        sizes = [math.prod(slot.variable.shape) for slot in slots]
        if by == "random":
            mask = core.random_mask((sum(sizes),), fraction, seed)
        else:
            flat = [ops.reshape(slot.variable.value, (-1,)) for slot in slots]
            mask = core.smallest_mask(ops.concatenate(flat), fraction)
        ends = np.cumsum(sizes).tolist()
        return (
            ops.reshape(mask[end - size : end], slot.variable.shape)
            for slot, size, end in zip(slots, sizes, ends, strict=True)
        )
    if by == "random":
        return (
            core.random_mask(slot.variable.shape, fraction, core.fold_in(seed, slot.position))
            for slot in slots
        )
    return (core.smallest_mask(slot.variable.value, fraction) for slot in slots)


def shrink_perturb(model, shrink, perturb, noise="fresh", where=None, seed=None):
    """Shrink the weights and add a scaled fresh network: call it before each refit.

    `w = shrink * w + perturb * w_fresh`, for every trainable variable, norm scales and biases
    included. Moving statistics of BatchNormalization go back to those of a new layer, unless
    nothing changes (`shrink=1, perturb=0`).

    Args:
        model: a built `keras.Model`.
        shrink: factor on the weights, finite, at least 0; 1 keeps them.
        perturb: factor on the fresh draw, finite, at least 0; `shrink=0, perturb=1` is a new
            network.
        noise: "fresh" draws `w_fresh` from each layer's own initializer (the papers' code),
            "gaussian" from N(0, 1), so that `perturb` is the standard deviation (the paper's text).
        where: None for all trainable variables, or a pattern or list of patterns over names.
        seed: int, or None to draw one. Use a new one each time: `seed=day`.

    Raises:
        ValueError: if a factor is negative or not finite, `noise` is unknown, a pattern matches
            nothing, a weight is not finite, a layer cannot give a fresh draw, or both factors are
            0 and a weight-normalised layer would lose its direction. Nothing is assigned then.

    Example:
        >>> keras_reinit.shrink_perturb(model, shrink=0.4, perturb=0.1, seed=day)
        >>> model.fit(all_data_so_far)

    Reference:
        Ash & Adams 2020, Section 4; Zaidi et al. 2022.
    """
    check_factors(shrink, perturb, noise)
    slots = matching(model, where)
    check_finite(slots)
    assign_perturbed(model, slots, shrink, perturb, noise, resolve_seed(seed))


def assign_perturbed(model, slots, shrink, perturb, noise, seed):
    """What `shrink_perturb` does to slots that hold finite values.

    Args:
        model: the model that the slots are of.
        slots: list of `Slot`, trainable.
        shrink: factor on the weights.
        perturb: factor on the draw.
        noise: "fresh" or "gaussian".
        seed: int.

    Returns:
        The number of entries that a draw was added to, an int.
    """
    owners = [slot.layer for slot in walk(model)]
    if shrink == perturb == 0 and any(isinstance(own, WeightNormalization) for own in owners):
        raise ValueError(
            f"Model '{model.name}' has weight-normalised layers, whose `v` would be all zero and "
            f"have no direction. Received: shrink={shrink}, perturb={perturb}. Expected one above 0"
        )
    if (shrink, perturb) == (1, 0):
        return 0
    affected = with_statistics(model, slots)
    fresh = FreshValues(affected)
    factors = {
        dtype: [ops.convert_to_tensor(factor, dtype=dtype) for factor in (shrink, perturb)]
        for dtype in {slot.variable.dtype for slot in slots}
    }
    for slot in affected:
        shape, dtype = slot.variable.shape, slot.variable.dtype
        if slot.statistic:
            value = fresh.draw(slot, seed)
        elif noise == "fresh":
            value = fresh.draw(slot, seed, core.shrink_perturb, *factors[dtype])
        else:
            stream = core.fold_in(seed, "gaussian", slot.position)
            drawn = keras.random.normal(shape, dtype=dtype, seed=stream)
            value = core.shrink_perturb(slot.variable.value, drawn, *factors[dtype])
        slot.variable.assign(value)
    return sum(math.prod(slot.variable.shape) for slot in slots) if perturb else 0


def check_factors(shrink, perturb, noise):
    """Refuse a shrink, perturb or kind of noise that means nothing."""
    for name, value in (("shrink", shrink), ("perturb", perturb)):
        if not (math.isfinite(value) and value >= 0):
            raise ValueError(
                f"`{name}` must be a finite number, at least 0. Received: {name}={value}"
            )
    if noise not in ("fresh", "gaussian"):
        raise ValueError(f"`noise` is 'fresh' or 'gaussian'. Received: noise={noise!r}")


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
    return frobenius_norms(matching(model))


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
    names = {slot.name for slot in matching(model)}
    slots = [slot for slot in matching(model, where) if where is not None or slot.name in norms]
    unknown = [name for name in norms if name not in names]
    missing = [slot.name for slot in slots if slot.name not in norms]
    if unknown or missing:
        raise ValueError(
            f"The recorded norms are not those of model '{model.name}'. "
            f"Norms without a variable: {unknown}. Variables without a norm: {missing}"
        )
    assign_rescaled(slots, norms)


def assign_rescaled(slots, norms, unit="variables"):
    """Rescale slots to norms, one factor for each variable or each layer; check, then assign.

    Args:
        slots: list of `Slot`.
        norms: dict {name: norm} with every slot's name.
        unit: "variables", "kernels" (biases, scales and offsets stay), or "layers" (one factor
            from all variables of a layer together).
    """
    if unit not in ("variables", "kernels", "layers"):
        raise ValueError(
            f"Norms are those of 'variables', 'layers' or 'kernels'. Received: unit={unit!r}"
        )
    if unit == "kernels":
        slots = [slot for slot in slots if slot.is_kernel]
    targets = {}
    for name, current in frobenius_norms(slots).items():
        _check_finite(name, current)
        target = norms[name]
        if not (math.isfinite(target) and target >= 0):
            raise ValueError(
                f"A norm must be finite and at least 0. Received: norms[{name!r}]={target}"
            )
        targets[name] = (target, current)
    if unit == "layers":
        factors = _layer_factors(slots, targets)
        for slot in slots:
            slot.variable.assign(slot.variable.value * factors[id(slot.layer)])
        return
    for name, (target, current) in targets.items():
        _check_direction(f"Variable '{name}'", target, current)
    for slot in slots:
        slot.variable.assign(core.rescale(slot.variable.value, targets[slot.name][0]))


def _layer_factors(slots, targets):
    """`||(w_0, b_0)|| / ||(w, b)||` of each layer: {id(layer): factor}."""
    squares = {}
    for slot in slots:
        sums = squares.setdefault(id(slot.layer), [slot.layer.name, 0.0, 0.0])
        target, current = targets[slot.name]
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
