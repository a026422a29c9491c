"""One data set, trained on again and again, shrunk and perturbed before each round but the first.

Paper: Ash & Adams 2020, Figure 12.
Command: `python -m experiments run warm_figure12 --size smoke`
Cost: smoke, 12 runs of an MLP: 3 minutes on two CPU cores. Paper, 20 runs of 20 rounds:
accelerators.

No data arrive, so that a gain is one of regularisation. Published as a picture only, whose four
factors are illegible (those here are ours): a slight gain over the rounds.
"""

import dataclasses
from statistics import fmean

from experiments.engine.experiment import Experiment
from experiments.engine.settings import option
from experiments.papers.ash2020 import common, networks
from experiments.report.pictures import drawing
from experiments.report.statistics import deviation, each, first, percent, summary
from experiments.report.tables import listed


@dataclasses.dataclass(frozen=True)
class Settings(common.Settings):
    """What the command line can change: the defaults are the paper's."""

    optimizer: str = option("adam", "optimizer", choices=tuple(networks.OPTIMIZERS))
    shrink: tuple[float, ...] = option((0.8, 0.6, 0.4, 0.3), "factors on weights", minimum=0)
    perturb: float = option(0.01, "factor on the fresh draw", minimum=0.0)
    rounds: int = option(20, "rounds of training", minimum=1)


def runs(settings):
    """One run a data set, network, seed and factor."""
    start = {"scheme": "repeat", "strategy": "shrink_perturb"}
    return common.runs(settings, [start | {"shrink": shrink} for shrink in settings.shrink])


def summarize(records):
    """Accuracy after the first and the last round, and the gain between them, for each factor."""
    runs = []
    for run in records:
        begin, *_, end = accuracies = run["accuracy"]
        run = run | {"begin": begin, "end": end, "rise": end - begin, "rounds": len(accuracies)}
        runs.append(run | {"not_reached": run["converged"].count(False)})
    columns: dict = {"perturb": first, "rounds": first, "not_reached": sum}
    for name in ("begin", "rise"):
        columns |= {name: fmean, f"{name}_deviation": (name, deviation)}
    return summary(runs, ("dataset", "network", "shrink"), score="end", **columns)


def tables(rows):
    """One table a data set, one row a factor."""
    made = []
    for (dataset, network), group in each(rows, "dataset", "network"):
        one = group.iloc[0]
        columns = {
            "shrink": lambda row: f"{row.shrink:g}",
            "round 1 [%]": lambda row: percent(row.begin, row.begin_deviation),
            f"round {one.rounds} [%]": lambda row: percent(row.mean, row.deviation),
            "gain": lambda row: percent(row.rise, row.rise_deviation, signed=True),
            "not reached": lambda row: f"{row.not_reached} of {row.rounds * row.seeds}",
        }
        note = (
            f"Held-out accuracy, perturb {one.perturb:g}; mean ± standard deviation over "
            f"{one.seeds} seeds. Gain in points, of the same run. Not reached: rounds that "
            "ended below the goal of training accuracy."
        )
        title = f"Figure 12: {network} on {dataset}, one data set again and again"
        made.append(listed(title, group, columns, notes=(note,)))
    return made


def figures(records):
    """Accuracy and time of each round, one row a data set."""
    panels = {
        f"{network} on {dataset}": {
            f"shrink {shrink:g}": {
                "x": list(range(1, len(runs["accuracy"].iloc[0]) + 1)),
                "accuracy": list(runs["accuracy"]),
                "seconds": list(runs["train_seconds"]),
            }
            for shrink, runs in each(group, "shrink")
        }
        for (dataset, network), group in each(records, "dataset", "network")
    }
    caption = "Held-out accuracy and time of each round on the same data."
    return {"warm_figure12": (caption, drawing("stages", panels, x="round"))}


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
