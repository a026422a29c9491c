"""The course of training: half of the data and then all of it, against all of it from the start.

Paper: Ash & Adams 2020, Figure 1.
Command: `python -m experiments run warm_figure1 --size smoke`
Cost: small size 4 runs, paper's 10; every stage lasts `max_epochs` epochs, whatever it reaches.

Published as a picture only: both reach the same training accuracy, the warm start a lower test
accuracy. "Test" is what is held out of the training split, as everywhere in the paper.
"""

from experiments.engine.experiment import Experiment
from experiments.papers.ash2020 import common
from experiments.report.pictures import drawing, panels
from experiments.report.statistics import each

KINDS = {"train_curves": "training accuracy", "accuracy_curves": "held-out accuracy"}


def runs(settings):
    """Both starts for every data set, network and seed."""
    common_to_both = {"goal": None, "curves": True}
    starts = [{"strategy": name} | common_to_both for name in ("random", "warm")]
    return common.runs(settings, starts)


def summarize(records):
    """One row a start, after all of its epochs."""
    return common.against_random(records, lambda record: "warm start")


def tables(rows):
    """Where the curves end."""
    return [common.listing("Figure 1: after the last epoch", rows, "start")]


def figures(records):
    """Training and held-out accuracy over epochs."""
    points = [
        {
            "panel": f"{common.TITLES[network]}, {dataset}: {name}",
            "start": run["strategy"],
            "epoch": epoch,
            "accuracy": 100 * accuracy,
        }
        for (dataset, network), members in each(records, "dataset", "network")
        for kind, name in KINDS.items()
        for run in members.to_dict("records")
        for epoch, accuracy in _course(run, kind)
    ]
    found = panels(points, "panel", "start", "epoch", "accuracy")
    caption = (
        "The warm start has half of the data in the first half of its epochs, and all of it from "
        "then on. The random start begins where that does."
    )
    return {"warm_figure1": (caption, drawing("lines", found, "epoch", "accuracy [%]"))}


def _course(run, kind):
    """(epoch, accuracy), the last stage of every start at the same epochs."""
    course = [value for stage in run[kind] for value in stage]
    return enumerate(course, start=2 * run["max_epochs"] - len(course) + 1)


EXPERIMENT = Experiment(
    paper=common.PAPER,
    item="Figure 1",
    title="training and test accuracy over epochs, warm start and random initialisation",
    sizes={
        "smoke": common.Settings(**common.SMOKE_RESNET, seeds=2, max_epochs=30),
        "paper": common.Settings(),
    },
    cost={"smoke": "4 runs: 5 minutes on two CPU cores (estimated)", "paper": "10 runs"},
    runs=runs,
    summarize=summarize,
    tables=tables,
    figures=figures,
)
