"""Data sets of the experiments, in memory, and the batches that networks are trained on."""

from experiments.data.dataset import Dataset, subset
from experiments.data.generated import synthetic
from experiments.data.sets import BENCHMARK, VALIDATION, count, load
from experiments.data.shuffled import alike, shuffled, trained
from experiments.data.stream import (
    batches,
    enlarged,
    evaluation_batches,
    floats,
    full_batch,
    input_shape,
    one_batch,
    standardized,
)
from experiments.data.text import count_text, in_vocabulary, load_text

__all__ = [
    "BENCHMARK",
    "VALIDATION",
    "Dataset",
    "alike",
    "batches",
    "count",
    "count_text",
    "enlarged",
    "evaluation_batches",
    "floats",
    "full_batch",
    "in_vocabulary",
    "input_shape",
    "load",
    "load_text",
    "one_batch",
    "shuffled",
    "standardized",
    "subset",
    "synthetic",
    "trained",
]
