"""The methods of the papers, by their letters, at equal budget."""

import keras_reinit as kr


def callbacks(method, until, rounds, iterations, sample, seed):
    """The callbacks that make a training run one of a method.

    Args:
        method: the papers' letters; "BL" trains once; "FC head" re-initialises the head only and
            "LW kernels" rescales kernels only, where the papers leave the reading open.
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
    return [kr.callbacks.get(method)(**rival)]
