"""What the experiments of Ash & Adams 2020 share: settings, and what is said of some runs."""

import dataclasses
from statistics import fmean
from typing import Any

from experiments.engine.settings import combinations, option, shared
from experiments.papers.ash2020.networks import NETWORKS, OPTIMIZERS
from experiments.papers.ash2020.warm_start_run import WarmStartRun
from experiments.report.pictures import hundredfold
from experiments.report.statistics import (
    deviation,
    each,
    first,
    number,
    percent,
    seeds_of,
    summary,
)
from experiments.report.tables import MISSING, Cell, differences, gained, listed, won_lost

PAPER = "Ash & Adams 2020"
TITLES = {
    "resnet18": "ResNet",
    "mlp_tanh": "MLP",
    "mlp_relu": "MLP (ReLU)",
    "logistic_regression": "LR",
    "birnn": "BiRNN",
}
PRINTED = {"cifar10_jpeg": "cifar10"}  # sets that stand for one of the paper's


def printed(dataset):
    """The data set of the paper that a set stands for."""
    return PRINTED.get(dataset, dataset)


@dataclasses.dataclass(frozen=True)
class Settings:
    """What the command line can change everywhere: the defaults are the paper's."""

    dataset: tuple[str, ...] = option(("cifar10",), "TFDS names of image sets, or digits")
    network: tuple[str, ...] = option(("resnet18",), "networks", choices=NETWORKS)
    width: float = option(1.0, "multiplier of the filters of resnet18", minimum=0.01)
    seeds: int = option(5, "number of seeds, from 0", minimum=1)
    train_size: int | None = option(
        None, "examples, those held out included, drawn by the seed (paper: all)", None, 3, int
    )
    batch_size: int = option(128, "examples of a batch", minimum=1)
    optimizer: str = option("sgd", "optimizer", choices=tuple(OPTIMIZERS))
    learning_rate: float = option(0.001, "learning rate", minimum=0.0)
    patience: int = option(10, "epochs without a better training accuracy", minimum=1)
    max_epochs: int = option(350, "most epochs of a stage", minimum=1)


# A size for two CPU cores: few examples, a small network, and Adam, with which that converges; SGD
# at the paper's 0.001 would need tens of thousands of epochs.
SMOKE: dict[str, Any] = {
    "dataset": ("cifar10_jpeg",),
    "network": ("mlp_tanh",),
    "train_size": 3000,
    "patience": 50,
    "optimizer": "adam",
}
SMOKE_SGD = 0.1  # learning rate, where it has to be SGD
SMOKE_RESNET: dict[str, Any] = SMOKE | {
    "network": ("resnet18",),
    "width": 0.25,
    "train_size": 300,
    "batch_size": 32,
}


def run(settings, kind=WarmStartRun, **changes):
    """The spec of one run.

    Args:
        settings: `Settings`, or a dataclass with some of its fields.
        kind: `WarmStartRun`, or another dataclass that has a `spec`.
        **changes: arguments of `kind`, "dataset", "network" and "seed" among them.
    """
    return kind(**shared(settings, kind) | changes).spec


def runs(settings, starts, kind=WarmStartRun):
    """The specs of one run for each data set, network, seed and start, in this order of loops.

    Args:
        settings: as `run`.
        starts: list of dicts of arguments of `kind`.
        kind: as `run`.
    """
    cells = combinations(
        dataset=settings.dataset, network=settings.network, seed=range(settings.seeds)
    )
    return [run(settings, kind, **cell | start) for cell in cells for start in starts]


def at_stage(record, stage=-1):
    """A run with the values of one of its stages, the last one or another, for those of all."""
    return record | {name: record[name][stage] for name in STAGED}


STAGED = ("accuracy", "train_seconds", "steps", "converged", "train_accuracy")


def measured(runs, by, **options):
    """What is said of runs that differ in their seeds, at one stage.

    Args:
        runs: list of what `at_stage` returns.
        by: as `summary`.
        **options: as `summary`.

    Returns:
        What `summary` says of the accuracy, with mean and deviation of the seconds of training, the
        mean number of optimizer steps, the share of runs that reached their goal, the mean training
        accuracy, the optimizer, its learning rate and what `DESIGN` names.
    """
    columns = {
        "seconds": ("train_seconds", fmean),
        "seconds_deviation": ("train_seconds", deviation),
        "steps": fmean,
        "reached": ("converged", fmean),
        "train_accuracy": fmean,
    }
    named = ("optimizer", "learning_rate", *DESIGN)
    columns |= {name: first for name in named if name not in by}
    return summary(runs, by, score="accuracy", **columns | options)


def against_random(records, setting, **columns):
    """One row for each data set, network and setting, compared with the runs from scratch.

    Args:
        records: of the task `warm_start`.
        setting: from a record that is not from scratch to what tells it from the others, a JSON
            value.
        **columns: as `summary`.

    Returns:
        What `measured` says of each "setting"; runs from scratch have `RANDOM`.
    """
    scratch = sorted(records, key=lambda run: run["strategy"] != "random")
    runs = [
        at_stage(run) | {"setting": RANDOM if run["strategy"] == "random" else setting(run)}
        for run in scratch
    ]
    return measured(runs, ("dataset", "network", "setting"), baseline=RANDOM, **columns)


RANDOM = "random init"


def listing(title, rows, name, shown=str, printed=lambda row: None, more=()):
    """A table of what `against_random` returns.

    Args:
        title: one line.
        rows: DataFrame.
        name: what the settings are.
        shown: from a setting to its text.
        printed: from a row to (mean, deviation) in the paper, or None where it prints nothing.
        more: notes that follow.
    """
    columns = {
        "data set": "dataset",
        "network": lambda row: TITLES[row.network],
        name: lambda row: RANDOM if row.setting == RANDOM else shown(row.setting),
        "accuracy": lambda row: score(row, printed(row)),
        "against random": gained,
        "won-lost": won_lost,
        "seconds": duration,
        "steps": lambda row: f"{row.steps:.0f}",
    }
    return listed(title, rows, columns, left=3, notes=(*notes(rows), *more))


def levels(records, name):
    """What `plots.lines` draws: warm accuracies over a setting, those from scratch as a level line.

    Args:
        records: of the task `warm_start`.
        name: the entry of a warm run that the x axis has.

    Returns:
        A dict {title: {start: {setting: accuracies in %}}}.
    """
    found = {}
    for (dataset, network), members in each(map(at_stage, records), "dataset", "network"):
        starts = dict(each(members, "strategy"))
        panel = found[f"{TITLES[network]}, {dataset}"] = {"warm": {}}
        if "warm" in starts:
            warm = each(starts["warm"], name)
            panel["warm"] = {value: hundredfold(same["accuracy"]) for value, same in warm}
        if "random" in starts:
            panel["random"] = dict.fromkeys(
                panel["warm"], hundredfold(starts["random"]["accuracy"])
            )
    return found


def score(row, printed=None):
    """A cell: accuracy in %, the paper's beside it; "°" where not every run reached its goal.

    Args:
        row: of `measured`, or None for a missing one.
        printed: (mean, deviation) in the paper, shares of 1, or None.
    """
    published = "" if printed is None else percent(*printed)
    if row is None:
        return Cell(MISSING, published)
    mark = "" if row.reached == 1 else "°"
    return Cell(percent(row.mean, row.deviation), published, mark=mark)


def duration(row):
    """Seconds of training as text: "12.5 ± 0.3"."""
    return number(row.seconds, row.seconds_deviation)


def foreign(rows, network="resnet18", optimizer="sgd"):
    """A note that the printed numbers are another network's, or another optimizer's, if so."""
    if all((row.network, row.optimizer) == (network, optimizer) for row in rows.itertuples()):
        return ()
    return (f"Printed beside: {TITLES[network]} trained by {optimizer}, on all examples.",)


def notes(rows):
    """What the numbers are, which runs did not reach their goal, and what the paper has otherwise.

    Args:
        rows: what `measured` returns.

    Returns:
        A tuple of paragraphs.
    """
    if rows.empty:
        return ()
    found = [
        "Accuracy in % on the third of the examples that is held out, mean ± standard deviation "
        f"over {seeds_of(rows)}. Seconds are of training alone."
    ]
    missing = rows[rows["reached"] < 1]
    if len(missing):
        found.append(
            f"° not every run reached 99 % training accuracy: {len(missing)} of {len(rows)} "
            f"settings, lowest mean {percent(min(missing['train_accuracy']))} %. Those stages "
            "ended with the patience or at the limit of epochs."
        )
    pairs = zip(rows["optimizer"], rows["learning_rate"], strict=True)
    rates = dict.fromkeys(f"{optimizer} at {rate:g}" for optimizer, rate in pairs)
    found.append(f"Trained by {', '.join(rates)}. The paper's learning rate is 0.001.")
    paper = dataclasses.asdict(WarmStartRun("", "", ""))
    return (*found, *differences(rows, DESIGN, lambda row: paper))


DESIGN = {
    "train_size": "{} examples, a third of them held out (all)",
    "batch_size": "batch {} (128)",
    "width": "{} of the filters of ResNet-18 (1)",
    "patience": "a stage ends after {} epochs without a better training accuracy (10, ours)",
    "max_epochs": "at most {} epochs a stage (350)",
}
