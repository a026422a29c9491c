"""WELSR: a new random subset of the weights each round."""

import keras

from keras_reinit.callbacks.subset import SubsetReinit


@keras.saving.register_keras_serializable(package="keras_reinit")
class RandomSubsetReinit(SubsetReinit):
    """Re-initialisation of a random subset of the weights, a new one each round (WELSR).

    Between rounds, `w = (1 - s) * w_old + s * w_fresh`, where `s` has
    `round(fraction * size)` ones at random, drawn anew each time.

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
        >>> welsr = RandomSubsetReinit(0.2, until=rounds.Fixed(epochs=20), rounds=4, seed=0)
        >>> model.fit(x, y, epochs=80, callbacks=[welsr])

    Reference:
        Taha et al. 2021; Alabdulmohsin et al. 2021, Section 1.
    """

    by = "random"
