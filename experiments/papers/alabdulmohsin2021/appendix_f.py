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
import statistics

from experiments.engine.experiment import Experiment
from experiments.engine.settings import option
from experiments.papers.alabdulmohsin2021.common import PAPER, PLAIN, SMOKE_VGG, TableSettings, grid
from experiments.report.statistics import deviation, grouped, percent
from experiments.report.tables import Table

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
    ends = [
        index
        for index, number in enumerate(rounds)
        if index + 1 == len(rounds) or rounds[index + 1] != number
    ]
    return {
        name: [run[f"{name}_curve"][index] for index in ends]
        for name in ("test_accuracy", "accuracy")
    }


def summarize(records):
    """Test accuracy after the first and the last round, lowest training accuracy of a round."""
    found = []
    for (dataset, norm, method), group in grouped(records, "dataset", "norm", "method").items():
        ends = list(map(per_round, group))
        last = [run["test_accuracy"] for run in group]
        found.append(
            {
                "dataset": dataset,
                "norm": norm,
                "method": method,
                "seeds": len(group),
                "first": statistics.fmean(end["test_accuracy"][0] for end in ends),
                "last": statistics.fmean(last),
                "deviation": deviation(last),
                "train_accuracy_min": statistics.fmean(min(end["accuracy"]) for end in ends),
            }
        )
    return found


def tables(rows):
    """One table a data set and kind of backbone, one row an arm."""
    made = []
    for (dataset, norm), group in grouped(rows, "dataset", "norm").items():
        body = [
            (
                row["method"],
                str(row["seeds"]),
                percent(row["first"]) if row["method"] != "BL" else "-",
                percent(row["last"], row["deviation"]),
                percent(row["train_accuracy_min"]),
            )
            for row in group
        ]
        header = ("arm", "seeds", "after round 1", "at the end", "lowest train")
        title = f"Appendix F: vgg16 {WITH[norm]} on {dataset}, accuracy in %"
        notes = (
            "After round 1: on at most 500 test images. Lowest train: the lowest running training "
            "accuracy at the end of a round.",
        )
        made.append(Table(title, header, tuple(body), notes=notes))
    return made


def figures(records):
    """One panel a data set and kind of backbone, one curve an arm."""

    def draw():
        from keras_reinit.analysis import plots

        panels = {}
        for (dataset, norm), group in grouped(records, "dataset", "norm").items():
            panels[f"{dataset}, {WITH[norm]}"] = {
                method: [per_round(run)["test_accuracy"] for run in same]
                for method, same in grouped(group, "method").items()
                if method != "BL"
            }
        return plots.per_round(panels)

    caption = "Test accuracy after each round, on at most 500 test images."
    return {"appendix_f": (caption, draw)}


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
