"""LW: from the lowest block up, keep a little more and learn the rest again."""

import dataclasses
from typing import ClassVar

import keras

from keras_reinit import core
from keras_reinit.methods.method import Method, Patterns, check_drawable
from keras_reinit.model import ReinitModel
from keras_reinit.weights.snapshot import restored_on_error


@keras.saving.register_keras_serializable(package="keras_reinit.methods")
@dataclasses.dataclass(frozen=True)
class Layerwise(Method):
    """Layerwise re-initialisation (LW) of a `ReinitModel`.

    For a block `k`, in this order:

    1. blocks up to `k` are rescaled to their norms at initialisation, `w = w * ||w_init|| / ||w||`;
    2. `mean, stddev` of the output of block `k` on the data go into the normalisation after it;
    3. every layer above block `k` is drawn afresh.

    In rounds, or in the stages of a stream, `k` goes from the lowest block to the highest,
    `iterations` times each: `K * iterations` rounds, the first of which acts before any training.

    Args:
        iterations: rounds for each block, at least 1.
        rescale: "variables" (each to its own norm), "layers" (one factor for all variables of a
            layer), "kernels" (biases, scales and offsets stay), or None to leave norms alone.
        normalize: set the normalisation after block `k`; False for the ablation.
        reinitialize: draw the layers above afresh; False for the ablation.
        block: index or name of the block `k`, for the same one every time; None for the rule above.
        where: None for all trainable variables, or a pattern or list of patterns over names, as
            `keras_reinit.select` takes them, of those that are rescaled or drawn.

    Its `data` are the sample that blocks are measured on: an array, a structure of arrays, or a
    `tf.data.Dataset` of batches; 256 examples are the paper's size elsewhere.

    Raises:
        ValueError: if an argument is out of its range. In use: if the model is no `ReinitModel`,
            the sample is missing, or a block is dead (its output constant on the sample); the
            weights are then those before.

    Example:
        >>> kr.apply(kr.ReinitModel(model), Layerwise(block="block2"), data=x[:256], seed=0)

    Reference:
        Alabdulmohsin et al. 2021, Algorithm 1.
    """

    acts_first: ClassVar[bool] = True

    iterations: int = 1
    rescale: str | None = "variables"
    normalize: bool = True
    reinitialize: bool = True
    block: int | str | None = None
    where: Patterns = None

    def __post_init__(self):
        object.__setattr__(self, "iterations", core.check_int("iterations", self.iterations))
        core.check_choice("rescale", self.rescale, ("variables", "layers", "kernels", None))
        if isinstance(self.block, str):
            core.check_text("block", self.block)
        elif self.block is not None:
            object.__setattr__(self, "block", core.check_int("block", self.block, least=0))
        core.check_patterns("where", self.where)
        for name in ("normalize", "reinitialize"):
            object.__setattr__(self, name, core.check_bool(name, getattr(self, name)))

    @property
    def needs_data(self):
        """An example of `data`: inputs, where blocks are measured."""
        return "x_train[:256]" if self.normalize else None

    def check(self, model):
        if not isinstance(model, ReinitModel):
            raise ValueError(
                "Layerwise re-initialisation needs a model that knows its blocks. Received: a "
                f"model of {type(model)}. Expected ReinitModel(model, blocks='auto')"
            )
        weights = model.weights_above(self._block(model, 0), self.where)
        if not any(weight.variable.trainable for weight in weights):
            raise ValueError(
                f"Nothing above the first block of model '{model.name}' is trainable. Received: "
                f"where={self.where!r}. Expected a trainable layer to draw afresh"
            )
        check_drawable(weights)

    def apply(self, model, context):
        block = self._block(model, context.round)
        drawn = {id(weight.variable) for weight in model.weights_above(block, self.where)}
        kept = [variable for variable in model.weights if id(variable) not in drawn]
        with restored_on_error(kept):
            if self.rescale is not None:
                model.rescale(block, self.rescale, self.where)
            if self.normalize:
                model.calibrate(block, context.data)
            if not self.reinitialize:
                return 0
            return model.reinitialize(block, context.seed, self.where)

    def rounds(self, model):
        return super().rounds(model) * self.iterations

    def logs(self, index):
        return {"reinit_block": index // self.iterations} if self.block is None else {}

    def _block(self, model, index):
        if self.block is not None:
            return model.block_index(self.block)
        return min(index // self.iterations, len(model.blocks) - 1)
