"""How weight-normalised and residual networks begin: gains, directions, whole networks."""

from keras_reinit.initializers.gains import weight_norm_gain
from keras_reinit.initializers.gammas import gammas
from keras_reinit.initializers.initialize import initialize
from keras_reinit.initializers.orthogonal import Orthogonal
from keras_reinit.structure.residual import ResidualBlock, residual_stages

__all__ = [
    "Orthogonal",
    "ResidualBlock",
    "gammas",
    "initialize",
    "residual_stages",
    "weight_norm_gain",
]
