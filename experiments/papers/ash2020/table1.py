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

from experiments.engine.experiment import Experiment
from experiments.engine.settings import option
from experiments.papers.ash2020 import common, published
from experiments.papers.ash2020.networks import NETWORKS, OPTIMIZERS
from experiments.report.statistics import grouped, percent
from experiments.report.tables import Table

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
    cells = itertools.product(
        settings.dataset, settings.network, settings.optimizer, range(settings.seeds), STARTS
    )
    sgd = dict(zip(settings.network, itertools.cycle(settings.sgd_learning_rate), strict=False))
    return [
        common.run(
            settings,
            dataset=dataset,
            network=network,
            optimizer=optimizer,
            learning_rate=sgd[network] if optimizer == "sgd" else settings.learning_rate,
            seed=seed,
            strategy=strategy,
        )
        for dataset, network, optimizer, seed, strategy in cells
    ]


def summarize(records):
    """One row for each start of a setting, "first half" among them: the first stage of the warm."""
    rows = []
    for key, members in grouped(records, "dataset", "network", "optimizer").items():
        setting = dict(zip(("dataset", "network", "optimizer"), key, strict=True))
        starts = grouped(members, "strategy")
        for strategy, found in starts.items():
            row = setting | {"start": strategy} | common.measured(found)
            if strategy == "warm":
                row |= common.losses(found, starts.get("random", []))
            rows.append(row)
        if "warm" in starts:
            first = common.measured(starts["warm"], stage=0)
            rows.append(setting | {"start": "first half"} | first)
    return rows


def tables(rows):
    """Table 1, what the warm start costs and saves, and Table 2."""
    whole = [row for row in rows if row["start"] in STARTS]
    halves = [row for row in rows if row["start"] == "first half"]
    return [
        _table("Table 1: half of the data, then all", whole, published.warm_starts()),
        _gaps([row for row in rows if "gain" in row]),
        _table("Table 2: the first half alone", halves, published.first_halves()),
    ]


def _table(title, rows, printed):
    columns = list(dict.fromkeys((row["network"], row["optimizer"]) for row in rows))
    cells = {(r["dataset"], r["start"], r["network"], r["optimizer"]): r for r in rows}
    body = []
    for dataset, start in dict.fromkeys(key[:2] for key in cells):
        name = common.PRINTED.get(dataset, dataset)
        line = [
            common.score(cells.get((dataset, start, *column)), printed.get((name, start, *column)))
            for column in columns
        ]
        body.append((dataset, STARTS.get(start, start), *line))
    names = [f"{common.TITLES[network]} {optimizer}" for network, optimizer in columns]
    header = ("data set", "start", *names)
    return Table(title, header, tuple(body), left=2, notes=common.notes(rows))


def _gaps(rows):
    header = (
        "data set", "network", "optimizer", "warm - random", "won", "lost", "time ratio",
        "step ratio",
    )  # fmt: skip
    body = [
        (
            row["dataset"],
            common.TITLES[row["network"]],
            row["optimizer"],
            percent(row["gain"], row["gain_deviation"], signed=True),
            str(row["wins"]),
            str(row["losses"]),
            f"{row['time_ratio']:.2f}",
            f"{row['step_ratio']:.2f}",
        )
        for row in rows
    ]
    notes = (
        "Difference in accuracy in points, mean ± standard deviation over seeds, and how many "
        "seeds the warm start won and lost. Time of training on all of the data over that from "
        "scratch, and the same of its optimizer steps, without the first half.",
    )
    return Table("Warm start against random init", header, tuple(body), left=3, notes=notes)


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
