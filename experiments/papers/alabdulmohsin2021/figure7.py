"""The size of the weights: norm of the head's input times norm of the head, against the baseline.

Paper: Alabdulmohsin et al. 2021, Figure 7.
Command: `python -m experiments run figure7 --size smoke`
Cost: the runs of table2; nothing is run twice.

The input of 256 random training images; the ratio to the baseline's of the same data set, network
and seed. Published as a picture only: LW's ratios lie around 1.
"""

import dataclasses
from statistics import fmean

from experiments.papers.alabdulmohsin2021 import table2
from experiments.report.pictures import drawing
from experiments.report.statistics import deviation, frame, number, paired
from experiments.report.tables import listed


def ratios(records):
    """The ratios of each method: {method: list, one for each run that has a baseline}."""
    sizes = paired(records, ("dataset", "backbone", "seed"), score="weight_size")
    baseline = sizes.pop("BL", {})
    found = {
        method: [size / baseline[key] for key, size in runs.items() if key in baseline]
        for method, runs in sizes.items()
    }
    return {method: values for method, values in found.items() if values}


def summarize(records):
    """Mean and deviation of the ratio of each method."""
    found = ratios(records).items()
    return frame(
        {"method": method, "runs": len(v), "mean": fmean(v), "deviation": deviation(v)}
        for method, v in found
    )


def tables(rows):
    """The Gaussian fits in numbers."""
    columns = {
        "method": "method",
        "runs": "runs",
        "mean ratio to BL": lambda row: number(row.mean, form=".3f"),
        "deviation": lambda row: number(row.deviation, form=".3f"),
    }
    return [listed("Figure 7: the size of the weights", rows, columns)]


def figures(records):
    """The densities."""
    caption = "Size of the weights over that of the baseline, over all runs."
    return {"figure7": (caption, drawing("weight_sizes", ratios(records)))}


EXPERIMENT = dataclasses.replace(
    table2.EXPERIMENT,
    item="Figure 7",
    title="the size of the weights against the baseline's",
    cost={"smoke": "120 runs, those of table2", "paper": "288 runs, those of table2"},
    summarize=summarize,
    tables=tables,
    figures=figures,
)
