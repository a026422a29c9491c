"""Fresh values for whole variables, or for an exact share of their entries."""

import itertools
import math

import numpy as np
from keras import ops

from keras_reinit import core
from keras_reinit.core import resolve_seed
from keras_reinit.weights.fresh import FreshValues
from keras_reinit.weights.norms import check_finite
from keras_reinit.weights.select import select_weights
from keras_reinit.weights.statistics import with_statistics


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
    core.check_patterns("where", where)
    weights = with_statistics(model, select_weights(model, where))
    if not weights:
        raise ValueError(
            f"Model '{model.name}' has no trainable variable. Received: a model all of whose "
            "layers are frozen. Expected `trainable = True` for some"
        )
    reinitialize_weights(weights, resolve_seed(seed))


def reinitialize_weights(weights, seed, masks=None):
    """Assign fresh values to weights, only where masked if masks are given; count the entries.

    Args:
        weights: list of `Weight`.
        seed: int.
        masks: None, or a boolean array for each weight, as `subset_masks` makes them.

    Returns:
        The number of entries drawn, an int.
    """
    fresh = FreshValues(weights)
    entries = 0
    masks = itertools.repeat(None) if masks is None else iter(masks)
    for weight in weights:
        mask = next(masks)
        if mask is None:
            entries += math.prod(weight.variable.shape)
            value = fresh.draw(weight, seed)
        else:
            entries += int(np.count_nonzero(ops.convert_to_numpy(mask)))
            value = fresh.draw(weight, seed, core.blend, mask)
        weight.variable.assign(value)
        del mask  # before the next one is made
    return entries


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
    core.check_patterns("where", where)
    weights = select_kernels(model, where, core.check_bool("biases", biases))
    check_finite(weights)
    masks = list(subset_masks(weights, fraction, by, scope, core.fold_in(seed, "mask")))
    reinitialize_weights(weights, seed, masks)
    return {weight.name: mask for weight, mask in zip(weights, masks, strict=True)}


def select_kernels(model, where=None, biases=False):
    """The trainable kernels (and biases) that patterns choose: a list of `Weight`."""
    weights = [
        weight
        for weight in select_weights(model, where)
        if weight.is_kernel or (biases and weight.is_bias)
    ]
    if not weights:
        raise ValueError(
            f"Model '{model.name}' has no trainable kernel there. Received: where={where!r}, "
            f"biases={biases}"
        )
    return weights


def subset_masks(weights, fraction, by, scope, seed):
    """Masks of an exact share of the entries of some weights.

    Returns:
        An iterator over one boolean array for each weight. For `scope="layer"` each is made when it
        is asked for, so that no two of them need to be held.
    """
    core.check_choice("by", by, ("random", "magnitude"))
    core.check_choice("scope", scope, ("layer", "global"))
    core.exact_count(0, fraction)  # refuses a fraction outside [0, 1] before anything is drawn
    if scope == "global":
        sizes = [math.prod(weight.variable.shape) for weight in weights]
        if by == "random":
            mask = core.random_mask((sum(sizes),), fraction, seed)
        else:
            flat = [ops.reshape(weight.variable.value, (-1,)) for weight in weights]
            mask = core.smallest_mask(ops.concatenate(flat), fraction)
        ends = np.cumsum(sizes).tolist()
        return (
            ops.reshape(mask[end - size : end], weight.variable.shape)
            for weight, size, end in zip(weights, sizes, ends, strict=True)
        )
    if by == "random":
        return (
            core.random_mask(
                weight.variable.shape, fraction, core.stream(seed, position=weight.position)
            )
            for weight in weights
        )
    return (core.smallest_mask(weight.variable.value, fraction) for weight in weights)
