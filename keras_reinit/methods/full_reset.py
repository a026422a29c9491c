"""The rival that every method has to beat: a new network."""

import dataclasses
import math

import keras

from keras_reinit import core
from keras_reinit.methods.method import Method, Patterns, check_drawable
from keras_reinit.model import ReinitModel, renew
from keras_reinit.weights.redraw import reinitialize
from keras_reinit.weights.select import select_weights
from keras_reinit.weights.statistics import with_statistics


@keras.saving.register_keras_serializable(package="keras_reinit.methods")
@dataclasses.dataclass(frozen=True)
class FullReset(Method):
    """Draw the whole network afresh: training from scratch, in place.

    `w ~ the initializer of w` for every trainable variable; statistics as new. A `ReinitModel`
    also gets its normalisations back to the identity, and records its new norms.

    Args:
        where: None for all trainable variables, or a pattern or list of patterns over names, as
            `keras_reinit.select` takes them.

    Example:
        >>> kr.apply(model, FullReset(), seed=1)  # as a model that was built with another seed

    Reference:
        Ash & Adams 2020 (training from scratch).
    """

    where: Patterns = None

    def __post_init__(self):
        core.check_patterns("where", self.where)

    def check(self, model):
        check_drawable(self._weights(model))

    def apply(self, model, context):
        if self.where is None:
            renew(model, context.seed)
        elif isinstance(model, ReinitModel):
            model.reinitialize(seed=context.seed, where=self.where)
        else:
            reinitialize(model, self.where, context.seed)
        return sum(math.prod(weight.variable.shape) for weight in self._weights(model))

    def _weights(self, model):
        return with_statistics(model, select_weights(model, self.where))
