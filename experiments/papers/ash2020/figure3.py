"""Batch size and learning rate of both stages: is there a warm start that loses nothing?

Paper: Ash & Adams 2020, Figures 3, 11 and 33.
Command: `python -m experiments run warm_figure3 --size smoke`
Cost: small size 80 runs, paper's 936: every batch size and learning rate of the first stage with
every one of the second, three seeds, two networks.

Published as pictures only: warm starts that lose nothing take as long as random ones, and their
weights have little to do with those they began with; of a logistic regression that is not so.
Figure 33 does not say which measures it has: Spearman's rank correlation is ours.
"""

import dataclasses
import itertools
from statistics import fmean

from experiments.engine.experiment import Experiment
from experiments.engine.settings import option
from experiments.papers.ash2020 import common
from experiments.papers.ash2020.networks import NETWORKS
from experiments.report.pictures import drawing
from experiments.report.statistics import each, frame, mean, number, percent
from experiments.report.tables import listed

MEASURES = {"correlation": "Pearson's", "rank_correlation": "Spearman's"}


@dataclasses.dataclass(frozen=True)
class Settings(common.Settings):
    """What the command line can change."""

    network: tuple[str, ...] = option(
        ("resnet18", "logistic_regression"), "networks", choices=NETWORKS
    )
    seeds: int = option(3, "number of seeds, from 0", minimum=1)
    batch_sizes: tuple[int, ...] = option((16, 32, 64, 128), "batch sizes", minimum=1)
    learning_rates: tuple[float, ...] = option((0.001, 0.01, 0.1), "learning rates", minimum=0.0)


def runs(settings):
    """A random start for each batch size and rate, a warm one for each two of them."""
    ways = list(itertools.product(settings.batch_sizes, settings.learning_rates))
    starts = []
    for batch, rate in ways:
        way = {"batch_size": batch, "learning_rate": rate}
        starts.append(way | {"strategy": "random"})
        starts += [
            way | {"strategy": "warm", "first_batch_size": batch, "first_learning_rate": rate}
            for batch, rate in ways
        ]
    return common.runs(settings, starts)


def summarize(records):
    """One row a data set, network and start, over all batch sizes and rates.

    "equals" counts the warm runs that are at least as accurate as the mean of the best random
    setting of their network, "equal_time" is the mean time they took over that of this setting.
    """
    rows = []
    for (dataset, network), members in each(map(common.at_stage, records), "dataset", "network"):
        starts = dict(each(members, "strategy"))
        best = _best(starts["random"]) if "random" in starts else None
        for start, found in starts.items():
            accuracy = list(found["accuracy"])
            row = {"dataset": dataset, "network": network, "start": start, "runs": len(found)}
            row |= {"mean": fmean(accuracy), "highest": max(accuracy)}
            row["seconds"] = fmean(found["train_seconds"])
            row["reached"] = fmean(found["converged"])
            if start == "warm":
                row |= {f"trend_{name}": _trend(found[name], accuracy) for name in MEASURES}
                row |= _equals(found, *best) if best else {}
            rows.append(row)
    trends = [f"trend_{name}" for name in MEASURES]
    place = ["dataset", "network", "start", "runs"]
    scores = ["mean", "highest", "seconds", "reached"]
    return frame(rows, [*place, *scores, *trends, "equals", "equal_time"])


def _best(runs):
    """(accuracy, seconds) of the random setting with the highest mean accuracy."""
    return max(
        (fmean(same["accuracy"]), fmean(same["train_seconds"]))
        for _, same in each(runs, "batch_size", "learning_rate")
    )


def _equals(runs, accuracy, seconds):
    equal = runs[runs["accuracy"] >= accuracy]
    return {"equals": len(equal), "equal_time": mean([t / seconds for t in equal["train_seconds"]])}


def _trend(x, y):
    """Spearman's rank correlation over the runs, or None where one of the two does not vary."""
    if len(set(x)) < 2 or len(set(y)) < 2:
        return None
    from scipy import stats

    return float(stats.spearmanr(list(x), y).statistic)


def tables(rows):
    """All settings of a start together."""
    place = {"data set": "dataset", "network": lambda row: common.TITLES[row.network]}
    scores = {
        "start": "start",
        "runs": "runs",
        "mean": lambda row: percent(row.mean),
        "highest": lambda row: percent(row.highest),
        "seconds": lambda row: f"{row.seconds:.1f}",
        "reached": lambda row: percent(row.reached),
    }
    notes = (
        "Accuracy in % on the third of the examples that is held out, over all batch sizes, "
        "learning rates and seeds; seconds of training on all of the data; % of the runs that "
        "reached 99 % training accuracy.",
    )
    answers = {
        "lose nothing": lambda row: "-" if row.equals is None else f"{row.equals} of {row.runs}",
        "their time": lambda row: number(row.equal_time or None, form=".2f"),
        "Pearson's": lambda row: number(row.trend_correlation, form="+.2f"),
        "Spearman's": lambda row: number(row.trend_rank_correlation, form="+.2f"),
    }
    explained = (
        "Warm starts that are at least as accurate as the best random setting is in the mean, and "
        "how long they take over that one. Then how accuracy goes with the correlation between "
        "the weights before and after the second stage, over all warm runs (rank correlation; "
        "negative: those that remember more are worse).",
    )
    warm = rows[rows["start"] == "warm"]
    return [
        listed("Figure 3: all settings", rows, place | scores, left=3, notes=notes),
        listed("Figures 3, 11 and 33", warm, place | answers, left=2, notes=explained),
    ]


def figures(records):
    """Accuracy against time, and against the correlation of the weights."""
    runs = list(map(common.at_stage, records))
    warm = [run for run in runs if run["strategy"] == "warm"]
    of_weights = "Accuracy of warm starts over the correlation of their weights before and after."
    found = {
        "warm_figure3": (
            "Accuracy over the time of training; one point a run.",
            _clouds(runs, "train_seconds", "seconds on all of the data"),
        )
    }
    names = {"warm_figure11": "correlation", "warm_figure33": "rank_correlation"}
    return found | {
        key: (of_weights, _clouds(warm, name, f"{MEASURES[name]} correlation"))
        for key, name in names.items()
        if warm
    }


def _clouds(runs, name, x):
    panels = {
        f"{common.TITLES[network]}, {dataset}": {
            start: [(v, 100 * a) for v, a in zip(same[name], same["accuracy"], strict=True)]
            for start, same in each(members, "strategy")
        }
        for (dataset, network), members in each(runs, "dataset", "network")
    }
    return drawing("clouds", panels, x, "accuracy [%]")


EXPERIMENT = Experiment(
    paper=common.PAPER,
    item="Figures 3, 11 and 33",
    title="accuracy against time and memory, for batch sizes and learning rates of both stages",
    sizes={
        "smoke": Settings(
            **common.SMOKE | {"network": ("mlp_tanh", "logistic_regression"), "optimizer": "sgd"},
            seeds=2,
            batch_sizes=(32, 128),
            learning_rates=(0.03, 0.1),
            max_epochs=100,
        ),
        "paper": Settings(),
    },
    cost={"smoke": "80 runs: 10 minutes on two CPU cores (estimated)", "paper": "936 runs"},
    runs=runs,
    summarize=summarize,
    tables=tables,
    figures=figures,
)
