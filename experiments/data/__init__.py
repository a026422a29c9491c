"""Data sets of the experiments, in memory, and the batches that networks are trained on."""

from experiments.data.dataset import Dataset, subset
from experiments.data.generated import synthetic
from experiments.data.sets import BENCHMARK, VALIDATION, count, load
from experiments.data.stream import (
    batches,
    enlarged,
    evaluation_batches,
    floats,
    full_batch,
    input_shape,
    one_batch,
)

__all__ = [
    "BENCHMARK",
    "VALIDATION",
    "Dataset",
    "batches",
    "count",
    "enlarged",
    "evaluation_batches",
    "floats",
    "full_batch",
    "input_shape",
    "load",
    "one_batch",
    "subset",
    "synthetic",
]
