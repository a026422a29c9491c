"""Keras layers: normalisation with frozen statistics, normalisation of weights."""

from keras_reinit.layers.frozen_normalization import FrozenNormalization
from keras_reinit.layers.weight_normalization import WeightNormalization

__all__ = ["FrozenNormalization", "WeightNormalization"]
