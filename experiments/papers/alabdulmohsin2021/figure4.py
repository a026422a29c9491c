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
from experiments.report.statistics import against_baseline, grouped, paired, percent
from experiments.report.tables import Cell, Table


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
    return [
        {"dataset": dataset, "backbone": backbone, "steps_per_round": steps, **row}
        for (dataset, backbone, steps), group in grouped(
            records, "dataset", "backbone", "steps_per_round"
        ).items()
        for row in against_baseline(paired(group, ["seed"]))
    ]


def tables(rows):
    """One table a data set and network, one row a budget."""
    made = []
    for (dataset, backbone), group in grouped(rows, "dataset", "backbone").items():
        methods = list(dict.fromkeys(row["method"] for row in group))
        body = []
        for steps, cells in grouped(group, "steps_per_round").items():
            by_method = {row["method"]: row for row in cells}
            best = max(row["mean"] for row in cells)
            body.append(
                (
                    str(steps),
                    *(
                        Cell(
                            percent(by_method[method]["mean"], by_method[method]["deviation"]),
                            best=by_method[method]["mean"] == best,
                        )
                        if method in by_method
                        else "-"
                        for method in methods
                    ),
                )
            )
        title = f"Figure 4: {backbone} on {dataset}, test accuracy in %"
        seeds = min(row["seeds"] for row in group)
        notes = (f"Mean ± standard deviation over at least {seeds} seeds.",) if seeds > 1 else ()
        made.append(Table(title, ("steps a round", *methods), tuple(body), notes=notes))
    return made


def figures(records):
    """One panel a data set and network."""

    def draw():
        from keras_reinit.analysis import plots

        panels = {}
        for (dataset, backbone), group in grouped(records, "dataset", "backbone").items():
            panels[f"{backbone}, {dataset}"] = {
                method: {
                    steps: [run["test_accuracy"] for run in same]
                    for steps, same in grouped(chosen, "steps_per_round").items()
                }
                for method, chosen in grouped(group, "method").items()
            }
        return plots.budgets(panels)

    caption = "Test accuracy against the steps of a round; the baseline has the same total."
    return {"figure4": (caption, draw)}


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
