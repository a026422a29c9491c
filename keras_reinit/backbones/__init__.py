"""Networks of the papers as plain Functional models whose blocks end in layers `block<k>_out`."""

from keras_reinit.backbones.mlp import mlp
from keras_reinit.backbones.scnn import scnn

__all__ = ["mlp", "scnn"]
