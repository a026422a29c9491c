"""Test accuracy against the steps of a round, at the same number of steps in all.

Paper: Alabdulmohsin et al. 2021, Figures 4 and 9.
Command: `python -m experiments run figure4 --size smoke`
Cost: smoke, 54 runs of scnn, a third of them those of table2: 15 minutes on two CPU cores. Paper,
1440 runs of up to 1.6 million steps at 224x224 pixels: accelerators.

Rounds that stop before convergence: is the gain there already? The baseline trains as many steps as
all rounds together. The paper prints its budgets in a picture only, so the steps are ours.
Published as a picture only: most methods are soon above the baseline of the same total.
"""

import dataclasses

from experiments.engine.experiment import Experiment
from experiments.engine.settings import option
from experiments.papers.alabdulmohsin2021.common import AUGMENTED, PAPER, SMOKE, GridSettings, grid
from experiments.report.pictures import drawing, panels
from experiments.report.statistics import best, each, percent, summary
from experiments.report.tables import Cell, crossed

PLACE = ("dataset", "backbone", "steps_per_round")


@dataclasses.dataclass(frozen=True)
class Settings(GridSettings):
    """What the command line can change: the defaults are the paper's."""

    steps_per_round: tuple[int, ...] = option(
        (1_000, 3_000, 10_000, 30_000, 100_000), "most optimizer steps of a round", minimum=1
    )
    learning_rate: float = option(0.003, "learning rate at the start of a round", minimum=0.0)


def runs(settings):
    """The runs of all budgets."""
    return [
        spec
        for steps in settings.steps_per_round
        for spec in grid(settings, **AUGMENTED, steps_per_round=steps)
    ]


def summarize(records):
    """One row a data set, network, budget and method."""
    rows = summary(records, (*PLACE, "method"), baseline="BL")
    return best(rows, *PLACE)


def tables(rows):
    """One table a data set and network, one row a budget."""
    made = []
    for (dataset, backbone), group in each(rows, "dataset", "backbone"):
        methods = list(group["method"].unique())
        seeds = min(group["seeds"])
        notes = (f"Mean ± standard deviation over at least {seeds} seeds.",) if seeds > 1 else ()
        title = f"Figure 4: {backbone} on {dataset}, test accuracy in %"
        lines = {"steps a round": "steps_per_round"}
        made.append(crossed(title, group, lines, "method", methods, _cell, notes=notes))
    return made


def _cell(row, _):
    return "-" if row is None else Cell(percent(row.mean, row.deviation), best=row.best)


def figures(records):
    """One panel a data set and network."""
    found = panels(
        records,
        panel=lambda run: f"{run['backbone']}, {run['dataset']}",
        line="method",
        x="steps_per_round",
        y="test_accuracy",
    )
    caption = "Test accuracy against the steps of a round; the baseline has the same total."
    return {"figure4": (caption, drawing("budgets", found))}


EXPERIMENT = Experiment(
    paper=PAPER,
    item="Figures 4 and 9",
    title="test accuracy against the steps of a round",
    sizes={
        "smoke": Settings(
            **SMOKE | {"dataset": ("cmaterdb",), "backbone": ("scnn",), "seeds": 3},
            steps_per_round=(20, 80, 320),
        ),
        "paper": Settings(),
    },
    cost={
        "smoke": "54 runs, 15 minutes on two CPU cores",
        "paper": "1440 runs of up to 1.6 million steps: accelerators",
    },
    runs=runs,
    summarize=summarize,
    tables=tables,
    figures=figures,
)
