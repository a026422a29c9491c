"""How fast each round of LW trains: training accuracy per epoch, first, middle and last round.

Paper: Alabdulmohsin et al. 2021, Figure 8 and Appendix E.
Command: `python -m experiments run figure8 --size smoke`
Cost: smoke, 4 runs of a narrow vgg16: 8 minutes on two CPU cores. Paper, 3 runs of up to 1.3
million steps at 224x224 pixels: accelerators.

vgg16, N = 1, no augmentation. Appendix E prints a momentum of 0.005 and Appendix F says that none
is used: 0 here. Published as a picture only: later rounds reach 100 % in fewer epochs.
"""

import dataclasses

from experiments.engine.experiment import Experiment
from experiments.engine.settings import option
from experiments.papers.alabdulmohsin2021.common import PAPER, PLAIN, SMOKE_VGG, TableSettings, grid
from experiments.report.pictures import drawing
from experiments.report.statistics import each, frame, mean, number
from experiments.report.tables import listed

THRESHOLD = 0.99


@dataclasses.dataclass(frozen=True)
class Settings(TableSettings):
    """What the command line can change: the defaults are the paper's."""

    width: float = option(1.0, "multiplier of the filters of vgg16", minimum=0.01)


def runs(settings):
    """LW with vgg16 on each data set."""
    return grid(settings, **PLAIN, momentum=0.0, width=settings.width, test_curve=True)


def summarize(records):
    """Epochs that each round needs to reach the threshold, means over those that reach it."""
    from keras_reinit.analysis import epochs_to_reach

    rows = []
    for dataset, group in each(records, "dataset"):
        curves = zip(group["accuracy_curve"], group["round_curve"], strict=True)
        needed = [epochs_to_reach(*curve, THRESHOLD) for curve in curves]
        for place, epochs in enumerate(zip(*needed, strict=True), start=1):
            reached = [value for value in epochs if value is not None]
            row = {"dataset": dataset, "round": place, "runs": len(epochs)}
            row |= {"reached": len(reached), "epochs": mean(reached)}
            rows.append(row)
    return frame(rows)


def tables(rows):
    """One table a data set, one row a round."""
    columns = {
        "round": "round",
        "epochs": lambda row: number(row.epochs),
        "runs that reach it": lambda row: f"{row.reached} of {row.runs}",
    }
    title = f"Figure 8: epochs to {THRESHOLD:.0%} training accuracy, vgg16 on"
    return [
        listed(f"{title} {dataset}", group, columns) for dataset, group in each(rows, "dataset")
    ]


def figures(records):
    """One panel a data set, first seed."""
    panels = {}
    for dataset, group in each(records, "dataset"):
        run, by_round = group.iloc[0], {}
        for index, accuracy in zip(run["round_curve"], run["accuracy_curve"], strict=True):
            by_round.setdefault(index, []).append(accuracy)
        last = max(by_round)
        chosen = {"first": 0, "middle": last // 2, "last": last}
        panels[dataset] = {name: by_round[index] for name, index in chosen.items()}
    caption = "Training accuracy in the first, middle and last round of LW."
    return {"figure8": (caption, drawing("training_speed", panels))}


EXPERIMENT = Experiment(
    paper=PAPER,
    item="Figure 8",
    title="how fast each round of LW trains",
    sizes={
        "smoke": Settings(**SMOKE_VGG | {"method": ("LW",)}),
        "paper": Settings(
            dataset=("cifar10", "cifar100", "fashion_mnist"),
            backbone=("vgg16",),
            method=("LW",),
        ),
    },
    cost={
        "smoke": "4 runs, 8 minutes on two CPU cores",
        "paper": "3 runs of up to 1.3 million steps: accelerators",
    },
    runs=runs,
    summarize=summarize,
    tables=tables,
    figures=figures,
)
