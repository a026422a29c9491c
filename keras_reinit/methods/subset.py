"""WELSR, WELS, DSD: an exact share of the entries of the kernels."""

import dataclasses
from typing import ClassVar

import keras

from keras_reinit import core
from keras_reinit.methods.method import Method, Patterns, check_drawable
from keras_reinit.weights.redraw import reinitialize_weights, select_kernels, subset_masks


@dataclasses.dataclass(frozen=True)
class Subset(Method):
    """Draws a share of the entries afresh; subclasses choose which.

    `w = (1 - s) * w_old + s * w_fresh`, with `round(fraction * size)` ones in `s`.
    """

    by: ClassVar[str]

    fraction: float = 0.2
    scope: str = "layer"
    biases: bool = False
    where: Patterns = None

    def __post_init__(self):
        fraction = core.check_number("fraction", self.fraction, most=1)
        object.__setattr__(self, "fraction", fraction)
        core.check_choice("scope", self.scope, ("layer", "global"))
        core.check_patterns("where", self.where)
        object.__setattr__(self, "biases", core.check_bool("biases", self.biases))

    def mask_seed(self, context):
        """The seed of the masks: another one each time."""
        return core.fold_in(context.seed, "mask")

    def check(self, model):
        check_drawable(select_kernels(model, self.where, self.biases))

    def apply(self, model, context):
        weights = select_kernels(model, self.where, self.biases)
        seed = self.mask_seed(context)
        masks = subset_masks(weights, self.fraction, self.by, self.scope, seed)
        return reinitialize_weights(weights, context.seed, masks)


@keras.saving.register_keras_serializable(package="keras_reinit.methods")
@dataclasses.dataclass(frozen=True)
class RandomSubset(Subset):
    """Re-initialise a random subset of the weights, a new one each time (WELSR).

    `w = (1 - s) * w_old + s * w_fresh`, where `s` has `round(fraction * size)` ones at random.

    Args:
        fraction: share of the entries, in [0, 1].
        scope: "layer" counts in each kernel, "global" over all kernels together.
        biases: also take entries of the biases.
        where: None for all trainable kernels, or a pattern or list of patterns over names, as
            `keras_reinit.select` takes them.

    Raises:
        ValueError: if an argument is out of its range. In use: if a pattern matches no kernel.

    Example:
        >>> kr.apply(model, RandomSubset(0.2), seed=0)

    Reference:
        Taha et al. 2021; Alabdulmohsin et al. 2021, Section 1.
    """

    by = "random"


@keras.saving.register_keras_serializable(package="keras_reinit.methods")
@dataclasses.dataclass(frozen=True)
class FixedSubset(Subset):
    """Re-initialise a random subset of the weights, the same one in every round (WELS).

    `w = (1 - s) * w_old + s * w_fresh`, where `s` has `round(fraction * size)` ones at random,
    drawn once for a training; `w_fresh` is new each time.

    Args:
        fraction: share of the entries, in [0, 1].
        scope: "layer" counts in each kernel, "global" over all kernels together.
        biases: also take entries of the biases.
        where: None for all trainable kernels, or a pattern or list of patterns over names, as
            `keras_reinit.select` takes them.

    Raises:
        ValueError: if an argument is out of its range. In use: if a pattern matches no kernel.

    Example:
        >>> kr.callbacks.Reinit(FixedSubset(0.2), until=kr.rounds.Fixed(epochs=20), rounds=4)

    Reference:
        Taha et al. 2021; Alabdulmohsin et al. 2021, Section 1.
    """

    by = "random"

    def mask_seed(self, context):
        """The seed of the masks: the same one in every round."""
        seed = context.seed if context.training_seed is None else context.training_seed
        return core.fold_in(seed, "mask")


@keras.saving.register_keras_serializable(package="keras_reinit.methods")
@dataclasses.dataclass(frozen=True)
class Magnitude(Subset):
    """Re-initialise the smallest weights (DSD, as the LW paper generalises it).

    `w = (1 - s) * w_old + s * w_fresh`, where `s` marks the `round(fraction * size)` entries of
    smallest `|w|`, ties by index. Nothing is trained sparse in between, as the original
    dense-sparse-dense training does.

    Args:
        fraction: share of the entries, in [0, 1].
        scope: "layer" counts in each kernel, "global" over all kernels together.
        biases: also take entries of the biases.
        where: None for all trainable kernels, or a pattern or list of patterns over names, as
            `keras_reinit.select` takes them.

    Raises:
        ValueError: if an argument is out of its range. In use: if a pattern matches no kernel.

    Example:
        >>> kr.apply(model, Magnitude(0.2), seed=0)

    Reference:
        Han et al. 2017; Alabdulmohsin et al. 2021, Section 1.
    """

    by = "magnitude"
