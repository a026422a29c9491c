"""WELS: one random subset of the weights, drawn before training and kept."""

import keras

from keras_reinit import core
from keras_reinit.callbacks.subset import SubsetReinit


@keras.saving.register_keras_serializable(package="keras_reinit")
class FixedSubsetReinit(SubsetReinit):
    """Re-initialisation of a fixed random subset of the weights (WELS).

    Between rounds, `w = (1 - s) * w_old + s * w_fresh`, where `s` has
    `round(fraction * size)` ones at random, the same in every round; `w_fresh` is new.

    Args:
        fraction: share of the entries, in [0, 1].
        until: a rule of `keras_reinit.rounds`: when a round ends.
        rounds: int, at least 1; None for as many as a `ReinitModel` has blocks.
        scope: "layer" counts in each kernel, "global" over all kernels together.
        biases: also take entries of the biases.
        seed: int, or None to draw one.
        reset_optimizer: put slots, iterations and schedule back at the start of each round.

    Raises:
        ValueError: if an argument is out of its range.

    Example:
        >>> wels = FixedSubsetReinit(0.2, until=rounds.Fixed(epochs=20), rounds=4, seed=0)
        >>> model.fit(x, y, epochs=80, callbacks=[wels])

    Reference:
        Taha et al. 2021; Alabdulmohsin et al. 2021, Section 1.
    """

    by = "random"

    def mask_seed(self, seed):
        return core.fold_in(self.training_seed, "mask")
