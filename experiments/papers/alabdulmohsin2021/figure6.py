"""The smallest softmax margins on the training images.

Paper: Alabdulmohsin et al. 2021, Figures 6, 10 and 11.
Command: `python -m experiments run figure6 --size smoke`
Cost: the runs of table2; nothing is run twice.

At most 400 of them, from at most 2000 training images, of the network of the first seed. Published
as a picture only: LW's smallest margins are far larger than those of the other methods.
"""

import dataclasses
import statistics
from statistics import fmean

from experiments.papers.alabdulmohsin2021 import table2
from experiments.report.pictures import drawing
from experiments.report.statistics import each, summary
from experiments.report.tables import Cell, listed


def summarize(records):
    """Smallest and median margin for each data set, network and method, means over seeds."""
    return summary(
        records,
        ("dataset", "backbone", "method"),
        smallest=("margins", lambda runs: fmean(margins[0] for margins in runs)),
        median=("margins", lambda runs: fmean(map(statistics.median, runs))),
    )


def tables(rows):
    """The two numbers of each method; the largest are marked."""
    made = []
    for (dataset, backbone), group in each(rows, "dataset", "backbone"):
        largest = {name: max(group[name]) for name in ("smallest", "median")}
        columns = {"method": "method"} | {
            name: lambda row, name=name, top=top: Cell(
                f"{getattr(row, name):.4f}", best=getattr(row, name) == top
            )
            for name, top in largest.items()
        }
        title = f"Figure 6: training margins, {backbone} on {dataset}"
        made.append(listed(title, group, columns))
    return made


def figures(records):
    """One column a data set and network: all methods, and LW against the baseline."""
    lowest = min((run["seed"] for run in records), default=None)
    panels: dict = {}
    for run in (run for run in records if run["seed"] == lowest):
        panel = panels.setdefault(f"{run['backbone']}, {run['dataset']}", {})
        panel[run["method"]] = run["margins"]
    caption = "The smallest margins on the training images, first seed."
    return {"figure6": (caption, drawing("margins", panels))}


EXPERIMENT = dataclasses.replace(
    table2.EXPERIMENT,
    item="Figures 6, 10 and 11",
    title="the smallest margins on the training set",
    cost={"smoke": "120 runs, those of table2", "paper": "288 runs, those of table2"},
    summarize=summarize,
    tables=tables,
    figures=figures,
)
