"""Networks that generalise better because parts of them are re-initialised during training.

`keras_reinit.tuner` needs KerasTuner and is imported on its first use.
"""

import importlib

from keras_reinit import (
    analysis,
    backbones,
    callbacks,
    distribution,
    initializers,
    layers,
    methods,
    rounds,
    training,
)
from keras_reinit.initializers import initialize
from keras_reinit.methods.method import apply
from keras_reinit.methods.shrink_perturb import shrink_perturb
from keras_reinit.model import Block, ReinitModel
from keras_reinit.weights import (
    init_norms,
    recalibrate,
    reinitialize,
    reinitialize_subset,
    rescale,
    reset_optimizer,
    select,
)

__version__ = "0.1.0"

__all__ = [
    "Block",
    "ReinitModel",
    "__version__",
    "analysis",
    "apply",
    "backbones",
    "callbacks",
    "distribution",
    "init_norms",
    "initialize",
    "initializers",
    "layers",
    "methods",
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


def __getattr__(name):
    if name == "tuner":
        return importlib.import_module("keras_reinit.tuner")
    raise AttributeError(f"module 'keras_reinit' has no attribute '{name}'")
