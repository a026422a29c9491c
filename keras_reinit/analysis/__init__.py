"""Analysis of trained networks and of collections of runs.

`keras_reinit.analysis.plots` draws the results; it needs matplotlib and is imported on its own.
"""

from keras_reinit.analysis.decision_tree import DecisionTree, Node, decision_tree
from keras_reinit.analysis.hessian import SpectralNorm, hessian_spectral_norm
from keras_reinit.analysis.margins import margins, smallest
from keras_reinit.analysis.sharpness import Sharpness, sharpness
from keras_reinit.analysis.significance import SignTest, holm, sign_test
from keras_reinit.analysis.training_speed import epochs_to_reach
from keras_reinit.analysis.weight_size import Gaussian, gaussian_density, weight_size

__all__ = [
    "DecisionTree",
    "Gaussian",
    "Node",
    "Sharpness",
    "SignTest",
    "SpectralNorm",
    "decision_tree",
    "epochs_to_reach",
    "gaussian_density",
    "hessian_spectral_norm",
    "holm",
    "margins",
    "sharpness",
    "sign_test",
    "smallest",
    "weight_size",
]
