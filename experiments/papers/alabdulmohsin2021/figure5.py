"""Flat or sharp: what Gaussian noise on the weights does to accuracy and loss on the training set.

Paper: Alabdulmohsin et al. 2021, Figures 5 and 12.
Command: `python -m experiments run figure5 --size smoke`
Cost: the runs of table2; nothing is run twice.

Noise N(0, sigma^2 I) on all trainable weights, three draws a network, on at most 2000 training
images; the paper names neither sigma nor draws. Published as a picture only: LW changes least.
"""

import dataclasses
from statistics import fmean

from experiments.papers.alabdulmohsin2021 import table2
from experiments.report.pictures import drawing
from experiments.report.statistics import best, each, number, percent, summary
from experiments.report.tables import Cell, crossed


def summarize(records):
    """Mean changes for each data set, network, method and sigma."""
    measured = ("sigmas", "accuracy_change", "loss_change")
    noisy = [
        run | {"sigma": sigma, "accuracy_change": accuracy, "loss_change": loss}
        for run in records
        for sigma, accuracy, loss in zip(*(run[name] for name in measured), strict=True)
    ]
    place = ("dataset", "backbone", "method", "sigma")
    rows = summary(noisy, place, accuracy_change=fmean, loss_change=_mean)
    return best(rows, "dataset", "backbone", "sigma", score="loss_change", of=min)


def _mean(losses):
    return None if None in losses else fmean(losses)


def tables(rows):
    """The change in training loss at each sigma: the flattest is marked."""
    made = []
    for (dataset, backbone), group in each(rows, "dataset", "backbone"):
        sigmas = {sigma: f"sigma {sigma:g}" for sigma in group["sigma"].unique()}
        more = {f"accuracy, {list(sigmas)[-1]:g} [points]": _lost}
        title = f"Figure 5: change in training loss, {backbone} on {dataset}"
        made.append(crossed(title, group, {"method": "method"}, "sigma", sigmas, _cell, more))
    return made


def _cell(row, _):
    return Cell(number(row.loss_change, form="+.4f"), best=row.best)


def _lost(rows):
    return percent(rows["accuracy_change"].iloc[-1], signed=True)


def figures(records):
    """One column a data set and network: accuracy above, loss below."""
    import numpy as np

    def changes(runs, name):
        return np.array([*runs[name]], "float64").T

    panels = {
        f"{backbone}, {dataset}": {
            method: {
                "sigmas": runs["sigmas"].iloc[0],
                "accuracy": changes(runs, "accuracy_change"),
                "loss": changes(runs, "loss_change"),
            }
            for method, runs in each(group, "method")
        }
        for (dataset, backbone), group in each(records, "dataset", "backbone")
    }
    caption = "Change in training accuracy and loss under noise on the weights: less is flatter."
    return {"figure5": (caption, drawing("sharpness", panels))}


EXPERIMENT = dataclasses.replace(
    table2.EXPERIMENT,
    item="Figures 5 and 12",
    title="how flat the minima are",
    cost={"smoke": "120 runs, those of table2", "paper": "288 runs, those of table2"},
    summarize=summarize,
    tables=tables,
    figures=figures,
)
