"""A decision tree that predicts the best method from the design of an experiment.

Paper: Alabdulmohsin et al. 2021, Figure 3.
Command: `python -m experiments run figure3 --size smoke`
Cost: smoke, 72 runs of scnn, some of them those of table2: 20 minutes on two CPU cores. Paper, the
runs of table3.

Features: size of the training set, classes, network, dropout, augmentation, initializer; at least
seven settings a leaf, at most four questions. Published as a picture only: LW is best in most
leaves, but not with ResNet50 on large training sets.
"""

import dataclasses
from statistics import fmean

from experiments.engine.experiment import Experiment
from experiments.papers.alabdulmohsin2021 import table3
from experiments.papers.alabdulmohsin2021.common import METHODS, PAPER, SMOKE, SMOKE_FEW_STEPS
from experiments.report.statistics import each, frame, percent
from experiments.report.tables import Table

SETTING = ("dataset", "backbone", "dropout", "augment", "initializer")


def summarize(records):
    """One row a setting: its features and the mean accuracy of each method."""
    rows = []
    for values, group in each(records, *SETTING):
        one = group.iloc[0]
        means = {m: fmean(runs["test_accuracy"]) for m, runs in each(group, "method")}
        row = dict(zip(SETTING, values, strict=True))
        row |= {name: one[name] for name in ("train_images", "classes")}
        row["accuracy"] = {m: means[m] for m in dict.fromkeys((*METHODS, *means)) if m in means}
        rows.append(row)
    return frame(rows)


def tables(rows):
    """How often each method is best, ties for all that are."""
    accuracies = list(rows["accuracy"]) if len(rows) else []
    best = {
        method: sum(found.get(method) == max(found.values()) for found in accuracies)
        for method in dict.fromkeys(method for found in accuracies for method in found)
    }
    body = [(method, str(count), percent(count / len(rows))) for method, count in best.items()]
    header = ("method", "best in settings", "share [%]")
    notes = (f"{len(rows)} settings; a tie counts for every method in it.",)
    return [Table("Figure 3: which method is best", header, tuple(body), notes=notes)]


def figures(records):
    """The tree."""

    def draw():
        from keras_reinit.analysis import decision_tree, plots

        examples = map(_example, summarize(records).itertuples())
        return plots.decision_tree(decision_tree(list(examples)))

    caption = "Predicting the best method: at least seven settings a leaf, at most four questions."
    return {"figure3": (caption, draw)}


def _example(row):
    features = {
        "training images": row.train_images,
        "classes": row.classes,
        "network": row.backbone,
        "dropout": row.dropout,
        "augmentation": row.augment,
        "initializer": row.initializer,
    }
    return {"features": features, "accuracy": row.accuracy}


EXPERIMENT = Experiment(
    paper=PAPER,
    item="Figure 3",
    title="a decision tree that predicts the best method",
    sizes={
        "smoke": dataclasses.replace(
            table3.Settings(**SMOKE, steps_per_round=SMOKE_FEW_STEPS), backbone=("scnn",), seeds=1
        ),
        "paper": table3.Settings(),
    },
    cost={
        "smoke": "72 runs, 20 minutes on two CPU cores",
        "paper": "1728 runs, those of table3: accelerators",
    },
    runs=table3.runs,
    summarize=summarize,
    tables=tables,
    figures=figures,
)
