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
import statistics

from experiments.engine.experiment import Experiment
from experiments.engine.settings import option
from experiments.papers.ash2020 import common
from experiments.papers.ash2020.networks import NETWORKS
from experiments.report.statistics import grouped, percent
from experiments.report.tables import Table

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
    cells = itertools.product(settings.dataset, settings.network, range(settings.seeds))
    ways = list(itertools.product(settings.batch_sizes, settings.learning_rates))
    specs = []
    for (dataset, network, seed), (batch, rate) in itertools.product(cells, ways):
        chosen = {"dataset": dataset, "network": network, "seed": seed}
        chosen |= {"batch_size": batch, "learning_rate": rate}
        specs.append(common.run(settings, **chosen, strategy="random"))
        specs += [
            common.run(
                settings,
                **chosen,
                strategy="warm",
                first_batch_size=first_batch,
                first_learning_rate=first_rate,
            )
            for first_batch, first_rate in ways
        ]
    return specs


def summarize(records):
    """One row a data set, network and start, over all batch sizes and rates.

    "equals" counts the warm runs that are at least as accurate as the mean of the best random
    setting of their network, "equal_time" is the mean time they took over that of this setting.
    """
    rows = []
    for (dataset, network), members in grouped(records, "dataset", "network").items():
        starts = grouped(members, "strategy")
        best = _best(starts.get("random", []))
        for start, found in starts.items():
            accuracy = [record["accuracy"][-1] for record in found]
            row = {"dataset": dataset, "network": network, "start": start, "runs": len(found)}
            row |= {"mean": statistics.fmean(accuracy), "highest": max(accuracy)}
            row["seconds"] = statistics.fmean(record["train_seconds"][-1] for record in found)
            row["reached"] = statistics.fmean(record["converged"][-1] for record in found)
            if start == "warm":
                row |= _trends(found) | (_equals(found, best) if best else {})
            rows.append(row)
    return rows


def _best(records):
    """(accuracy, seconds) of the random setting with the highest mean accuracy, or None."""
    means = [
        (
            statistics.fmean(record["accuracy"][-1] for record in found),
            statistics.fmean(record["train_seconds"][-1] for record in found),
        )
        for found in grouped(records, "batch_size", "learning_rate").values()
    ]
    return max(means, default=None)


def _equals(records, best):
    accuracy, seconds = best
    times = [r["train_seconds"][-1] / seconds for r in records if r["accuracy"][-1] >= accuracy]
    return {"equals": len(times), "equal_time": statistics.fmean(times) if times else None}


def _trends(records):
    """How accuracy goes with each measure of correlation, over the runs: Spearman's."""
    accuracy = [record["accuracy"][-1] for record in records]
    return {
        f"trend_{name}": _rank_correlation([record[name] for record in records], accuracy)
        for name in MEASURES
    }


def _rank_correlation(x, y):
    """Spearman's, or None where one of the two does not vary."""
    if len(set(x)) < 2 or len(set(y)) < 2:
        return None
    from scipy import stats

    return float(stats.spearmanr(x, y).statistic)


def tables(rows):
    """All settings of a start together."""
    header = ("data set", "network", "start", "runs", "mean", "highest", "seconds", "reached")
    body = [
        (
            row["dataset"],
            common.TITLES[row["network"]],
            row["start"],
            str(row["runs"]),
            percent(row["mean"]),
            percent(row["highest"]),
            f"{row['seconds']:.1f}",
            percent(row["reached"]),
        )
        for row in rows
    ]
    notes = (
        "Accuracy in % on the third of the examples that is held out, over all batch sizes, "
        "learning rates and seeds; seconds of training on all of the data; % of the runs that "
        "reached 99 % training accuracy.",
    )
    warm = [row for row in rows if row["start"] == "warm"]
    answers = [
        (
            row["dataset"],
            common.TITLES[row["network"]],
            f"{row['equals']} of {row['runs']}" if "equals" in row else "-",
            f"{row['equal_time']:.2f}" if row.get("equal_time") else "-",
            *(_signed(row[f"trend_{name}"]) for name in MEASURES),
        )
        for row in warm
    ]
    asked = ("data set", "network", "lose nothing", "their time", *MEASURES.values())
    explained = (
        "Warm starts that are at least as accurate as the best random setting is in the mean, and "
        "how long they take over that one. Then how accuracy goes with the correlation between "
        "the weights before and after the second stage, over all warm runs (rank correlation; "
        "negative: those that remember more are worse).",
    )
    return [
        Table("Figure 3: all settings", header, tuple(body), left=3, notes=notes),
        Table("Figures 3, 11 and 33", asked, tuple(answers), left=2, notes=explained),
    ]


def _signed(value):
    return "-" if value is None else f"{value:+.2f}"


def figures(records):
    """Accuracy against time, and against the correlation of the weights."""

    def panels(value, members):
        return {
            f"{common.TITLES[network]}, {dataset}": {
                start: [(value(record), 100 * record["accuracy"][-1]) for record in same]
                for start, same in grouped(found, "strategy").items()
            }
            for (dataset, network), found in grouped(members, "dataset", "network").items()
        }

    def times():
        from keras_reinit.analysis import plots

        found = panels(lambda record: record["train_seconds"][-1], records)
        return plots.clouds(found, "seconds on all of the data", "accuracy [%]")

    def memories(name):
        def draw():
            from keras_reinit.analysis import plots

            warm = [record for record in records if record["strategy"] == "warm"]
            found = panels(lambda record: record[name], warm)
            return plots.clouds(found, f"{MEASURES[name]} correlation", "accuracy [%]")

        return draw

    found = {"warm_figure3": ("Accuracy over the time of training; one point a run.", times)}
    if all(record["strategy"] == "random" for record in records):
        return found
    of_weights = "Accuracy of warm starts over the correlation of their weights before and after."
    return found | {
        "warm_figure11": (of_weights, memories("correlation")),
        "warm_figure33": (of_weights, memories("rank_correlation")),
    }


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
