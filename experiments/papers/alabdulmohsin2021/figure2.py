"""The baseline against LW over many hyper-parameters, one point a setting.

Paper: Alabdulmohsin et al. 2021, Figure 2.
Command: `python -m experiments run figure2 --size smoke`
Cost: smoke, 64 runs of scnn: 20 minutes on two CPU cores. Paper, 1152 runs of up to 1.3 million
steps at 224x224 pixels: accelerators.

Learning rate, dropout, momentum, weight decay, initializer and augmentation are varied; LW has
N = 1. Published as a picture only: LW is above the baseline nearly everywhere.
"""

import dataclasses
import itertools

from experiments.engine.experiment import Experiment
from experiments.engine.settings import option
from experiments.papers.alabdulmohsin2021.common import (
    INITIALIZERS,
    PAPER,
    SMOKE,
    SMOKE_FEW_STEPS,
    GridSettings,
    grid,
)
from experiments.report.pictures import drawing
from experiments.report.statistics import each, frame, paired, percent
from experiments.report.tables import listed

VARIED = ("learning_rate", "dropout", "momentum", "weight_decay", "initializer", "augment")


@dataclasses.dataclass(frozen=True)
class Settings(GridSettings):
    """What the command line can change: the defaults are the paper's."""

    steps_per_round: int = option(100_000, "most optimizer steps of a round", minimum=1)
    learning_rate: tuple[float, ...] = option((0.001, 0.003, 0.01), "learning rates", minimum=0)
    dropout: tuple[float, ...] = option((0.0, 0.25, 0.5), "dropout rates", minimum=0, below=1)
    momentum: tuple[float, ...] = option((0.0, 0.9), "momenta", minimum=0, below=1)
    weight_decay: tuple[float, ...] = option((0.0, 1e-5), "weight decays", minimum=0)
    initializer: tuple[str, ...] = option(INITIALIZERS, "initializers", choices=INITIALIZERS)


def runs(settings):
    """The runs of all hyper-parameters, with augmentation and without."""
    values = [getattr(settings, name) for name in VARIED[:-1]] + [(True, False)]
    return [
        spec
        for varied in itertools.product(*values)
        for spec in grid(settings, **dict(zip(VARIED, varied, strict=True)))
    ]


def pairs(records):
    """The test accuracies (of the baseline, of LW) of each setting and seed."""
    scores = paired(records, (*VARIED, "seed"))
    lw = scores.get("LW", {})
    return [(x, lw[key]) for key, x in scores.get("BL", {}).items() if key in lw]


def summarize(records):
    """How often LW is better than the baseline, for each data set and network."""
    rows = []
    for (dataset, backbone), group in each(records, "dataset", "backbone"):
        gains = [y - x for x, y in pairs(group)]
        row = {"dataset": dataset, "backbone": backbone, "pairs": len(gains)}
        row["better"] = sum(gain > 0 for gain in gains)
        row["equal"] = sum(gain == 0 for gain in gains)
        rows.append(row | {"gain": sum(gains) / len(gains) if gains else None})
    return frame(rows)


def tables(rows):
    """The table: the figure in numbers."""
    columns = {
        "data set": "dataset",
        "network": "backbone",
        "settings": "pairs",
        "LW better": "better",
        "equal": "equal",
        "mean gain [points]": lambda row: percent(row.gain, signed=True),
    }
    return [listed("Figure 2: the baseline against LW", rows, columns, left=2)]


def figures(records):
    """One panel a network and data set, one point a setting."""
    kinds = {"with augmentation": True, "without": False}
    panels = {
        f"{backbone}, {dataset}": {
            name: pairs(group[group["augment"] == augment]) for name, augment in kinds.items()
        }
        for (dataset, backbone), group in each(records, "dataset", "backbone")
    }
    caption = "Test accuracy of the baseline and of LW, one point a setting."
    return {"figure2": (caption, drawing("scatter", panels))}


EXPERIMENT = Experiment(
    paper=PAPER,
    item="Figure 2",
    title="the baseline against LW over many hyper-parameters",
    sizes={
        "smoke": Settings(
            **SMOKE
            | {
                "dataset": ("cmaterdb",),
                "backbone": ("scnn",),
                "method": ("BL", "LW"),
                "seeds": 1,
            },
            steps_per_round=SMOKE_FEW_STEPS,
            learning_rate=(0.003, 0.01),
            dropout=(0.0, 0.5),
            weight_decay=(1e-5,),
        ),
        "paper": Settings(
            dataset=("cifar10", "cifar100"),
            backbone=("vgg16", "mobilenet"),
            method=("BL", "LW"),
        ),
    },
    cost={
        "smoke": "64 runs, 20 minutes on two CPU cores",
        "paper": "1152 runs of up to 1.3 million steps: accelerators",
    },
    runs=runs,
    summarize=summarize,
    tables=tables,
    figures=figures,
)
