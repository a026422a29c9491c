"""The baseline: training goes on."""

import dataclasses

import keras

from keras_reinit import core
from keras_reinit.methods.method import Method, Patterns


@keras.saving.register_keras_serializable(package="keras_reinit.methods")
@dataclasses.dataclass(frozen=True)
class Continue(Method):
    """Go on from the weights as they are: plain training (BL), a warm start.

    `w = w`, the rival at equal budget in every comparison.

    Args:
        where: for the sake of the other methods; nothing is changed anywhere.

    Example:
        >>> kr.callbacks.Reinit(Continue(), until=kr.rounds.Fixed(epochs=100))  # one round

    Reference:
        Alabdulmohsin et al. 2021, Section 3 (the baseline); Ash & Adams 2020 (the warm start).
    """

    where: Patterns = None

    def __post_init__(self):
        core.check_patterns("where", self.where)

    def apply(self, model, context):
        return 0

    def rounds(self, model):
        return 1
