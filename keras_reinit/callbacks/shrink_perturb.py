"""S&P: shrink all weights and add a little of a fresh network."""

import keras

from keras_reinit.callbacks.base import ReinitCallback
from keras_reinit.weights.apply import assign_perturbed, check_factors
from keras_reinit.weights.select import matching


@keras.saving.register_keras_serializable(package="keras_reinit")
class ShrinkPerturb(ReinitCallback):
    """Shrink and perturb between rounds (S&P).

    `w = shrink * w + perturb * w_fresh`, for every trainable variable, norm scales and biases
    included, `w_fresh` drawn anew each time.

    Args:
        shrink: factor on the weights, finite, at least 0.
        perturb: factor on the fresh draw, finite, at least 0.
        until: a rule of `keras_reinit.rounds`: when a round ends.
        rounds: int, at least 1; None for as many as a `ReinitModel` has blocks.
        noise: "fresh" draws from each layer's own initializer, "gaussian" from N(0, 1).
        before_first: also act before the first round, as the public code does.
        seed: int, or None to draw one.
        reset_optimizer: put slots, iterations and schedule back at the start of each round.

    Raises:
        ValueError: if an argument is out of its range.

    Example:
        >>> sp = ShrinkPerturb(shrink=0.4, perturb=0.1, until=rounds.Fixed(epochs=10), rounds=9)
        >>> model.fit(x, y, epochs=90, callbacks=[sp])

    Reference:
        Ash & Adams 2020, Section 4; Zaidi et al. 2022.
    """

    def __init__(
        self,
        shrink=0.4,
        perturb=0.1,
        *,
        until,
        rounds=None,
        noise="fresh",
        before_first=False,
        seed=None,
        reset_optimizer=True,
    ):
        super().__init__(until, rounds, seed, reset_optimizer)
        check_factors(shrink, perturb, noise)
        self.shrink = shrink
        self.perturb = perturb
        self.noise = noise
        self.before_first = before_first

    def start_round(self, index, seed):
        if index == 0 and not self.before_first:
            return 0
        return assign_perturbed(
            self.model, matching(self.model), self.shrink, self.perturb, self.noise, seed
        )

    def get_config(self):
        return {
            **super().get_config(),
            "shrink": self.shrink,
            "perturb": self.perturb,
            "noise": self.noise,
            "before_first": self.before_first,
        }
