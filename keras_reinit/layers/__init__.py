"""Keras layers: normalisation with frozen statistics and of weights, recomputation, cutout."""

from keras_reinit.layers.cutout import Cutout
from keras_reinit.layers.frozen_normalization import FrozenNormalization
from keras_reinit.layers.recomputed import Recomputed
from keras_reinit.layers.weight_normalization import WeightNormalization

__all__ = ["Cutout", "FrozenNormalization", "Recomputed", "WeightNormalization"]
