"""Gradient norms of old and of new examples, warm against shrunk and perturbed.

Paper: Ash & Adams 2020, Figure 5.
Command: `python -m experiments run warm_figure5 --size smoke`
Cost: smoke, 3 runs of an MLP: 2 minutes on two CPU cores. Paper, 5 runs of ResNet-18: accelerators.

Half of the examples, then all of them, by SGD with a small learning rate. A norm is that of the
mean gradient over a batch of examples of one kind; the paper does not say over what it averages.
Published as a picture only: after a warm start new examples have much larger gradients than old
ones; shrinking and perturbing balances them.
"""

import dataclasses
from statistics import fmean

from experiments.engine.experiment import Experiment
from experiments.engine.settings import option
from experiments.papers.ash2020 import common
from experiments.papers.ash2020.gradient_norms_run import GradientNormsRun
from experiments.report.pictures import drawing
from experiments.report.statistics import each, number, percent, summary
from experiments.report.tables import listed


@dataclasses.dataclass(frozen=True)
class Settings(common.Settings):
    """What the command line can change: the defaults are the paper's."""

    shrink: tuple[float, ...] = option((0.8, 0.6, 0.4, 0.2), "factors on weights", minimum=0)
    perturb: float = option(0.01, "factor on the fresh draw", minimum=0.0)
    first_learning_rate: float = option(0.001, "learning rate on the first half", minimum=0.0)
    epochs: int = option(20, "epochs on all examples", minimum=1)


def runs(settings):
    """One run a data set, network and seed."""
    return common.runs(settings, [{}], GradientNormsRun)


def summarize(records):
    """The norms at the beginning of the second phase, and their ratio, for each start."""
    runs = []
    for run in records:
        for place, start in enumerate(run["starts"]):
            old, new = (run[kind][place][0] for kind in ("old", "new"))
            trained = run["train_accuracy"][place]
            norms = {"old": old, "new": new, "ratio": new / old, "train_accuracy": trained}
            runs.append(run | {"start": start} | norms)
    columns = dict.fromkeys(("old", "new", "first_accuracy", "train_accuracy"), fmean)
    return summary(runs, ("dataset", "network", "start"), score="ratio", **columns)


def tables(rows):
    """One table a data set, one row a start."""
    columns = {
        "start": "start",
        "old examples": lambda row: f"{row.old:.3g}",
        "new examples": lambda row: f"{row.new:.3g}",
        "new / old": lambda row: number(row.mean, row.deviation, ".2f"),
        "train [%]": lambda row: percent(row.train_accuracy),
    }
    made = []
    for (dataset, network), group in each(rows, "dataset", "network"):
        one = group.iloc[0]
        note = (
            "Norms before the first step on all examples, means over "
            f"{one.seeds} seeds; ratio ± standard deviation. Train: after the last epoch on all "
            f"examples; the first phase ended at {percent(one.first_accuracy)} %."
        )
        title = f"Figure 5: gradient norms, {network} on {dataset}"
        made.append(listed(title, group, columns, notes=(note,)))
    return made


def figures(records):
    """One picture a data set, one panel a start."""
    found = {}
    for (dataset, network), group in each(records, "dataset", "network"):
        panels = {
            start: {
                "epochs": list(range(len(group["old"].iloc[0][place]))),
                "old": [norms[place] for norms in group["old"]],
                "new": [norms[place] for norms in group["new"]],
            }
            for place, start in enumerate(group["starts"].iloc[0])
        }
        caption = f"{network}: gradient norms of old and new examples of {dataset}."
        draw = drawing("gradient_norms", panels)
        found[f"warm_figure5_{dataset}_{network}"] = (caption, draw)
    return found


EXPERIMENT = Experiment(
    paper=common.PAPER,
    item="Figure 5",
    title="gradient norms of old and of new examples",
    sizes={
        "smoke": Settings(
            **common.SMOKE | {"network": ("mlp_relu",), "optimizer": "sgd"},
            seeds=3,
            first_learning_rate=0.05,
        ),
        "paper": Settings(),
    },
    cost={
        "smoke": "3 runs, 2 minutes on two CPU cores",
        "paper": "5 runs of ResNet-18: accelerators",
    },
    runs=runs,
    summarize=summarize,
    tables=tables,
    figures=figures,
)
