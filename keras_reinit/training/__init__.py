"""Training beyond `fit`: on data that keep arriving, on wrong labels, by a teacher, warmed up."""

from keras_reinit.methods import ShrinkPerturb
from keras_reinit.training.distillation import SelfDistillation
from keras_reinit.training.label_noise import asymmetric_noise, symmetric_noise
from keras_reinit.training.schedules import QuadraticWarmup
from keras_reinit.training.warm_start import Stage, WarmStart, refit

__all__ = [
    "QuadraticWarmup",
    "SelfDistillation",
    "ShrinkPerturb",
    "Stage",
    "WarmStart",
    "asymmetric_noise",
    "refit",
    "symmetric_noise",
]
