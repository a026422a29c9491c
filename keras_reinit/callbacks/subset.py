"""What WELSR, WELS and DSD have in common: an exact share of the entries of the kernels."""

from keras_reinit import core
from keras_reinit.callbacks.base import ReinitCallback
from keras_reinit.weights.apply import kernels, redraw, subset_masks


class SubsetReinit(ReinitCallback):
    """Draws a share of the entries afresh between rounds; subclasses choose which.

    `w = (1 - s) * w_old + s * w_fresh`, with `round(fraction * size)` ones in `s`.

    Subclasses set `by` and say in `mask_seed` where the randomness of `s` comes from.
    """

    by: str

    def __init__(
        self,
        fraction=0.2,
        *,
        until,
        rounds=None,
        scope="layer",
        biases=False,
        seed=None,
        reset_optimizer=True,
    ):
        super().__init__(until, rounds, seed, reset_optimizer)
        core.exact_count(0, fraction)  # refuses a fraction outside [0, 1]
        if scope not in ("layer", "global"):
            raise ValueError(f"`scope` is 'layer' or 'global'. Received: scope={scope!r}")
        self.fraction = fraction
        self.scope = scope
        self.biases = biases

    def mask_seed(self, seed):
        """The seed of the masks of a round, from the round's own."""
        return core.fold_in(seed, "mask")

    def check_model(self):
        kernels(self.model, biases=self.biases)

    def start_round(self, index, seed):
        if index == 0:
            return 0
        slots = kernels(self.model, biases=self.biases)
        masks = subset_masks(slots, self.fraction, self.by, self.scope, self.mask_seed(seed))
        return redraw(slots, seed, masks)

    def get_config(self):
        return {
            **super().get_config(),
            "fraction": self.fraction,
            "scope": self.scope,
            "biases": self.biases,
        }
