"""Only the last layer on all of the data, and then all layers.

Paper: Ash & Adams 2020, Table 5.
Command: `python -m experiments run warm_table5 --size smoke`
Cost: small size 15 runs, paper's 45. LL and LL+WS are two stages of one run.

Published: `published/table5.csv`.
"""

import dataclasses
import itertools

from experiments.engine.experiment import Experiment
from experiments.engine.settings import option
from experiments.papers.ash2020 import common, published
from experiments.report.statistics import grouped
from experiments.report.tables import Table

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
    cells = itertools.product(settings.dataset, settings.network, range(settings.seeds))
    return [
        common.run(
            settings,
            dataset=dataset,
            network=network,
            seed=seed,
            strategy=strategy,
            head_first=head_first,
        )
        for dataset, network, seed in cells
        for strategy, head_first in (("random", False), ("warm", False), ("warm", True))
    ]


def summarize(records):
    """One row a start, in the order of the paper."""
    rows = []
    for (dataset, network), members in grouped(records, "dataset", "network").items():
        starts = grouped(members, "strategy", "head_first")
        stages = {
            "last layer": (("warm", True), 1),
            "last layer, then all": (("warm", True), 2),
            "warm": (("warm", False), 1),
            "random": (("random", False), 0),
        }
        for start, (key, stage) in stages.items():
            if key in starts:
                row = {"dataset": dataset, "network": network, "start": start}
                rows.append(row | common.measured(starts[key], stage))
    return rows


def tables(rows):
    """One row a data set and network, as in the paper."""
    printed = published.last_layers()
    cells = {(row["dataset"], row["network"], row["start"]): row for row in rows}
    body = []
    for dataset, network in dict.fromkeys(key[:2] for key in cells):
        name = common.PRINTED.get(dataset, dataset)
        scores = [
            common.score(cells.get((dataset, network, start)), printed.get((name, start)))
            for start in STARTS
        ]
        body.append((dataset, common.TITLES[network], *scores))
    notes = common.notes(rows) + common.foreign(rows)
    header = ("data set", "network", *STARTS.values())
    return [Table("Table 5: the last layer first", header, tuple(body), left=2, notes=notes)]


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
