"""A warm start from more or less of the data: the less the first stage has, the more is lost.

Paper: Ash & Adams 2020, Figure 10.
Command: `python -m experiments run warm_figure10 --size smoke`
Cost: small size 20 runs, paper's 50.

Published as a picture only; which shares it shows cannot be read, these are ours.
"""

import dataclasses

from experiments.engine.experiment import Experiment
from experiments.engine.settings import option
from experiments.papers.ash2020 import common
from experiments.report.pictures import drawing


@dataclasses.dataclass(frozen=True)
class Settings(common.Settings):
    """What the command line can change."""

    first: tuple[float, ...] = option(
        tuple(tenth / 10 for tenth in range(1, 10)), "shares of the first stage", minimum=0.001
    )


def runs(settings):
    """The random start and a warm one for each share."""
    warm = [{"strategy": "warm", "first": share} for share in settings.first]
    return common.runs(settings, [{"strategy": "random", "first": 0.5}, *warm])


def summarize(records):
    """One row a share, and one for the random start."""
    return common.against_random(records, lambda record: record["first"])


def tables(rows):
    """One row a share."""
    title = "Figure 10: the share of the data that the first stage has"
    return [common.listing(title, rows, "first stage", lambda share: f"{100 * share:g} %")]


def figures(records):
    """Accuracy against the share, random initialisation as a level line."""
    axes = ("share of the data in the first stage", "accuracy [%]")
    caption = "Accuracy after training on all of the data, over the share the first stage had."
    draw = drawing("lines", common.levels(records, "first"), *axes)
    return {"warm_figure10": (caption, draw)}


EXPERIMENT = Experiment(
    paper=common.PAPER,
    item="Figure 10",
    title="accuracy against the share of the data in the first stage",
    sizes={
        "smoke": Settings(
            **common.SMOKE,
            first=(0.1, 0.5, 0.9),
        ),
        "paper": Settings(),
    },
    cost={"smoke": "20 runs: 10 minutes on two CPU cores (estimated)", "paper": "50 runs"},
    runs=runs,
    summarize=summarize,
    tables=tables,
    figures=figures,
)
