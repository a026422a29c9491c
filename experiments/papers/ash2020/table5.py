"""Only the last layer on all of the data, and then all layers.

Paper: Ash & Adams 2020, Table 5.
Command: `python -m experiments run warm_table5 --size smoke`
Cost: small size 15 runs, paper's 45. LL and LL+WS are two stages of one run.

Published: `published/table5.csv`.
"""

import dataclasses

from experiments.engine.experiment import Experiment
from experiments.engine.settings import option
from experiments.papers.ash2020 import common, published
from experiments.report.tables import crossed

STARTS = {
    "last layer": "LL",
    "last layer, then all": "LL+WS",
    "warm": "WS",
    "random": "RI",
}


@dataclasses.dataclass(frozen=True)
class Settings(common.Settings):
    """What the command line can change."""

    dataset: tuple[str, ...] = option(
        ("cifar10", "svhn_cropped", "cifar100"), "TFDS names of image sets, or digits"
    )


def runs(settings):
    """The random start, the warm one, and the one with the last layer first."""
    kinds = (("random", False), ("warm", False), ("warm", True))
    return common.runs(settings, [{"strategy": s, "head_first": head} for s, head in kinds])


def summarize(records):
    """One row a start, in the order of the paper."""
    stages = {
        "last layer": ("warm", True, 1),
        "last layer, then all": ("warm", True, 2),
        "warm": ("warm", False, 1),
        "random": ("random", False, 0),
    }
    runs = [
        common.at_stage(run, stage) | {"start": start}
        for start, (strategy, head_first, stage) in stages.items()
        for run in records
        if (run["strategy"], run["head_first"]) == (strategy, head_first)
    ]
    return common.measured(runs, ("dataset", "network", "start"))


def tables(rows):
    """One row a data set and network, as in the paper."""
    printed = published.last_layers()
    lines = {"data set": "dataset", "network": ("network", common.TITLES.get)}

    def cell(row, key):
        dataset, _, start = key
        return common.score(row, printed.get((common.printed(dataset), start)))

    notes = common.notes(rows) + common.foreign(rows)
    title = "Table 5: the last layer first"
    return [crossed(title, rows, lines, "start", STARTS, cell, notes=notes)]


EXPERIMENT = Experiment(
    paper=common.PAPER,
    item="Table 5",
    title="a warm start of the last layer alone, and of all layers after it",
    sizes={"smoke": Settings(**common.SMOKE), "paper": Settings()},
    cost={"smoke": "15 runs: 7 minutes on two CPU cores", "paper": "45 runs"},
    runs=runs,
    summarize=summarize,
    tables=tables,
)
