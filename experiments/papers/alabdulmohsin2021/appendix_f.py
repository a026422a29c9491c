"""Ablations of LW: without drawing afresh, without the inserted normalisation, with frozen blocks.

Paper: Alabdulmohsin et al. 2021, Appendix F.
Command: `python -m experiments run appendix_f --size smoke`
Cost: smoke, 14 runs of a narrow vgg16: 25 minutes on two CPU cores. Paper, 14 runs of up to 1.3
million steps at 224x224 pixels: accelerators.

vgg16 without momentum, no augmentation. Published: with normalisation layers, rescaling and
normalising without drawing afresh stays at 66 % (CIFAR-10) and 34 % (CIFAR-100), as the baseline;
LW climbs to 75 % and 42 % over the rounds. Without normalisation layers, on CIFAR-100: freezing the
kept blocks instead of training them on collapses after round 5, to 1 % on the training set; without
the inserted normalisation the test accuracy falls from 34 % to 24 %, with it it rises to 42 %.
"""

import dataclasses
from statistics import fmean

from experiments.engine.experiment import Experiment
from experiments.engine.settings import option
from experiments.papers.alabdulmohsin2021.common import PAPER, PLAIN, SMOKE_VGG, TableSettings, grid
from experiments.report.pictures import drawing
from experiments.report.statistics import each, first, percent, summary
from experiments.report.tables import listed

ARMS = {  # of the backbone: its normalisation and the methods
    "group": ("BL", "LW", "LW no redraw"),
    None: ("BL", "LW", "LW no normalization", "LW frozen"),
}
WITH = {"group": "with normalisation layers", None: "without normalisation layers"}


@dataclasses.dataclass(frozen=True)
class Settings(TableSettings):
    """What the command line can change: the defaults are the paper's."""

    width: float = option(1.0, "multiplier of the filters of vgg16", minimum=0.01)


def runs(settings):
    """Every arm on each data set."""
    return [
        spec
        for norm, methods in ARMS.items()
        for spec in grid(
            dataclasses.replace(settings, method=methods),
            **PLAIN,
            momentum=0.0,
            norm=norm,
            width=settings.width,
            test_curve=True,
        )
    ]


def per_round(run):
    """The last value of a curve in each round: {curve: list}."""
    rounds = run["round_curve"]
    ends = [k for k, number in enumerate(rounds) if rounds[k + 1 : k + 2] != [number]]
    return {
        name: [run[f"{name}_curve"][index] for index in ends]
        for name in ("test_accuracy", "accuracy")
    }


def measured(records):
    """The runs, each with what its "backbone" is and the values of its rounds."""
    return [
        run | {"backbone": WITH[run["norm"]]} | {f"{k}_ends": v for k, v in per_round(run).items()}
        for run in records
    ]


def summarize(records):
    """Test accuracy after the first and the last round, lowest training accuracy of a round."""
    return summary(
        measured(records),
        ("dataset", "backbone", "method"),
        norm=first,
        after_first=("test_accuracy_ends", lambda runs: fmean(ends[0] for ends in runs)),
        lowest=("accuracy_ends", lambda runs: fmean(map(min, runs))),
    )


def tables(rows):
    """One table a data set and kind of backbone, one row an arm."""
    columns = {
        "arm": "method",
        "seeds": "seeds",
        "after round 1": lambda row: "-" if row.method == "BL" else percent(row.after_first),
        "at the end": lambda row: percent(row.mean, row.deviation),
        "lowest train": lambda row: percent(row.lowest),
    }
    note = (
        "After round 1: on at most 500 test images. Lowest train: the lowest running training "
        "accuracy at the end of a round."
    )
    return [
        listed(
            f"Appendix F: vgg16 {backbone} on {dataset}, accuracy in %",
            group,
            columns,
            notes=(note,),
        )
        for (dataset, backbone), group in each(rows, "dataset", "backbone")
    ]


def figures(records):
    """One panel a data set and kind of backbone, one curve an arm."""
    panels: dict = {}
    for run in measured(records):
        panel = panels.setdefault(f"{run['dataset']}, {run['backbone']}", {})
        if run["method"] != "BL":
            panel.setdefault(run["method"], []).append(run["test_accuracy_ends"])
    caption = "Test accuracy after each round, on at most 500 test images."
    return {"appendix_f": (caption, drawing("per_round", panels))}


EXPERIMENT = Experiment(
    paper=PAPER,
    item="Appendix F",
    title="ablations of LW with vgg16",
    sizes={
        "smoke": Settings(**SMOKE_VGG | {"dataset": ("cmaterdb",)}),
        "paper": Settings(dataset=("cifar10", "cifar100"), backbone=("vgg16",)),
    },
    cost={
        "smoke": "14 runs, 25 minutes on two CPU cores",
        "paper": "14 runs of up to 1.3 million steps: accelerators",
    },
    runs=runs,
    summarize=summarize,
    tables=tables,
    figures=figures,
)
