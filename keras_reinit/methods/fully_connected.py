"""FC: learn the dense layers at the end again."""

import dataclasses

import keras

from keras_reinit import core
from keras_reinit.methods.method import Method, Patterns, check_drawable
from keras_reinit.structure.layers import CONVOLUTIONS, DENSE, NORMALIZATIONS, unwrapped
from keras_reinit.weights.redraw import reinitialize_weights
from keras_reinit.weights.select import list_weights, select_weights
from keras_reinit.weights.statistics import with_statistics


@keras.saving.register_keras_serializable(package="keras_reinit.methods")
@dataclasses.dataclass(frozen=True)
class FullyConnected(Method):
    """Re-initialise the fully-connected layers (FC).

    `w ~ the initializer of w` for the dense layers after the last convolution and everything above
    the first of them; in a network without convolutions, for all but the first layer. It is
    layerwise re-initialisation with one block, without rescaling and normalisation.

    Args:
        last: None for the rule above; an int, at least 1, for that many last dense layers: 1 is
            the head only.
        where: None for all of these, or a pattern or list of patterns over names, as
            `keras_reinit.select` takes them, of those that are drawn.

    Raises:
        ValueError: if `last` is no positive int. In use: if there is no such layer.

    Example:
        >>> kr.apply(model, FullyConnected(last=1), seed=0)  # a new head

    Reference:
        Li et al. 2020; Zhao et al. 2018 (head only); Alabdulmohsin et al. 2021, Section 1.
    """

    last: int | None = None
    where: Patterns = None

    def __post_init__(self):
        if self.last is not None:
            object.__setattr__(self, "last", core.check_int("last", self.last))
        core.check_patterns("where", self.where)

    def check(self, model):
        check_drawable(self._weights(model))

    def apply(self, model, context):
        return reinitialize_weights(self._weights(model), context.seed)

    def _weights(self, model):
        """The trainable weights from the first re-initialised dense layer on, and statistics."""
        weights = list_weights(model)
        first = self._first_position(model, weights)
        allowed = {weight.position for weight in select_weights(model, self.where)}
        chosen = [w for w in weights if w.position >= first and w.position in allowed]
        if not chosen:
            start = weights[first].layer.name
            raise ValueError(
                f"Every layer of model '{model.name}' from '{start}' on is frozen or not chosen. "
                f"Received: last={self.last}, where={self.where!r}. Expected a trainable one"
            )
        return with_statistics(model, chosen)

    def _first_position(self, model, weights):
        hidden = [
            (unwrapped(weight.layer), weight.position)
            for weight in weights
            if not isinstance(weight.layer, NORMALIZATIONS)
        ]
        convolutions = [pair for pair in hidden if isinstance(pair[0], CONVOLUTIONS)]
        kept, kept_position = (convolutions or hidden[:1])[-1]
        starts = {
            id(layer): position
            for layer, position in reversed(hidden)
            if isinstance(layer, DENSE) and layer is not kept
        }
        dense = sorted(start for start in starts.values() if start > kept_position)
        wanted = self.last or len(dense)
        if not dense or wanted > len(dense):
            raise ValueError(
                f"Model '{model.name}' has {len(dense)} dense layers after its last convolution "
                f"(its first layer, without any). Received: last={self.last}"
            )
        return dense[-wanted]
