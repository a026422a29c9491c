"""Arrays in, arrays out: the mathematics of re-initialisation, with no Keras model in sight."""

from keras_reinit.core.checks import check_bool, check_choice, check_int, check_number
from keras_reinit.core.cutout import cutout
from keras_reinit.core.masks import exact_count, random_mask, smallest_mask
from keras_reinit.core.moments import per_example, pooled
from keras_reinit.core.seeds import fold_in, resolve_seed
from keras_reinit.core.transforms import blend, frobenius_norm, rescale, shrink_perturb, total

__all__ = [
    "blend",
    "check_bool",
    "check_choice",
    "check_int",
    "check_number",
    "cutout",
    "exact_count",
    "fold_in",
    "frobenius_norm",
    "per_example",
    "pooled",
    "random_mask",
    "rescale",
    "resolve_seed",
    "shrink_perturb",
    "smallest_mask",
    "total",
]
