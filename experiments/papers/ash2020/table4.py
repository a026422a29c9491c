"""Noise alone: a warm start whose weights are perturbed, but not shrunk.

Paper: Ash & Adams 2020, Table 4.
Command: `python -m experiments run warm_table4 --size smoke`
Cost: small size 20 runs, paper's 30.

Published: `published/table4.csv`, accuracy and minutes; from scratch 55.2 % in
34.0 minutes. The noise is Gaussian, of the standard deviations that the table names. The deviation
of the time at 1e-5 is printed as 91.0 for a mean of 14.6 and left out.
"""

import dataclasses
import itertools

from experiments.engine.experiment import Experiment
from experiments.engine.settings import option
from experiments.papers.ash2020 import common, published
from experiments.report.tables import Table


@dataclasses.dataclass(frozen=True)
class Settings(common.Settings):
    """What the command line can change."""

    noise: tuple[float, ...] = option(
        (1e-2, 1e-3, 1e-4, 1e-5, 0.0), "standard deviations of the noise", minimum=0.0
    )


def runs(settings):
    """The random start, and a warm one with each amount of noise."""
    cells = itertools.product(settings.dataset, settings.network, range(settings.seeds))
    specs = []
    for dataset, network, seed in cells:
        chosen = {"dataset": dataset, "network": network, "seed": seed, "noise": "fresh"}
        specs.append(common.run(settings, **chosen, strategy="random"))
        for noise in settings.noise:
            changes = {"strategy": "warm"}
            if noise:
                changes = {"strategy": "shrink_perturb", "perturb": noise, "noise": "gaussian"}
            specs.append(common.run(settings, **chosen | changes))
    return specs


def summarize(records):
    """One row an amount of noise."""
    return common.against_random(records, lambda record: record["perturb"])


def tables(rows):
    """Accuracy and time."""
    scores, minutes = published.noise(), published.noise_minutes()
    title = "Table 4: noise alone"
    times = [
        (f"{noise:g}", f"{mean:g}", "-" if spread is None else f"{spread:g}")
        for noise, (mean, spread) in minutes.items()
    ]
    printed = Table("Time as printed, minutes", ("noise", "mean", "deviation"), tuple(times))
    table = common.listing(
        title,
        rows,
        "noise",
        "{:g}".format,
        lambda row: scores.get((row["setting"],)) if _of_paper(row) else None,
    )
    notes = table.notes + common.foreign([row for row in rows if _of_paper(row)])
    return [dataclasses.replace(table, notes=notes), printed]


def _of_paper(row):
    return common.PRINTED.get(row["dataset"], row["dataset"]) == "cifar10"


EXPERIMENT = Experiment(
    paper=common.PAPER,
    item="Table 4",
    title="a warm start with noise alone",
    sizes={
        "smoke": Settings(**common.SMOKE, noise=(1e-1, 1e-2, 0.0)),
        "paper": Settings(),
    },
    cost={"smoke": "20 runs: 7 minutes on two CPU cores", "paper": "30 runs"},
    runs=runs,
    summarize=summarize,
    tables=tables,
)
