"""How much all weights can shrink before a trained network decides otherwise.

Paper: Ash & Adams 2020, Figure 6 and Proposition 1.
Command: `python -m experiments run warm_figure6 --size smoke`
Cost: smoke, 9 runs of an MLP, with and without biases, and of a narrow ResNet-18: 10 minutes
on two CPU cores. Paper, 15 runs: accelerators.

The moving statistics of BatchNormalization are measured anew after shrinking. Published as a
picture only: nothing changes without biases and BatchNormalization (Proposition 1); an MLP with
biases suffers below 0.6, a ResNet from extreme factors only.
"""

import dataclasses

from experiments.engine.experiment import Experiment
from experiments.engine.settings import option
from experiments.papers.ash2020 import common, networks
from experiments.papers.ash2020.shrinking_run import ShrinkingRun
from experiments.report.pictures import drawing
from experiments.report.statistics import each, percent, summary
from experiments.report.tables import MISSING, crossed


@dataclasses.dataclass(frozen=True)
class Settings(common.Settings):
    """What the command line can change: the defaults are the paper's."""

    network: tuple[str, ...] = option(
        ("resnet18", "mlp_relu", "mlp_relu_no_bias"), "networks", choices=networks.NETWORKS
    )
    optimizer: str = option("adam", "optimizer", choices=tuple(networks.OPTIMIZERS))
    shrink: tuple[float, ...] = option(
        (0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1.0), "factors on weights", minimum=0
    )


def runs(settings):
    """One run a data set, network and seed."""
    return common.runs(settings, [{}], ShrinkingRun)


def summarize(records):
    """Mean accuracy for each data set, network and factor."""
    runs = [
        run | {"shrink": shrink, "accuracy": accuracy}
        for run in records
        for shrink, accuracy in zip(run["shrink"], run["accuracy"], strict=True)
    ]
    place = ("dataset", "network", "shrink")
    return summary(runs, place, score="accuracy", train_accuracy=min)


def tables(rows):
    """One table a data set, one row a factor, one column a network."""
    made = []
    lines = {"shrink": ("shrink", "{:g}".format)}
    for dataset, group in each(rows, "dataset"):
        networks = {name: same.iloc[0] for name, same in each(group, "network")}
        reached = ", ".join(
            f"{name} {percent(row.train_accuracy)}" for name, row in networks.items()
        )
        note = (
            f"Mean ± standard deviation over {group['seeds'].iloc[0]} seeds. Lowest training "
            f"accuracy before shrinking, in %: {reached}."
        )
        title = f"Figure 6: held-out accuracy in % on {dataset} after shrinking"
        group = group.sort_values("shrink", ascending=False, kind="stable")
        columns = list(networks)
        made.append(crossed(title, group, lines, "network", columns, _cell, notes=(note,)))
    return made


def _cell(row, _):
    return MISSING if row is None else percent(row.mean, row.deviation)


def figures(records):
    """One panel a data set."""
    panels = {
        dataset: {
            network: {"shrink": same["shrink"].iloc[0], "accuracy": list(same["accuracy"])}
            for network, same in each(group, "network")
        }
        for dataset, group in each(records, "dataset")
    }
    caption = "Held-out accuracy after all weights were shrunk."
    return {"warm_figure6": (caption, drawing("shrinking", panels))}


EXPERIMENT = Experiment(
    paper=common.PAPER,
    item="Figure 6",
    title="accuracy against shrinking alone",
    sizes={
        "smoke": Settings(
            dataset=("cifar10_jpeg",), seeds=3, train_size=900, batch_size=32, width=0.125
        ),
        "paper": Settings(),
    },
    cost={
        "smoke": "9 runs, 10 minutes on two CPU cores",
        "paper": "15 runs of up to 350 epochs: accelerators",
    },
    runs=runs,
    summarize=summarize,
    tables=tables,
    figures=figures,
)
