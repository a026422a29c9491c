"""Arrays in, arrays out: the mathematics of re-initialisation, with no Keras model in sight."""

from keras_reinit.core.checks import (
    check_bool,
    check_choice,
    check_held,
    check_int,
    check_number,
    check_numbers,
    check_patterns,
    check_text,
)
from keras_reinit.core.cutout import cutout
from keras_reinit.core.masks import exact_count, random_mask, smallest_mask
from keras_reinit.core.moments import per_example, pooled
from keras_reinit.core.seeds import fold_in, resolve_seed, stream
from keras_reinit.core.transforms import (
    blend,
    frobenius_norm,
    rescale,
    scale,
    shrink_perturb,
    total,
)

__all__ = [
    "blend",
    "check_bool",
    "check_choice",
    "check_held",
    "check_int",
    "check_number",
    "check_numbers",
    "check_patterns",
    "check_text",
    "cutout",
    "exact_count",
    "fold_in",
    "frobenius_norm",
    "per_example",
    "pooled",
    "random_mask",
    "rescale",
    "resolve_seed",
    "scale",
    "shrink_perturb",
    "smallest_mask",
    "stream",
    "total",
]
