"""The course of training: half of the data and then all of it, against all of it from the start.

Paper: Ash & Adams 2020, Figure 1.
Command: `python -m experiments run warm_figure1 --size smoke`
Cost: small size 4 runs, paper's 10; every stage lasts `max_epochs` epochs, whatever it reaches.

Published as a picture only: both reach the same training accuracy, the warm start a lower test
accuracy. "Test" is what is held out of the training split, as everywhere in the paper.
"""

import itertools

from experiments.engine.experiment import Experiment
from experiments.papers.ash2020 import common
from experiments.report.statistics import grouped

KINDS = {"train_curves": "training accuracy", "accuracy_curves": "held-out accuracy"}


def runs(settings):
    """Both starts for every data set, network and seed."""
    cells = itertools.product(
        settings.dataset, settings.network, range(settings.seeds), ("random", "warm")
    )
    return [
        common.run(
            settings,
            dataset=dataset,
            network=network,
            seed=seed,
            strategy=strategy,
            goal=None,
            curves=True,
        )
        for dataset, network, seed, strategy in cells
    ]


def summarize(records):
    """One row a start, after all of its epochs."""
    return common.against_random(records, lambda record: "warm start")


def tables(rows):
    """Where the curves end."""
    return [common.listing("Figure 1: after the last epoch", rows, "start")]


def figures(records):
    """Training and held-out accuracy over epochs."""

    def draw():
        from keras_reinit.analysis import plots

        panels = {
            f"{common.TITLES[network]}, {dataset}: {KINDS[kind]}": {
                strategy: _course(found, kind)
                for strategy, found in grouped(members, "strategy").items()
            }
            for (dataset, network), members in grouped(records, "dataset", "network").items()
            for kind in KINDS
        }
        return plots.lines(panels, "epoch", "accuracy [%]")

    caption = (
        "The warm start has half of the data in the first half of its epochs, and all of it from "
        "then on. The random start begins where that does."
    )
    return {"warm_figure1": (caption, draw)}


def _course(records, kind):
    """{epoch: accuracies of the runs}, the last stage of every start at the same epochs."""
    whole = records[0]["max_epochs"]
    courses = [[value for stage in record[kind] for value in stage] for record in records]
    first = 2 * whole - len(courses[0]) + 1
    return {
        first + place: [100 * value for value in values]
        for place, values in enumerate(zip(*courses, strict=True))
    }


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
