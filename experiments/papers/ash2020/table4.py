"""Noise alone: a warm start whose weights are perturbed, but not shrunk.

Paper: Ash & Adams 2020, Table 4.
Command: `python -m experiments run warm_table4 --size smoke`
Cost: small size 20 runs, paper's 30.

Published: `published/table4.csv`, accuracy and minutes; from scratch 55.2 % in
34.0 minutes. The noise is Gaussian, of the standard deviations that the table names. The deviation
of the time at 1e-5 is printed as 91.0 for a mean of 14.6 and left out.
"""

import dataclasses

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
    random = {"strategy": "random", "noise": "fresh"}
    warm = {"strategy": "warm", "noise": "fresh"}
    noisy = {"strategy": "shrink_perturb", "noise": "gaussian"}
    starts = [noisy | {"perturb": noise} if noise else warm for noise in settings.noise]
    return common.runs(settings, [random, *starts])


def summarize(records):
    """One row an amount of noise."""
    return common.against_random(records, lambda record: record["perturb"])


def tables(rows):
    """Accuracy and time."""
    scores = published.noise()
    times = [
        (f"{noise:g}", f"{mean:g}", "-" if spread is None else f"{spread:g}")
        for noise, (mean, spread) in published.noise_minutes().items()
    ]
    ours = rows[rows["dataset"].map(common.printed) == "cifar10"]

    def printed(row):
        return scores.get((row.setting,)) if common.printed(row.dataset) == "cifar10" else None

    more = common.foreign(ours)
    return [
        common.listing("Table 4: noise alone", rows, "noise", "{:g}".format, printed, more),
        Table("Time as printed, minutes", ("noise", "mean", "deviation"), tuple(times)),
    ]


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
