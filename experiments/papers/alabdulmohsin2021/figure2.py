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
from experiments.report.statistics import grouped, paired, percent
from experiments.report.tables import Table

VARIED = ("learning_rate", "dropout", "momentum", "weight_decay", "initializer", "augment")


@dataclasses.dataclass(frozen=True)
class Settings(GridSettings):
    """What the command line can change: the defaults are the paper's."""

    steps_per_round: int = option(100_000, "most optimizer steps of a round", minimum=1)
    learning_rate: tuple[float, ...] = option((0.001, 0.003, 0.01), "learning rates", minimum=0)
    dropout: tuple[float, ...] = option((0.0, 0.25, 0.5), "dropout rates", minimum=0)
    momentum: tuple[float, ...] = option((0.0, 0.9), "momenta", minimum=0)
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


def summarize(records):
    """How often LW is better than the baseline, for each data set and network."""
    found = []
    for (dataset, backbone), group in grouped(records, "dataset", "backbone").items():
        scores = paired(group, [*VARIED, "seed"])
        pairs = [
            (accuracy, scores["LW"][key])
            for key, accuracy in scores.get("BL", {}).items()
            if key in scores.get("LW", {})
        ]
        gains = [y - x for x, y in pairs]
        found.append(
            {
                "dataset": dataset,
                "backbone": backbone,
                "pairs": len(pairs),
                "better": sum(gain > 0 for gain in gains),
                "equal": sum(gain == 0 for gain in gains),
                "gain": sum(gains) / len(gains) if gains else None,
            }
        )
    return found


def tables(rows):
    """The table: the figure in numbers."""
    body = [
        (
            row["dataset"],
            row["backbone"],
            str(row["pairs"]),
            str(row["better"]),
            str(row["equal"]),
            percent(row["gain"], signed=True),
        )
        for row in rows
    ]
    header = ("data set", "network", "settings", "LW better", "equal", "mean gain [points]")
    return [Table("Figure 2: the baseline against LW", header, tuple(body), left=2)]


def figures(records):
    """One panel a network and data set, one point a setting."""

    def draw():
        from keras_reinit.analysis import plots

        panels = {}
        for (dataset, backbone), group in grouped(records, "dataset", "backbone").items():
            panel = panels[f"{backbone}, {dataset}"] = {}
            for augment, name in ((True, "with augmentation"), (False, "without")):
                scores = paired(
                    [record for record in group if record["augment"] == augment],
                    [*VARIED, "seed"],
                )
                lw = scores.get("LW", {})
                panel[name] = [
                    (accuracy, lw[key])
                    for key, accuracy in scores.get("BL", {}).items()
                    if key in lw
                ]
        return plots.scatter(panels)

    return {"figure2": ("Test accuracy of the baseline and of LW, one point a setting.", draw)}


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
