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
import statistics

from experiments.engine.experiment import Experiment
from experiments.engine.settings import option
from experiments.papers.ash2020 import common
from experiments.papers.ash2020.gradient_norms_run import GradientNormsRun
from experiments.report.statistics import deviation, grouped, percent
from experiments.report.tables import Table


@dataclasses.dataclass(frozen=True)
class Settings(common.Settings):
    """What the command line can change: the defaults are the paper's."""

    shrink: tuple[float, ...] = option((0.8, 0.6, 0.4, 0.2), "factors on weights", minimum=0)
    perturb: float = option(0.01, "factor on the fresh draw", minimum=0.0)
    first_learning_rate: float = option(0.001, "learning rate on the first half", minimum=0.0)
    epochs: int = option(20, "epochs on all examples", minimum=1)


def runs(settings):
    """One run a data set, network and seed."""
    return common.run_each(settings, GradientNormsRun)


def summarize(records):
    """The norms at the beginning of the second phase, and their ratio, for each start."""
    found = []
    for (dataset, network), group in grouped(records, "dataset", "network").items():
        for place, start in enumerate(group[0]["starts"]):
            old, new = ([run[kind][place][0] for run in group] for kind in ("old", "new"))
            ratios = [after / before for before, after in zip(old, new, strict=True)]
            found.append(
                {
                    "dataset": dataset,
                    "network": network,
                    "start": start,
                    "seeds": len(group),
                    "old": statistics.fmean(old),
                    "new": statistics.fmean(new),
                    "ratio": statistics.fmean(ratios),
                    "ratio_deviation": deviation(ratios),
                    "first_accuracy": statistics.fmean(run["first_accuracy"] for run in group),
                    "train_accuracy": statistics.fmean(
                        run["train_accuracy"][place] for run in group
                    ),
                }
            )
    return found


def tables(rows):
    """One table a data set, one row a start."""
    made = []
    for (dataset, network), group in grouped(rows, "dataset", "network").items():
        body = [
            (
                row["start"],
                f"{row['old']:.3g}",
                f"{row['new']:.3g}",
                _spread(row["ratio"], row["ratio_deviation"]),
                percent(row["train_accuracy"]),
            )
            for row in group
        ]
        one = group[0]
        note = (
            "Norms before the first step on all examples, means over "
            f"{one['seeds']} seeds; ratio ± standard deviation. Train: after the last epoch on all "
            f"examples; the first phase ended at {percent(one['first_accuracy'])} %."
        )
        header = ("start", "old examples", "new examples", "new / old", "train [%]")
        title = f"Figure 5: gradient norms, {network} on {dataset}"
        made.append(Table(title, header, tuple(body), notes=(note,)))
    return made


def _spread(mean, spread):
    return f"{mean:.2f}" + ("" if spread is None else f" ± {spread:.2f}")


def figures(records):
    """One picture a data set, one panel a start."""

    def draw(group):
        from keras_reinit.analysis import plots

        return plots.gradient_norms(
            {
                start: {
                    "epochs": list(range(len(group[0]["old"][place]))),
                    "old": [run["old"][place] for run in group],
                    "new": [run["new"][place] for run in group],
                }
                for place, start in enumerate(group[0]["starts"])
            }
        )

    return {
        f"warm_figure5_{dataset}_{network}": (
            f"{network}: gradient norms of old and new examples of {dataset}.",
            lambda group=group: draw(group),
        )
        for (dataset, network), group in grouped(records, "dataset", "network").items()
    }


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
