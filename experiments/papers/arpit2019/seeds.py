"""The share of seeds that survive the first epochs, over learning rates, with and without warm-up.

Paper: Arpit et al. 2019 (poster), seeds.
Command: `python -m experiments run init_seeds --size smoke`
Cost: smoke, 800 runs of WRN-22 with a quarter of its filters, 30 steps each: 22 minutes of a CPU
core. Paper, 800 runs of WRN-40-10 of 1050 steps: accelerators.

A run survives that reaches epoch 3 without diverging: its loss is finite in each of three epochs.
That it learns is another matter, so that the training accuracy of survivors stands beside. All
directions are orthogonal. The warm-up takes one epoch (ours; the poster does not say). Published as
a picture only, for WRN-40-10 on CIFAR-10: all schemes benefit from warm-up, and the proposed
initialisation is the most robust one in all configurations.
"""

import dataclasses
import itertools
import statistics

from experiments.engine.experiment import Experiment
from experiments.engine.settings import option
from experiments.papers.arpit2019 import common
from experiments.papers.arpit2019.common import PAPER
from experiments.papers.arpit2019.networks import named
from experiments.report.statistics import deviation, grouped, percent, seeds_of
from experiments.report.tables import Cell, Table


@dataclasses.dataclass(frozen=True)
class Settings(common.Settings):
    """What the command line can change."""

    arm: tuple[str, ...] = option(
        ("data-dependent", "PyTorch default, orthogonal", "Hanin", "proposed"),
        "arms",
        choices=tuple(common.ARMS),
    )
    depth: int = option(40, "layers of the wide ResNet, 6 n + 4", minimum=10)
    width: float = option(10.0, "multiplier of its filters", minimum=0.01)
    learning_rates: tuple[float, ...] = option(
        (0.001, 0.005, 0.01, 0.05, 0.1), "learning rates", minimum=1e-12
    )
    warmups: tuple[float, ...] = option((0.0, 1.0), "epochs of warm-up", minimum=0.0)
    seeds: int = option(20, "number of seeds, from 0", minimum=1)
    epochs: int = option(3, "epochs that are to be survived", minimum=1)


def runs(settings):
    """Every warm-up, learning rate, arm and seed."""
    cells = itertools.product(
        settings.dataset, settings.warmups, settings.learning_rates, settings.arm,
        range(settings.seeds),
    )  # fmt: skip
    return [
        common.spec(
            settings,
            arm,
            dataset=dataset,
            network="wide_resnet",
            learning_rate=rate,
            warmup=warmup,
            seed=seed,
        )
        for dataset, warmup, rate, arm, seed in cells
    ]


def summarize(records):
    """One row a data set, network, warm-up, arm and learning rate: who survived, and how well."""
    rows = []
    place = ("dataset", "depth", "width", "epochs", "warmup", "arm", "learning_rate")
    for values, members in grouped(named(records), *place).items():
        survivors = [r["train_curve"][-1] for r in members if not r["diverged"]]
        rows.append(
            {
                **dict(zip(place, values, strict=True)),
                "seeds": len(members),
                "survivors": len(survivors),
                "train_accuracy": statistics.fmean(survivors) if survivors else None,
                "deviation": deviation(survivors) if survivors else None,
            }
        )
    return rows


def tables(rows):
    """For each data set and network the survivors, and their training accuracy."""
    found = []
    for values, members in grouped(rows, "dataset", "depth", "width", "epochs").items():
        dataset, depth, width, epochs = values
        rates = sorted({row["learning_rate"] for row in members})
        header = ("warm-up", "arm", *(f"{rate:g}" for rate in rates), "all")
        place = f"WRN-{depth}-{width:g} on {dataset}"
        survivors, accuracies = [], []
        for (warmup, arm), runs in grouped(members, "warmup", "arm").items():
            cells = {row["learning_rate"]: row for row in runs}
            name = (_epochs(warmup), arm)
            survivors.append((*name, *(_share(cells.get(rate)) for rate in rates), _total(runs)))
            accuracies.append((*name, *(_accuracy(cells.get(rate)) for rate in rates)))
        reached = (
            f"Share of {seeds_of(members)} in % whose loss is finite in each of {epochs} epochs, "
            "for each learning rate, and over all of them.",
        )
        learned = (
            f"Training accuracy in % in epoch {epochs}, mean ± standard deviation of the runs that "
            "survived.",
        )
        found.append(Table(f"Survivors: {place}", header, tuple(survivors), left=2, notes=reached))
        title = f"What survivors learned: {place}"
        found.append(Table(title, header[:-1], tuple(accuracies), left=2, notes=learned))
    return found


def _epochs(warmup):
    if not warmup:
        return "none"
    return f"{warmup:g} epoch" + "s" * (warmup != 1)


def _share(row):
    return Cell("-" if row is None else f"{100 * row['survivors'] / row['seeds']:.0f}")


def _total(rows):
    share = sum(row["survivors"] for row in rows) / sum(row["seeds"] for row in rows)
    return Cell(f"{100 * share:.0f}")


def _accuracy(row):
    return percent(None) if row is None else percent(row["train_accuracy"], row["deviation"])


def figures(records):
    """Survivors over the learning rate, one line an arm, one panel a data set and warm-up."""
    panels: dict = {}
    for row in summarize(records):
        panel = panels.setdefault(f"{row['dataset']}, warm-up {_epochs(row['warmup'])}", {})
        share = 100 * row["survivors"] / row["seeds"]
        panel.setdefault(row["arm"], {})[row["learning_rate"]] = [share]

    def draw():
        from keras_reinit.analysis import plots

        picture = plots.lines(panels, "learning rate", "survivors [%]", log=True)
        for axes in picture.axes:
            axes.set_ylim(-5, 105)
        return picture

    caption = "Share of seeds that survive the first epochs of a wide ResNet."
    return {"init_seeds": (caption, draw)} if panels else {}


EXPERIMENT = Experiment(
    paper=PAPER,
    item="seeds",
    title="share of seeds that survive, over learning rate and warm-up",
    sizes={
        "smoke": Settings(
            dataset=("cifar10_jpeg",),
            depth=22,
            width=0.25,
            image_size=8,
            train_size=500,
            validation=0.0,
            test_size=200,
            batch_size=50,
        ),
        "paper": Settings(),
    },
    cost={
        "smoke": "800 runs, 22 minutes of a CPU core",
        "paper": "800 runs of WRN-40-10, 3 epochs each: accelerators",
    },
    runs=runs,
    summarize=summarize,
    tables=tables,
    figures=figures,
)
