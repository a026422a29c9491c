"""The size of the weights: norm of the head's input times norm of the head, against the baseline.

Paper: Alabdulmohsin et al. 2021, Figure 7.
Command: `python -m experiments run figure7 --size smoke`
Cost: the runs of table2; nothing is run twice.

The input of 256 random training images; the ratio to the baseline's of the same data set, network
and seed. Published as a picture only: LW's ratios lie around 1.
"""

import dataclasses
import statistics

from experiments.papers.alabdulmohsin2021 import table2
from experiments.report.statistics import deviation, grouped
from experiments.report.tables import Table


def ratios(records):
    """The ratios of each method: {method: list, one for each run that has a baseline}."""
    baseline = {_pair(run): run["weight_size"] for run in records if run["method"] == "BL"}
    return {
        method: [run["weight_size"] / baseline[_pair(run)] for run in paired]
        for method, runs in grouped(records, "method").items()
        if method != "BL" and (paired := [run for run in runs if _pair(run) in baseline])
    }


def _pair(run):
    return run["dataset"], run["backbone"], run["seed"]


def summarize(records):
    """Mean and deviation of the ratio of each method."""
    return [
        {
            "method": method,
            "runs": len(values),
            "mean": statistics.fmean(values),
            "deviation": deviation(values),
        }
        for method, values in ratios(records).items()
    ]


def tables(rows):
    """The Gaussian fits in numbers."""
    body = [
        (
            row["method"],
            str(row["runs"]),
            f"{row['mean']:.3f}",
            "-" if row["deviation"] is None else f"{row['deviation']:.3f}",
        )
        for row in rows
    ]
    header = ("method", "runs", "mean ratio to BL", "deviation")
    return [Table("Figure 7: the size of the weights", header, tuple(body))]


def figures(records):
    """The densities."""

    def draw():
        from keras_reinit.analysis import plots

        return plots.weight_sizes(ratios(records))

    return {"figure7": ("Size of the weights over that of the baseline, over all runs.", draw)}


EXPERIMENT = dataclasses.replace(
    table2.EXPERIMENT,
    item="Figure 7",
    title="the size of the weights against the baseline's",
    cost={"smoke": "120 runs, those of table2", "paper": "288 runs, those of table2"},
    summarize=summarize,
    tables=tables,
    figures=figures,
)
