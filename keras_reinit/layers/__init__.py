"""Keras layers: normalisation with frozen statistics."""

from keras_reinit.layers.frozen_normalization import FrozenNormalization

__all__ = ["FrozenNormalization"]
