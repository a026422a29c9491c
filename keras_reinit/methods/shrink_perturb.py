"""S&P: shrink all weights and add a little of a fresh network."""

import dataclasses
import math

import keras
from keras import ops

from keras_reinit import core
from keras_reinit.layers import WeightNormalization
from keras_reinit.methods.method import Method, Patterns, apply, check_drawable
from keras_reinit.weights.fresh import FreshValues
from keras_reinit.weights.norms import check_finite
from keras_reinit.weights.select import list_weights, select_weights
from keras_reinit.weights.snapshot import restored_on_error
from keras_reinit.weights.statistics import with_statistics


@keras.saving.register_keras_serializable(package="keras_reinit.methods")
@dataclasses.dataclass(frozen=True)
class ShrinkPerturb(Method):
    """Shrink and perturb (S&P): shrink the weights, add a scaled fresh network.

    `w = shrink * w + perturb * w_fresh`, for every trainable variable, norm scales and biases
    included, `w_fresh` drawn anew each time. Moving statistics of BatchNormalization go back to
    those of a new layer, unless nothing changes (`shrink=1, perturb=0`).

    Args:
        shrink: factor on the weights, finite, at least 0; 1 keeps them.
        perturb: factor on the fresh draw, finite, at least 0; `shrink=0, perturb=1` is a new
            network.
        noise: "fresh" draws `w_fresh` from each layer's own initializer (the papers' code),
            "gaussian" from N(0, 1), so that `perturb` is the standard deviation (the paper's text).
        where: None for all trainable variables, or a pattern or list of patterns over names, as
            `keras_reinit.select` takes them.

    Raises:
        ValueError: if a factor is negative or not finite, or `noise` is unknown.

    Example:
        >>> kr.apply(model, ShrinkPerturb(shrink=0.4, perturb=0.1), seed=day)

    Reference:
        Ash & Adams 2020, Section 4; Zaidi et al. 2022.
    """

    shrink: float = 0.4
    perturb: float = 0.1
    noise: str = "fresh"
    where: Patterns = None

    def __post_init__(self):
        for name in ("shrink", "perturb"):
            object.__setattr__(self, name, core.check_number(name, getattr(self, name)))
        core.check_choice("noise", self.noise, ("fresh", "gaussian"))
        core.check_patterns("where", self.where)

    def check(self, model):
        owners = [weight.layer for weight in list_weights(model)]
        is_nothing = self.shrink == self.perturb == 0
        if is_nothing and any(isinstance(owner, WeightNormalization) for owner in owners):
            raise ValueError(
                f"Model '{model.name}' has weight-normalised layers, whose `v` would be all zero "
                f"and have no direction. Received: shrink={self.shrink}, perturb={self.perturb}. "
                "Expected one above 0"
            )
        weights = select_weights(model, self.where)
        for dtype in {weight.variable.dtype for weight in weights}:
            for name in ("shrink", "perturb"):
                core.check_held(name, getattr(self, name), dtype)
        check_drawable(with_statistics(model, weights))

    def apply(self, model, context):
        if (self.shrink, self.perturb) == (1, 0):
            return 0
        weights = select_weights(model, self.where)
        affected = with_statistics(model, weights)
        fresh = FreshValues(affected)
        factors = {
            dtype: [ops.convert_to_tensor(f, dtype=dtype) for f in (self.shrink, self.perturb)]
            for dtype in {weight.variable.dtype for weight in weights}
        }
        grows = max(self.shrink, self.perturb) > 1  # else no entry can leave the range of its type
        kept = [weight.variable for weight in affected] if grows else []
        with restored_on_error(kept):
            for weight in affected:
                shape, dtype = weight.variable.shape, weight.variable.dtype
                if weight.statistic:
                    value = fresh.draw(weight, context.seed)
                elif self.noise == "fresh":
                    value = fresh.draw(weight, context.seed, core.shrink_perturb, *factors[dtype])
                else:
                    seed = core.stream(context.seed, "gaussian", position=weight.position)
                    drawn = keras.random.normal(shape, dtype=dtype, seed=seed)
                    value = core.shrink_perturb(weight.variable.value, drawn, *factors[dtype])
                weight.variable.assign(value)
            if grows:
                self._check_held(affected)
        return sum(math.prod(weight.variable.shape) for weight in weights) if self.perturb else 0

    def _check_held(self, weights):
        try:
            check_finite(weights)
        except ValueError as error:
            raise ValueError(
                "Factors above 1 took a weight out of the range of its type; the weights are those "
                f"before. Received: shrink={self.shrink}, perturb={self.perturb}. Expected smaller "
                "ones"
            ) from error


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
    apply(model, ShrinkPerturb(shrink, perturb, noise, where), seed=seed)
