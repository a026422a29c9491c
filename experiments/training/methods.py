"""The methods of the papers, by their letters, at equal budget."""

import keras

import keras_reinit as kr


def train_once(until):
    """The baseline as a method of one round, so that it stops early by the same rule.

    Args:
        until: a rule of `keras_reinit.rounds`: when training ends.
    """
    return kr.callbacks.Reinit(kr.methods.Continue(), until, seed=0)


class FrozenLayerwise(kr.callbacks.LayerwiseReinit):
    """LW that freezes the kept blocks in each round instead of training them on.

    Every batch puts the weights of blocks `1..k` back, so compile with `steps_per_execution=1`.

    Reference:
        Alabdulmohsin et al. 2021, Appendix F.
    """

    async_safe = False

    def on_epoch_begin(self, epoch, logs=None):
        super().on_epoch_begin(epoch, logs)
        block = self._training.state.round // self.iterations
        slots = self.model.weights_upto(block)
        self._frozen = [(slot.variable, keras.ops.copy(slot.variable.value)) for slot in slots]

    def on_train_batch_end(self, batch, logs=None):
        super().on_train_batch_end(batch, logs)
        for variable, value in self._frozen:
            variable.assign(value)


def callbacks(method, until, rounds, iterations, sample, seed):
    """The callbacks that make a training run one of a method.

    Args:
        method: the papers' letters; "BL" trains once; "FC head" re-initialises the head only and
            "LW kernels" rescales kernels only, where the papers leave the reading open; "LW no
            redraw", "LW no normalization" and "LW frozen" are ablations.
        until: when a round ends, of `kr.rounds`.
        rounds: number of training phases; LW has its own, blocks times `iterations`.
        iterations: LW's N, iterations of each block.
        sample: LW's X, examples on which the output of a block is measured.
        seed: int.

    Returns:
        A list of Keras callbacks.
    """
    rival = {"until": until, "rounds": rounds, "seed": seed}
    layerwise = {"until": until, "iterations": iterations, "sample": sample, "seed": seed}
    if method == "BL":
        return []
    if method == "FC head":
        return [kr.callbacks.FullyConnectedReinit(last=1, **rival)]
    if method == "LW":
        return [kr.callbacks.LayerwiseReinit(**layerwise)]
    if method == "LW kernels":
        return [kr.callbacks.LayerwiseReinit(rescale="kernels", **layerwise)]
    if method == "LW no redraw":
        return [kr.callbacks.LayerwiseReinit(reinitialize=False, **layerwise)]
    if method == "LW no normalization":
        return [kr.callbacks.LayerwiseReinit(normalize=False, **layerwise)]
    if method == "LW frozen":
        return [FrozenLayerwise(**layerwise)]
    return [kr.callbacks.get(method)(**rival)]
