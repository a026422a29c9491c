"""Training beyond one `fit`: on data that keep arriving, on labels that are wrong, by a teacher."""

from keras_reinit.training.distillation import SelfDistillation
from keras_reinit.training.label_noise import asymmetric_noise, symmetric_noise
from keras_reinit.training.warm_start import ShrinkPerturb, Stage, WarmStart, refit

__all__ = [
    "SelfDistillation",
    "ShrinkPerturb",
    "Stage",
    "WarmStart",
    "asymmetric_noise",
    "refit",
    "symmetric_noise",
]
