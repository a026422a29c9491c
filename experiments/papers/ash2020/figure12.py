"""One data set, trained on again and again, shrunk and perturbed before each round but the first.

Paper: Ash & Adams 2020, Figure 12.
Command: `python -m experiments run warm_figure12 --size smoke`
Cost: smoke, 12 runs of an MLP: 3 minutes on two CPU cores. Paper, 20 runs of 20 rounds:
accelerators.

No data arrive, so that a gain is one of regularisation. Published as a picture only, whose four
factors are illegible (those here are ours): a slight gain over the rounds.
"""

import dataclasses
import statistics

from experiments.engine.experiment import Experiment
from experiments.engine.settings import option
from experiments.papers.ash2020 import common, networks
from experiments.report.statistics import deviation, grouped, percent
from experiments.report.tables import Table


@dataclasses.dataclass(frozen=True)
class Settings(common.Settings):
    """What the command line can change: the defaults are the paper's."""

    optimizer: str = option("adam", "optimizer", choices=tuple(networks.OPTIMIZERS))
    shrink: tuple[float, ...] = option((0.8, 0.6, 0.4, 0.3), "factors on weights", minimum=0)
    perturb: float = option(0.01, "factor on the fresh draw", minimum=0.0)
    rounds: int = option(20, "rounds of training", minimum=1)


def runs(settings):
    """One run a data set, network, seed and factor."""
    return [
        common.run(
            settings,
            scheme="repeat",
            strategy="shrink_perturb",
            dataset=dataset,
            network=network,
            seed=seed,
            shrink=shrink,
        )
        for dataset in settings.dataset
        for network in settings.network
        for seed in range(settings.seeds)
        for shrink in settings.shrink
    ]


def summarize(records):
    """Accuracy after the first and the last round, and the gain between them, for each factor."""
    found = []
    for (dataset, network, shrink), group in grouped(
        records, "dataset", "network", "shrink"
    ).items():
        first, last = ([run["accuracy"][place] for run in group] for place in (0, -1))
        gains = [after - before for before, after in zip(first, last, strict=True)]
        found.append(
            {
                "dataset": dataset,
                "network": network,
                "shrink": shrink,
                "perturb": group[0]["perturb"],
                "seeds": len(group),
                "rounds": len(group[0]["accuracy"]),
                "first": statistics.fmean(first),
                "first_deviation": deviation(first),
                "last": statistics.fmean(last),
                "last_deviation": deviation(last),
                "gain": statistics.fmean(gains),
                "gain_deviation": deviation(gains),
                "not_reached": sum(run["converged"].count(False) for run in group),
            }
        )
    return found


def tables(rows):
    """One table a data set, one row a factor."""
    made = []
    for (dataset, network), group in grouped(rows, "dataset", "network").items():
        body = [
            (
                f"{row['shrink']:g}",
                percent(row["first"], row["first_deviation"]),
                percent(row["last"], row["last_deviation"]),
                percent(row["gain"], row["gain_deviation"], signed=True),
                f"{row['not_reached']} of {row['rounds'] * row['seeds']}",
            )
            for row in group
        ]
        one = group[0]
        header = ("shrink", "round 1 [%]", f"round {one['rounds']} [%]", "gain", "not reached")
        note = (
            f"Held-out accuracy, perturb {one['perturb']:g}; mean ± standard deviation over "
            f"{one['seeds']} seeds. Gain in points, of the same run. Not reached: rounds that "
            "ended below the goal of training accuracy."
        )
        title = f"Figure 12: {network} on {dataset}, one data set again and again"
        made.append(Table(title, header, tuple(body), notes=(note,)))
    return made


def figures(records):
    """Accuracy and time of each round, one row a data set."""

    def draw():
        from keras_reinit.analysis import plots

        panels = {
            f"{network} on {dataset}": {
                f"shrink {shrink:g}": {
                    "x": list(range(1, len(runs[0]["accuracy"]) + 1)),
                    "accuracy": [run["accuracy"] for run in runs],
                    "seconds": [run["train_seconds"] for run in runs],
                }
                for shrink, runs in grouped(group, "shrink").items()
            }
            for (dataset, network), group in grouped(records, "dataset", "network").items()
        }
        return plots.stages(panels, x="round")

    return {"warm_figure12": ("Held-out accuracy and time of each round on the same data.", draw)}


EXPERIMENT = Experiment(
    paper=common.PAPER,
    item="Figure 12",
    title="shrink and perturb again and again on one data set",
    sizes={
        "smoke": Settings(
            **common.SMOKE
            | {"dataset": ("fashion_mnist",), "network": ("mlp_relu",), "train_size": 1500},
            seeds=3,
            rounds=8,
        ),
        "paper": Settings(),
    },
    cost={
        "smoke": "12 runs, 3 minutes on two CPU cores",
        "paper": "20 runs of 20 rounds: accelerators",
    },
    runs=runs,
    summarize=summarize,
    tables=tables,
    figures=figures,
)
