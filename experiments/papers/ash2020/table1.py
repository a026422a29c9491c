"""Random initialisation against a warm start: half of the data, then all of it.

Paper: Ash & Adams 2020, Tables 1 and 2.
Command: `python -m experiments run warm_table1 --size smoke`
Cost: small size 80 runs, paper's 180.

Published: `published/table1.csv` and `published/table2.csv`. The paper names no limit of
epochs and no rule that ends a training that never reaches 99 %, as that of a logistic
regression: `warm_start_run` says what is ours.
"""

import dataclasses
import itertools

import pandas as pd

from experiments.engine.experiment import Experiment
from experiments.engine.settings import combinations, option
from experiments.papers.ash2020 import common, published
from experiments.papers.ash2020.networks import NETWORKS, OPTIMIZERS
from experiments.report.statistics import each, mean
from experiments.report.tables import crossed, gained, listed

SETTING = ("dataset", "network", "optimizer")
STARTS = {"random": "random init", "warm": "warm start"}


@dataclasses.dataclass(frozen=True)
class Settings(common.Settings):
    """What the command line can change."""

    dataset: tuple[str, ...] = option(
        ("cifar10", "svhn_cropped", "cifar100"), "TFDS names of image sets, or digits"
    )
    network: tuple[str, ...] = option(
        ("resnet18", "mlp_tanh", "logistic_regression"), "networks", choices=NETWORKS
    )
    optimizer: tuple[str, ...] = option(  # type: ignore[assignment]  # several of them here
        tuple(OPTIMIZERS), "optimizers", tuple(OPTIMIZERS)
    )
    sgd_learning_rate: tuple[float, ...] = option(
        (0.001,), "learning rate of sgd: one for all networks, or one for each", minimum=0.0
    )


def runs(settings):
    """Both starts for every data set, network, optimizer and seed."""
    sgd = dict(zip(settings.network, itertools.cycle(settings.sgd_learning_rate), strict=False))
    cells = combinations(
        dataset=settings.dataset,
        network=settings.network,
        optimizer=settings.optimizer,
        seed=range(settings.seeds),
        strategy=STARTS,
    )
    specs = []
    for cell in cells:
        rate = sgd[cell["network"]] if cell["optimizer"] == "sgd" else settings.learning_rate
        specs.append(common.run(settings, **cell, learning_rate=rate))
    return specs


def summarize(records):
    """One row for each start of a setting, "first half" among them: the first stage of the warm."""
    runs = [common.at_stage(run) | {"start": run["strategy"]} for run in records]
    scratch = {_pair(run): run for run in runs if run["start"] == "random"}
    for run in runs:
        other = scratch.get(_pair(run))
        for ratio, name in (("time_ratio", "train_seconds"), ("step_ratio", "steps")):
            run[ratio] = run[name] / other[name] if other else None
    half = {"start": "first half", "time_ratio": None, "step_ratio": None}
    halves = [common.at_stage(run, 0) | half for run in records if run["strategy"] == "warm"]
    ratios = dict.fromkeys(("time_ratio", "step_ratio"), _known_mean)
    place = (*SETTING, "start")
    whole = common.measured(runs, place, baseline="random", **ratios)
    return pd.concat([whole, common.measured(halves, place, **ratios)], ignore_index=True)


def _pair(run):
    return tuple(run[name] for name in (*SETTING, "seed"))


def _known_mean(values):
    return mean([value for value in values if value is not None])


def tables(rows):
    """Table 1, what the warm start costs and saves, and Table 2."""
    halves = rows["start"] == "first half"
    columns = {
        "data set": "dataset",
        "network": lambda row: common.TITLES[row.network],
        "optimizer": "optimizer",
        "warm - random": gained,
        "won": "wins",
        "lost": "losses",
        "time ratio": lambda row: f"{row.time_ratio:.2f}",
        "step ratio": lambda row: f"{row.step_ratio:.2f}",
    }
    notes = (
        "Difference in accuracy in points, mean ± standard deviation over seeds, and how many "
        "seeds the warm start won and lost. Time of training on all of the data over that from "
        "scratch, and the same of its optimizer steps, without the first half.",
    )
    gaps = rows[rows["gain"].notna()]
    return [
        _table("Table 1: half of the data, then all", rows[~halves], published.warm_starts()),
        listed("Warm start against random init", gaps, columns, left=3, notes=notes),
        _table("Table 2: the first half alone", rows[halves], published.first_halves()),
    ]


def _table(title, rows, printed):
    columns = {
        place: f"{common.TITLES[place[0]]} {place[1]}"
        for place, _ in each(rows, "network", "optimizer")
    }
    lines = {"data set": "dataset", "start": ("start", lambda start: STARTS.get(start, start))}

    def cell(row, key):
        dataset, *others = key
        return common.score(row, printed.get((common.printed(dataset), *others)))

    across = ("network", "optimizer")
    return crossed(title, rows, lines, across, columns, cell, notes=common.notes(rows))


EXPERIMENT = Experiment(
    paper=common.PAPER,
    item="Tables 1 and 2",
    title="random initialisation against a warm start, half of the data and then all",
    sizes={
        "smoke": Settings(
            **common.SMOKE
            | {
                "dataset": ("cifar10_jpeg", "fashion_mnist"),
                "network": ("mlp_tanh", "logistic_regression"),
                "optimizer": ("sgd", "adam"),
                "patience": 30,
            },
            # With 0.1 a logistic regression on color images does not settle.
            sgd_learning_rate=(common.SMOKE_SGD, common.SMOKE_SGD / 10),
        ),
        "paper": Settings(),
    },
    cost={"smoke": "80 runs: 25 minutes on two CPU cores", "paper": "180 runs"},
    runs=runs,
    summarize=summarize,
    tables=tables,
)
