"""Methods as values: what is re-initialised, wherever and whenever it is done."""

from keras_reinit.methods.full_reset import FullReset
from keras_reinit.methods.fully_connected import FullyConnected
from keras_reinit.methods.later_layers import LaterLayers
from keras_reinit.methods.layerwise import Layerwise
from keras_reinit.methods.method import Context, Method
from keras_reinit.methods.plain_training import Continue
from keras_reinit.methods.shrink_perturb import ShrinkPerturb
from keras_reinit.methods.subset import FixedSubset, Magnitude, RandomSubset
from keras_reinit.methods.table import METHODS, get

__all__ = [
    "METHODS",
    "Context",
    "Continue",
    "FixedSubset",
    "FullReset",
    "FullyConnected",
    "LaterLayers",
    "Layerwise",
    "Magnitude",
    "Method",
    "RandomSubset",
    "ShrinkPerturb",
    "get",
]
