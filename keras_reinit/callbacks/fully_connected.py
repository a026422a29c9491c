"""FC: learn the dense layers at the end again, round after round."""

import keras

from keras_reinit.blocks import CONVOLUTIONS, NORMALIZATIONS, unwrapped
from keras_reinit.callbacks.base import ReinitCallback
from keras_reinit.rounds import positive_int
from keras_reinit.weights.apply import redraw, with_statistics
from keras_reinit.weights.select import walk

_DENSE = (keras.layers.Dense, keras.layers.EinsumDense)


@keras.saving.register_keras_serializable(package="keras_reinit")
class FullyConnectedReinit(ReinitCallback):
    """Re-initialisation of the fully-connected layers (FC).

    Between rounds, `w ~ the initializer of w` for the dense layers after the last convolution and
    everything above the first of them; in a network without convolutions, for all but the first
    layer. It is LW with one block, without rescaling and normalisation.

    Args:
        until: a rule of `keras_reinit.rounds`: when a round ends.
        rounds: int, at least 1; None for as many as a `ReinitModel` has blocks.
        last: None for the rule above; an int for that many last dense layers: 1 is the head only.
        seed: int, or None to draw one.
        reset_optimizer: put slots, iterations and schedule back at the start of each round.

    Raises:
        ValueError: if an argument is out of its range. In `fit`: if there is no such layer.

    Example:
        >>> fc = FullyConnectedReinit(until=rounds.Fixed(epochs=20), rounds=4, seed=0)
        >>> model.fit(x, y, epochs=80, callbacks=[fc])

    Reference:
        Li et al. 2020; Zhao et al. 2018 (head only); Alabdulmohsin et al. 2021, Section 1.
    """

    def __init__(self, until, rounds=None, last=None, seed=None, reset_optimizer=True):
        super().__init__(until, rounds, seed, reset_optimizer)
        self.last = last if last is None else positive_int("last", last)

    def check_model(self):
        self._slots()

    def start_round(self, index, seed):
        if index == 0:
            return 0
        return redraw(with_statistics(self.model, self._slots()), seed)

    def _slots(self):
        """The trainable weights from the first re-initialised dense layer on."""
        slots = walk(self.model)
        first = self._first_position(slots)
        chosen = [slot for slot in slots if slot.position >= first and slot.variable.trainable]
        if not chosen:
            raise ValueError(
                f"Every layer of model '{self.model.name}' from '{slots[first].layer.name}' on is "
                f"frozen. Received: last={self.last}. Expected a trainable one"
            )
        return chosen

    def _first_position(self, slots):
        hidden = [
            (unwrapped(slot.layer), slot.position)
            for slot in slots
            if not isinstance(slot.layer, NORMALIZATIONS)
        ]
        convolutions = [each for each in hidden if isinstance(each[0], CONVOLUTIONS)]
        kept, kept_position = (convolutions or hidden[:1])[-1]
        starts = {
            id(layer): position
            for layer, position in reversed(hidden)
            if isinstance(layer, _DENSE) and layer is not kept
        }
        dense = sorted(start for start in starts.values() if start > kept_position)
        wanted = self.last or len(dense)
        if not dense or wanted > len(dense):
            raise ValueError(
                f"Model '{self.model.name}' has {len(dense)} dense layers after its last "
                f"convolution (its first layer, without any). Received: last={self.last}"
            )
        return dense[-wanted]

    def get_config(self):
        return {**super().get_config(), "last": self.last}
