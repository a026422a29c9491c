"""Networks that generalise better because parts of them are re-initialised during training."""

from keras_reinit import analysis, backbones, callbacks, layers, rounds, training
from keras_reinit.model import Block, ReinitModel
from keras_reinit.weights import (
    init_norms,
    recalibrate,
    reinitialize,
    reinitialize_subset,
    rescale,
    reset_optimizer,
    select,
    shrink_perturb,
)

__version__ = "0.1.0"

__all__ = [
    "Block",
    "ReinitModel",
    "__version__",
    "analysis",
    "backbones",
    "callbacks",
    "init_norms",
    "layers",
    "recalibrate",
    "reinitialize",
    "reinitialize_subset",
    "rescale",
    "reset_optimizer",
    "rounds",
    "select",
    "shrink_perturb",
    "training",
]
