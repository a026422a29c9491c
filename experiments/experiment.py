"""What an experiment is, and the catalogue of those that exist."""

import dataclasses
import importlib
import pkgutil
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from experiments import configs
from experiments.errors import UsageError, unknown

Record = dict[str, Any]


@dataclasses.dataclass(frozen=True)
class Experiment:
    """One table or figure of one paper.

    Args:
        paper: authors and year.
        item: the table or figure, such as "Table 1".
        title: one line.
        sizes: settings of each size, "smoke" and "paper": dataclasses made of `option` fields.
        cost: duration and machine of each size.
        count: the number of runs of given settings.
        run: yields one record (a flat dict of JSON values) for every finished training run.
        summarize: from the records so far to the rows of the table, a list of dicts.
        report: from the rows to the text: measured beside published, and what contradicts.
    """

    paper: str
    item: str
    title: str
    sizes: dict[str, Any]
    cost: dict[str, str]
    count: Callable[[Any], int]
    run: Callable[[Any], Iterator[Record]]
    summarize: Callable[[Sequence[Record]], list[Record]]
    report: Callable[[Sequence[Record]], str]


def names():
    """The names of all experiments, one module in `experiments/configs` each."""
    return sorted(module.name for module in pkgutil.iter_modules(configs.__path__))


def find(name):
    """The experiment of a name.

    Raises:
        UsageError: if there is none; the message names the nearest.
    """
    if name not in names():
        raise UsageError(unknown("experiment", name, names()))
    return importlib.import_module(f"experiments.configs.{name}").EXPERIMENT
