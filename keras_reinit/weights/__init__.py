"""Keras variables, the insides of layers, and optimizers: read, changed by the core, assigned."""

from keras_reinit.weights.norms import init_norms, rescale
from keras_reinit.weights.optimizer import reset_optimizer
from keras_reinit.weights.redraw import reinitialize, reinitialize_subset
from keras_reinit.weights.select import select
from keras_reinit.weights.statistics import recalibrate

__all__ = [
    "init_norms",
    "recalibrate",
    "reinitialize",
    "reinitialize_subset",
    "rescale",
    "reset_optimizer",
    "select",
]
