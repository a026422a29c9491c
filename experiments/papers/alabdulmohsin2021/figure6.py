"""The smallest softmax margins on the training images.

Paper: Alabdulmohsin et al. 2021, Figures 6, 10 and 11.
Command: `python -m experiments run figure6 --size smoke`
Cost: the runs of table2; nothing is run twice.

At most 400 of them, from at most 2000 training images, of the network of the first seed. Published
as a picture only: LW's smallest margins are far larger than those of the other methods.
"""

import dataclasses
import statistics

from experiments.papers.alabdulmohsin2021 import table2
from experiments.report.statistics import grouped
from experiments.report.tables import Cell, Table


def summarize(records):
    """Smallest and median margin for each data set, network and method, means over seeds."""
    return [
        {
            "dataset": dataset,
            "backbone": backbone,
            "method": method,
            "smallest": statistics.fmean(run["margins"][0] for run in runs),
            "median": statistics.fmean(statistics.median(run["margins"]) for run in runs),
        }
        for (dataset, backbone, method), runs in grouped(
            records, "dataset", "backbone", "method"
        ).items()
    ]


def tables(rows):
    """The two numbers of each method; the largest are marked."""
    made = []
    for (dataset, backbone), group in grouped(rows, "dataset", "backbone").items():
        body = [
            (
                row["method"],
                *(
                    Cell(f"{row[name]:.4f}", best=row[name] == max(r[name] for r in group))
                    for name in ("smallest", "median")
                ),
            )
            for row in group
        ]
        title = f"Figure 6: training margins, {backbone} on {dataset}"
        made.append(Table(title, ("method", "smallest", "median"), tuple(body)))
    return made


def figures(records):
    """One column a data set and network: all methods, and LW against the baseline."""

    def draw():
        from keras_reinit.analysis import plots

        first = [run for run in records if run["seed"] == min(r["seed"] for r in records)]
        panels = {
            f"{backbone}, {dataset}": {run["method"]: run["margins"] for run in group}
            for (dataset, backbone), group in grouped(first, "dataset", "backbone").items()
        }
        return plots.margins(panels)

    return {"figure6": ("The smallest margins on the training images, first seed.", draw)}


EXPERIMENT = dataclasses.replace(
    table2.EXPERIMENT,
    item="Figures 6, 10 and 11",
    title="the smallest margins on the training set",
    cost={"smoke": "120 runs, those of table2", "paper": "288 runs, those of table2"},
    summarize=summarize,
    tables=tables,
    figures=figures,
)
