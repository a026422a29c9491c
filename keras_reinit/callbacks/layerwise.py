"""LW: from the lowest block up, keep a little more and learn the rest again."""

import keras

from keras_reinit.callbacks.base import ReinitCallback
from keras_reinit.model import ReinitModel, restored_on_error
from keras_reinit.rounds import positive_int


@keras.saving.register_keras_serializable(package="keras_reinit")
class LayerwiseReinit(ReinitCallback):
    """Layerwise re-initialisation (LW).

    At the start of round `(k, n)`, for blocks `k = 1..K` from the input up and `n = 1..iterations`:

    1. blocks `1..k` are rescaled to their norms at initialisation, `w = w * ||w_init|| / ||w||`;
    2. `mean, stddev` of the output of block `k` on the sample go into the normalisation after it;
    3. every layer above block `k` is drawn afresh.

    Then everything is trained: `K * iterations` rounds. The first acts before any training.

    Args:
        sample: inputs that blocks are calibrated on: an array, a structure of arrays, or a
            `tf.data.Dataset` of batches; 256 examples are the paper's size elsewhere. Kept by
            reference, not part of the config, and asked for again on revival.
        until: a rule of `keras_reinit.rounds`: when a round ends.
        iterations: rounds for each block, at least 1.
        rescale: "variables" (each to its own norm), "layers" (one factor for all variables of a
            layer), "kernels" (biases, scales and offsets stay), or None to leave norms alone.
        normalize: set the normalisation after block `k`; False for the ablation.
        reinitialize: draw the layers above afresh; False for the ablation.
        seed: int, or None to draw one.
        reset_optimizer: put slots, iterations and schedule back at the start of each round.

    Raises:
        ValueError: if an argument is out of its range. In `fit`: if the model is no `ReinitModel`,
            the sample is missing, or a block is dead (its output constant on the sample); the
            weights are then those before the round.

    Example:
        >>> model = ReinitModel(backbone)
        >>> lw = LayerwiseReinit(sample=x[:256], until=rounds.Fixed(epochs=20), seed=0)
        >>> model.fit(x, y, epochs=lw.max_epochs(model), callbacks=[lw])

    Reference:
        Alabdulmohsin et al. 2021, Algorithm 1.
    """

    def __init__(
        self,
        sample=None,
        iterations=1,
        *,
        until,
        rescale="variables",
        normalize=True,
        reinitialize=True,
        seed=None,
        reset_optimizer=True,
    ):
        super().__init__(until, seed=seed, reset_optimizer=reset_optimizer)
        if rescale not in ("variables", "layers", "kernels", None):
            raise ValueError(
                "`rescale` is 'variables', 'layers', 'kernels' or None. "
                f"Received: rescale={rescale!r}"
            )
        self.sample = sample
        self.iterations = positive_int("iterations", iterations)
        self.rescale = rescale
        self.normalize = normalize
        self.reinitialize = reinitialize

    def number_of_rounds(self, model):
        return super().number_of_rounds(model) * self.iterations

    def check_model(self):
        if not isinstance(self.model, ReinitModel):
            raise ValueError(
                "Layerwise re-initialisation needs a model that knows its blocks. Received: a "
                f"model of {type(self.model)}. Expected ReinitModel(model, blocks='auto')"
            )
        if self.normalize and self.sample is None:
            raise ValueError(
                "LayerwiseReinit measures each block's output on a sample. Received: sample=None "
                "(a revived or copied config has none). Expected e.g. sample=x_train[:256]"
            )

    def start_round(self, index, seed):
        block = index // self.iterations
        drawn = {id(slot.variable) for slot in self.model.slots_above(block)}
        kept = [variable for variable in self.model.weights if id(variable) not in drawn]
        with restored_on_error(kept):
            if self.rescale is not None:
                self.model.rescale(block, self.rescale)
            if self.normalize:
                self.model.calibrate(block, self.sample)
            return self.model.reinitialize(block, seed) if self.reinitialize else 0

    def annotations(self, index):
        return {"reinit_block": index // self.iterations}

    def get_config(self):
        config = super().get_config()
        del config["rounds"]
        return {
            **config,
            "iterations": self.iterations,
            "rescale": self.rescale,
            "normalize": self.normalize,
            "reinitialize": self.reinitialize,
        }

    def __deepcopy__(self, memo):
        return type(self)(self.sample, **_arguments(self))


def _arguments(callback):
    return {**callback.get_config(), "until": callback.until}
