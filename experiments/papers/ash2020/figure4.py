"""How soon is it too late? A warm start from a first stage of few epochs.

Paper: Ash & Adams 2020, Figure 4.
Command: `python -m experiments run warm_figure4 --size smoke`
Cost: small size 20 runs, paper's 105.

Published as a picture only: a few epochs on half of the data are enough to do damage. The paper
keeps the network of every fifth epoch; how many there are is ours.
"""

import dataclasses
from statistics import fmean

from experiments.engine.experiment import Experiment
from experiments.engine.settings import option
from experiments.papers.ash2020 import common
from experiments.report.pictures import drawing
from experiments.report.statistics import percent
from experiments.report.tables import listed


@dataclasses.dataclass(frozen=True)
class Settings(common.Settings):
    """What the command line can change."""

    first_epochs: tuple[int, ...] = option(
        tuple(range(5, 101, 5)), "epochs of the first stage", minimum=1
    )


def runs(settings):
    """The random start, and a warm one after each number of epochs."""
    warm = [{"strategy": "warm", "first_epochs": epochs} for epochs in settings.first_epochs]
    return common.runs(settings, [{"strategy": "random", "first_epochs": None}, *warm])


def summarize(records):
    """One row a number of epochs: after the first stage, and after all of the data."""
    staged = [run | {"first_accuracy": run["accuracy"][0]} for run in records]
    return common.against_random(staged, lambda run: run["first_epochs"], first_accuracy=fmean)


def tables(rows):
    """The damage, and where the first stage stood."""
    columns = {
        "data set": "dataset",
        "network": lambda row: common.TITLES[row.network],
        "first epochs": "setting",
        "accuracy then": lambda row: percent(row.first_accuracy),
    }
    warm = rows[rows["setting"] != common.RANDOM]
    return [
        common.listing("Figure 4: epochs of the first stage", rows, "first epochs"),
        listed("After the first stage, on half of the data", warm, columns, left=3),
    ]


def figures(records):
    """Accuracy against the epochs of the first stage, random initialisation as a level line."""
    axes = ("epochs on half of the data", "accuracy [%]")
    caption = "Accuracy after training on all of the data, over the epochs of the first stage."
    draw = drawing("lines", common.levels(records, "first_epochs"), *axes)
    return {"warm_figure4": (caption, draw)}


EXPERIMENT = Experiment(
    paper=common.PAPER,
    item="Figure 4",
    title="damage against the epochs of the first stage",
    sizes={
        "smoke": Settings(**common.SMOKE, first_epochs=(5, 20, 80)),
        "paper": Settings(),
    },
    cost={"smoke": "20 runs: 10 minutes on two CPU cores (estimated)", "paper": "105 runs"},
    runs=runs,
    summarize=summarize,
    tables=tables,
    figures=figures,
)
