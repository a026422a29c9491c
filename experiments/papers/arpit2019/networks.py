"""What the experiments of Arpit et al. 2019 share: their arms, and their networks as initialised.

An arm is a normalisation and, where that is of the weights, a scheme of `keras_reinit.initialize`
and how it draws the directions `v`. In the paper "He" is a Gaussian `v`.
"""

from typing import Any

import keras_reinit as kr
from keras_reinit.model import renew

PAPER = "Arpit et al. 2019"
NETWORKS = ("mlp", "plain_cnn", "cifar_resnet", "wide_resnet")
ARMS: dict[str, dict[str, Any]] = {
    "proposed": {"norm": "weight", "scheme": "arpit", "v": "orthogonal"},
    "proposed, He": {"norm": "weight", "scheme": "arpit", "v": "gaussian"},
    "data-dependent": {"norm": "weight", "scheme": "data_dependent", "v": "orthogonal"},
    "data-dependent, He": {"norm": "weight", "scheme": "data_dependent", "v": "gaussian"},
    "PyTorch default": {"norm": "weight", "scheme": "pytorch", "v": "uniform"},
    "PyTorch default, orthogonal": {"norm": "weight", "scheme": "pytorch", "v": "orthogonal"},
    "Hanin": {"norm": "weight", "scheme": "hanin", "v": "orthogonal"},
    "He, g = 1": {"norm": "weight", "scheme": "he", "v": "gaussian"},
    "BN": {"norm": "batch", "scheme": None, "v": "orthogonal"},
}

_STEMS = {"cifar_resnet": 2, "wide_resnet": 1}  # gamma of the first layer of residual networks
_WITH_STEM = ("arpit", "hanin")


def network(name, shape, classes, depth, width, norm="weight", recompute=None):
    """A network of `keras_reinit.backbones`, still to be initialised.

    Args:
        name: of `NETWORKS`.
        shape: of one example.
        classes: number of logits.
        depth: of "mlp" the number of hidden layers (the head is one more), of the others as their
            backbone counts: "plain_cnn" with the head, "cifar_resnet" 6 n + 2, "wide_resnet"
            6 n + 4.
        width: of "mlp" the units of each hidden layer, of the others the multiplier of the filters.
        norm: "weight", or "batch", with orthogonal kernels.
        recompute: as `keras_reinit.backbones.cifar_resnet`, for networks too deep for Keras to
            follow; None for all others.

    Returns:
        A `keras.Model` that returns logits.

    Raises:
        ValueError: as the backbone, such as for a depth that it cannot have.
    """
    options = {"norm": norm}
    if norm == "batch":
        options["kernel_initializer"] = kr.initializers.Orthogonal()
    if name == "mlp":
        return kr.backbones.mlp(shape, classes, (round(width),) * depth, **options)
    if recompute is not None:
        options["recompute"] = recompute
    return getattr(kr.backbones, name)(shape, classes, depth=depth, width=width, **options)


def initialize(model, arm, name, seed, batch=None):
    """Make a network what it is at the beginning of a run.

    Args:
        model: what `network` returns.
        arm: dict of "norm", "scheme" and "v", such as the values of `ARMS`.
        name: of the network.
        seed: int; the same seed gives the same weights.
        batch: the examples of the data-dependent scheme; nothing for the others.
    """
    if arm["norm"] == "batch":
        renew(model, seed)
        return
    options = {}
    if arm["scheme"] in _WITH_STEM:
        options["stem"] = _STEMS.get(name)
    if arm["scheme"] == "data_dependent":
        options["data"] = batch
    kr.initialize(model, arm["scheme"], arm["v"], seed=seed, **options)


def named(records):
    """The records, each with the name of its arm as "arm"."""
    return [record | {"arm": arm_of(record)} for record in records]


def arm_of(record):
    """The name of a run's arm; a record without "norm" is one of weight normalisation."""
    arm = {"norm": record.get("norm", "weight"), "scheme": record["scheme"], "v": record["v"]}
    return next((name for name, values in ARMS.items() if values == arm), _described(arm))


def _described(arm):
    return ", ".join(str(value) for value in arm.values() if value is not None)
