"""The only room that knows Keras variables, the insides of layers, and optimizers."""

from keras_reinit.weights.apply import (
    init_norms,
    reinitialize,
    reinitialize_subset,
    rescale,
    shrink_perturb,
)
from keras_reinit.weights.normalization_statistics import recalibrate
from keras_reinit.weights.optimizer import reset_optimizer
from keras_reinit.weights.select import select

__all__ = [
    "init_norms",
    "recalibrate",
    "reinitialize",
    "reinitialize_subset",
    "rescale",
    "reset_optimizer",
    "select",
    "shrink_perturb",
]
