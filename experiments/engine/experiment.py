"""What an experiment is, and where its runs take place."""

import contextlib
import dataclasses
import pathlib
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import pandas as pd

Spec = dict[str, Any]
Record = dict[str, Any]


def anywhere(spec):
    """The place of a run that is executed as any program: a context manager that does nothing."""
    return contextlib.nullcontext()


@dataclasses.dataclass(frozen=True)
class Context:
    """Where a run takes place: what does not change its result.

    Args:
        data_dir: TFDS folder, or None for TFDS's own default.
        download: prepare a data set over the network where it is missing.
        callbacks: Keras callbacks for every training, such as a progress bar.
        backups: folder in which long runs keep a backup, to go on after a kill, or None.
        place: from a spec to a context manager in which the run is executed.
    """

    data_dir: str | None = None
    download: bool = False
    callbacks: tuple = ()
    backups: pathlib.Path | None = None
    place: Callable[[Spec], contextlib.AbstractContextManager] = anywhere


@dataclasses.dataclass(frozen=True)
class Experiment:
    """One table or figure of one paper.

    A run is identified by its *spec*, a flat dict of JSON values with "task", by which
    `experiments.engine.catalogue` finds the `Run` that it is of. A *record* of a finished run is
    its spec, its result and "seconds".

    Args:
        paper: authors and year.
        item: the table or figure, such as "Table 1".
        title: one line.
        sizes: settings of each size, "smoke" and "paper": dataclasses made of `option` fields.
        cost: duration and machine of each size.
        runs: from settings to the specs of all runs, in the order in which they are run.
        summarize: from records to the rows of the table, a DataFrame.
        tables: from these rows to `report.tables.Table`s: measured beside published.
        figures: from records to pictures, a dict {name: (caption, draw)} where `draw()` makes a
            matplotlib figure.
    """

    paper: str
    item: str
    title: str
    sizes: Mapping[str, Any]
    cost: Mapping[str, str]
    runs: Callable[[Any], list[Spec]]
    summarize: Callable[[Sequence[Record]], pd.DataFrame]
    tables: Callable[[pd.DataFrame], list]
    figures: Callable[[Sequence[Record]], dict] = lambda records: {}


def distinct(specs):
    """The specs, each once: runs from scratch are often those of several settings."""
    found: list = []
    for spec in specs:
        if spec not in found:
            found.append(spec)
    return found
