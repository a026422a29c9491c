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
import statistics

from experiments.engine.experiment import Experiment
from experiments.engine.settings import option
from experiments.papers.ash2020 import common, networks
from experiments.papers.ash2020.shrinking_run import ShrinkingRun
from experiments.report.statistics import deviation, grouped, percent
from experiments.report.tables import Table


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
    return common.run_each(settings, ShrinkingRun)


def summarize(records):
    """Mean accuracy for each data set, network and factor."""
    return [
        {
            "dataset": dataset,
            "network": network,
            "shrink": shrink,
            "seeds": len(group),
            "mean": statistics.fmean(run["accuracy"][place] for run in group),
            "deviation": deviation([run["accuracy"][place] for run in group]),
            "train_accuracy": min(run["train_accuracy"] for run in group),
        }
        for (dataset, network), group in grouped(records, "dataset", "network").items()
        for place, shrink in enumerate(group[0]["shrink"])
    ]


def tables(rows):
    """One table a data set, one row a factor, one column a network."""
    made = []
    for dataset, group in grouped(rows, "dataset").items():
        columns = grouped(group, "network")
        body = [
            (f"{shrink:g}", *(percent(row["mean"], row["deviation"]) for row in same))
            for shrink, same in sorted(grouped(group, "shrink").items(), reverse=True)
        ]
        reached = ", ".join(
            f"{network} {percent(same[0]['train_accuracy'])}" for network, same in columns.items()
        )
        note = (
            f"Mean ± standard deviation over {group[0]['seeds']} seeds. Lowest training accuracy "
            f"before shrinking, in %: {reached}."
        )
        title = f"Figure 6: held-out accuracy in % on {dataset} after shrinking"
        made.append(Table(title, ("shrink", *columns), tuple(body), notes=(note,)))
    return made


def figures(records):
    """One panel a data set."""

    def draw():
        from keras_reinit.analysis import plots

        return plots.shrinking(
            {
                dataset: {
                    network: {
                        "shrink": same[0]["shrink"],
                        "accuracy": [run["accuracy"] for run in same],
                    }
                    for network, same in grouped(group, "network").items()
                }
                for dataset, group in grouped(records, "dataset").items()
            }
        )

    return {"warm_figure6": ("Held-out accuracy after all weights were shrunk.", draw)}


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
