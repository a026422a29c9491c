"""How soon is it too late? A warm start from a first stage of few epochs.

Paper: Ash & Adams 2020, Figure 4.
Command: `python -m experiments run warm_figure4 --size smoke`
Cost: small size 20 runs, paper's 105.

Published as a picture only: a few epochs on half of the data are enough to do damage. The paper
keeps the network of every fifth epoch; how many there are is ours.
"""

import dataclasses
import itertools

from experiments.engine.experiment import Experiment
from experiments.engine.settings import option
from experiments.papers.ash2020 import common
from experiments.report.statistics import grouped
from experiments.report.tables import Table


@dataclasses.dataclass(frozen=True)
class Settings(common.Settings):
    """What the command line can change."""

    first_epochs: tuple[int, ...] = option(
        tuple(range(5, 101, 5)), "epochs of the first stage", minimum=1
    )


def runs(settings):
    """The random start, and a warm one after each number of epochs."""
    cells = itertools.product(settings.dataset, settings.network, range(settings.seeds))
    specs = []
    for dataset, network, seed in cells:
        chosen = {"dataset": dataset, "network": network, "seed": seed}
        specs.append(common.run(settings, **chosen, strategy="random", first_epochs=None))
        specs += [
            common.run(settings, **chosen, strategy="warm", first_epochs=epochs)
            for epochs in settings.first_epochs
        ]
    return specs


def summarize(records):
    """One row a number of epochs: after the first stage, and after all of the data."""
    rows = common.against_random(records, lambda record: record["first_epochs"])
    halves = grouped(records, "dataset", "network", "first_epochs")
    for row in rows:
        if row["start"] == "other":
            found = halves[row["dataset"], row["network"], row["setting"]]
            row["first_accuracy"] = common.measured(found, stage=0)["mean"]
    return rows


def tables(rows):
    """The damage, and where the first stage stood."""
    table = common.listing("Figure 4: epochs of the first stage", rows, "first epochs")
    header = ("data set", "network", "first epochs", "accuracy then")
    body = [
        (
            row["dataset"],
            common.TITLES[row["network"]],
            str(row["setting"]),
            f"{100 * row['first_accuracy']:.1f}",
        )
        for row in rows
        if "first_accuracy" in row
    ]
    return [table, Table("After the first stage, on half of the data", header, tuple(body), left=3)]


def figures(records):
    """Accuracy against the epochs of the first stage, random initialisation as a level line."""

    def draw():
        from keras_reinit.analysis import plots

        panels = common.levels(records, "first_epochs")
        return plots.lines(panels, "epochs on half of the data", "accuracy [%]")

    caption = "Accuracy after training on all of the data, over the epochs of the first stage."
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
