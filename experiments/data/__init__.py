"""Data sets of the experiments, in memory, and the batches that networks are trained on."""

from experiments.data.dataset import Dataset, subset
from experiments.data.generated import synthetic
from experiments.data.known import known
from experiments.data.sets import BENCHMARK, VALIDATION, check_batch, count, load
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
    "check_batch",
    "count",
    "count_text",
    "enlarged",
    "evaluation_batches",
    "floats",
    "full_batch",
    "in_vocabulary",
    "input_shape",
    "known",
    "load",
    "load_text",
    "one_batch",
    "shuffled",
    "standardized",
    "subset",
    "synthetic",
    "trained",
]
