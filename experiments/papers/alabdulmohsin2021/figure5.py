"""Flat or sharp: what Gaussian noise on the weights does to accuracy and loss on the training set.

Paper: Alabdulmohsin et al. 2021, Figures 5 and 12.
Command: `python -m experiments run figure5 --size smoke`
Cost: the runs of table2; nothing is run twice.

Noise N(0, sigma^2 I) on all trainable weights, three draws a network, on at most 2000 training
images; the paper names neither sigma nor draws. Published as a picture only: LW changes least.
"""

import dataclasses
import statistics

from experiments.papers.alabdulmohsin2021 import table2
from experiments.report.statistics import grouped, percent
from experiments.report.tables import Cell, Table


def summarize(records):
    """Mean changes for each data set, network, method and sigma."""
    found = []
    for (dataset, backbone, method), group in grouped(
        records, "dataset", "backbone", "method"
    ).items():
        for index, sigma in enumerate(group[0]["sigmas"]):
            losses = [run["loss_change"][index] for run in group]
            finite = None not in losses
            found.append(
                {
                    "dataset": dataset,
                    "backbone": backbone,
                    "method": method,
                    "sigma": sigma,
                    "accuracy_change": statistics.fmean(
                        run["accuracy_change"][index] for run in group
                    ),
                    "loss_change": statistics.fmean(losses) if finite else None,
                }
            )
    return found


def tables(rows):
    """The change in training loss at each sigma: the flattest is marked."""
    made = []
    for (dataset, backbone), group in grouped(rows, "dataset", "backbone").items():
        sigmas = list(dict.fromkeys(row["sigma"] for row in group))
        least = {
            sigma: min(row["loss_change"] for row in same if row["loss_change"] is not None)
            for sigma, same in grouped(group, "sigma").items()
            if any(row["loss_change"] is not None for row in same)
        }
        body = []
        for method, cells in grouped(group, "method").items():
            values = [
                Cell(
                    "-" if row["loss_change"] is None else f"{row['loss_change']:+.4f}",
                    best=row["loss_change"] is not None
                    and row["loss_change"] == least[row["sigma"]],
                )
                for row in cells
            ]
            lost = percent(cells[-1]["accuracy_change"], signed=True)
            body.append((method, *values, lost))
        header = (
            "method",
            *(f"sigma {sigma:g}" for sigma in sigmas),
            f"accuracy, {sigmas[-1]:g} [points]",
        )
        title = f"Figure 5: change in training loss, {backbone} on {dataset}"
        made.append(Table(title, header, tuple(body)))
    return made


def figures(records):
    """One column a data set and network: accuracy above, loss below."""

    def draw():
        import numpy as np

        from keras_reinit.analysis import plots

        def changes(runs, name):
            rows = [[np.nan if v is None else v for v in run[name]] for run in runs]
            return np.array(rows, "float64").T

        panels = {
            f"{backbone}, {dataset}": {
                method: {
                    "sigmas": runs[0]["sigmas"],
                    "accuracy": changes(runs, "accuracy_change"),
                    "loss": changes(runs, "loss_change"),
                }
                for method, runs in grouped(group, "method").items()
            }
            for (dataset, backbone), group in grouped(records, "dataset", "backbone").items()
        }
        return plots.sharpness(panels)

    caption = "Change in training accuracy and loss under noise on the weights: less is flatter."
    return {"figure5": (caption, draw)}


EXPERIMENT = dataclasses.replace(
    table2.EXPERIMENT,
    item="Figures 5 and 12",
    title="how flat the minima are",
    cost={"smoke": "120 runs, those of table2", "paper": "288 runs, those of table2"},
    summarize=summarize,
    tables=tables,
    figures=figures,
)
