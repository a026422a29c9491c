"""LLF: learn the later layers again, always the same ones."""

import dataclasses

import keras

from keras_reinit import core
from keras_reinit.methods.method import Method, Patterns, check_drawable
from keras_reinit.structure.layers import NORMALIZATIONS
from keras_reinit.weights.redraw import reinitialize_weights
from keras_reinit.weights.select import list_weights, select_weights
from keras_reinit.weights.statistics import with_statistics


@keras.saving.register_keras_serializable(package="keras_reinit.methods")
@dataclasses.dataclass(frozen=True)
class LaterLayers(Method):
    """Re-initialise all layers from one on, the head included (LLF, later-layer forgetting).

    `w ~ the initializer of w` for every trainable variable of layer `from_layer` and the layers
    after it; all else stays bit for bit. It is layerwise re-initialisation that stays at one block,
    without rescaling and normalisation, and so the control for it.

    Args:
        from_layer: name of the first layer that is drawn, or its path ("encoder/conv3"); None for
            the later half of the layers with kernels (this default is ours).
        biases: draw biases, too; False for the paper's code.
        norms: draw scales and offsets of normalisations too, and put their statistics back; False
            for the paper's code, which leaves both.
        where: None for all of these, or a pattern or list of patterns over names, as
            `keras_reinit.select` takes them, of those that are drawn.

    Raises:
        ValueError: in use: if there is no such layer, or nothing trainable from it on.

    Example:
        >>> kr.apply(model, LaterLayers("block3_conv1"), seed=0)

    Reference:
        Zhou et al. 2022, "Fortuitous Forgetting in Connectionist Networks".
    """

    from_layer: str | None = None
    biases: bool = True
    norms: bool = True
    where: Patterns = None

    def __post_init__(self):
        if self.from_layer is not None:
            core.check_text("from_layer", self.from_layer)
        core.check_patterns("where", self.where)
        for name in ("biases", "norms"):
            object.__setattr__(self, name, core.check_bool(name, getattr(self, name)))

    def check(self, model):
        check_drawable(self._weights(model))

    def apply(self, model, context):
        return reinitialize_weights(self._weights(model), context.seed)

    def _weights(self, model):
        first = self._first_position(model)
        chosen = [
            weight
            for weight in select_weights(model, self.where)
            if weight.position >= first
            and (self.biases or not weight.is_bias)
            and (self.norms or not isinstance(weight.layer, NORMALIZATIONS))
        ]
        if not chosen:
            raise ValueError(
                f"Nothing of model '{model.name}' is trainable there. Received: {self}. "
                "Expected a trainable layer to draw afresh"
            )
        return with_statistics(model, chosen) if self.norms else chosen

    def _first_position(self, model):
        weights = list_weights(model)
        if self.from_layer is None:
            starts = [weight.position for weight in weights if weight.is_kernel]
            return starts[len(starts) // 2] if starts else 0
        for weight in weights:
            path = weight.name.rpartition("/")[0]
            inside = f"{path}/".startswith(f"{self.from_layer}/")
            if inside or self.from_layer in path.split("/"):
                return weight.position
        names = dict.fromkeys(weight.name.rpartition("/")[0] for weight in weights)
        raise ValueError(
            f"Model '{model.name}' has no such layer with weights. Received: "
            f"from_layer={self.from_layer!r}. Expected one of {list(names)}"
        )
