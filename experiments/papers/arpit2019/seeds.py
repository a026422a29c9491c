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

from experiments.engine.experiment import Experiment
from experiments.engine.settings import combinations, option
from experiments.papers.arpit2019 import common
from experiments.papers.arpit2019.common import PAPER
from experiments.papers.arpit2019.networks import named
from experiments.report.pictures import drawing, panels
from experiments.report.statistics import deviation, each, mean, percent, seeds_of, summary
from experiments.report.tables import crossed

PLACE = ("dataset", "depth", "width", "epochs")


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
    cells = combinations(
        dataset=settings.dataset,
        warmup=settings.warmups,
        learning_rate=settings.learning_rates,
        arm=settings.arm,
        seed=range(settings.seeds),
    )
    return [common.spec(settings, cell.pop("arm"), network="wide_resnet", **cell) for cell in cells]


def summarize(records):
    """One row a data set, network, warm-up, arm and learning rate: who survived, and how well."""
    runs = [
        run | {"learned": None if run["diverged"] else run["train_curve"][-1]}
        for run in named(records)
    ]
    return summary(
        runs,
        (*PLACE, "warmup", "arm", "learning_rate"),
        survivors=("learned", lambda learned: len(_known(learned))),
        train_accuracy=("learned", lambda learned: mean(_known(learned))),
        spread=("learned", lambda learned: deviation(_known(learned))),
    )


def _known(learned):
    return [value for value in learned if value is not None]


def tables(rows):
    """For each data set and network the survivors, and their training accuracy."""
    found = []
    lines = {"warm-up": ("warmup", _epochs), "arm": "arm"}
    for (dataset, depth, width, epochs), members in each(rows, *PLACE):
        rates = {rate: f"{rate:g}" for rate in sorted(members["learning_rate"].unique())}
        place = f"WRN-{depth}-{width:g} on {dataset}"
        reached = (
            f"Share of {seeds_of(members)} in % whose loss is finite in each of {epochs} epochs, "
            "for each learning rate, and over all of them."
        )
        learned = (
            f"Training accuracy in % in epoch {epochs}, mean ± standard deviation of the runs that "
            "survived."
        )
        for title, cell, more, note in (
            ("Survivors", _share, {"all": _total}, reached),
            ("What survivors learned", _accuracy, {}, learned),
        ):
            title = f"{title}: {place}"
            notes = (note,)
            found.append(
                crossed(title, members, lines, "learning_rate", rates, cell, more, notes=notes)
            )
    return found


def _epochs(warmup):
    if not warmup:
        return "none"
    return f"{warmup:g} epoch" + "s" * (warmup != 1)


def _share(row, _):
    return "-" if row is None else f"{100 * row.survivors / row.seeds:.0f}"


def _total(rows):
    return f"{100 * (sum(rows['survivors']) / sum(rows['seeds'])):.0f}"


def _accuracy(row, _):
    return percent(None) if row is None else percent(row.train_accuracy, row.spread)


def figures(records):
    """Survivors over the learning rate, one line an arm, one panel a data set and warm-up."""
    found = panels(
        summarize(records).itertuples(),
        panel=lambda row: f"{row.dataset}, warm-up {_epochs(row.warmup)}",
        line="arm",
        x="learning_rate",
        y=lambda row: 100 * row.survivors / row.seeds,
    )

    def draw():
        picture = drawing("lines", found, "learning rate", "survivors [%]", log=True)()
        for axes in picture.axes:
            axes.set_ylim(-5, 105)
        return picture

    caption = "Share of seeds that survive the first epochs of a wide ResNet."
    return {"init_seeds": (caption, draw)} if found else {}


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
