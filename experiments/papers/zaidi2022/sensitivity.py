"""Test accuracy over learning rate and weight decay, with and without re-initialisation.

Paper: Zaidi et al. 2022 (poster), "less sensitive to LR/WD hyperparameter choices".
Command: `python -m experiments run reinit_sensitivity --size smoke`
Cost: smoke, 36 runs of a narrow ResNet-18 on 200 images, 29 seconds of a busy CPU core each: 17
minutes, or half of that with `--workers 2`. Paper, 225 runs of 78,000 steps: accelerators.

Augmentation and a cosine schedule for every arm; CIFAR-100 and ResNet-18, as on the poster. The
grid is ours. A training that diverges counts with the accuracy of chance. Published as a picture
only: re-initialised networks are less sensitive to both.
"""

import dataclasses
import statistics

from experiments.engine.experiment import Experiment
from experiments.engine.settings import option
from experiments.papers.zaidi2022 import common
from experiments.report.statistics import deviation, grouped, percent
from experiments.report.tables import Cell, Table

NEAR = 0.02  # of an arm's best accuracy: the settings that would have done


@dataclasses.dataclass(frozen=True)
class Settings(common.GridSettings):
    """What the command line can change."""

    dataset: tuple[str, ...] = option(
        ("cifar100",), "TFDS names of image sets, digits, or folder:PATH"
    )
    learning_rates: tuple[float, ...] = option(
        (0.003, 0.01, 0.03, 0.1, 0.3), "learning rates", minimum=0.0
    )
    weight_decays: tuple[float, ...] = option(
        (0.0, 1e-4, 5e-4, 1e-3, 5e-3), "weight decays", minimum=0.0
    )


def summarize(records):
    """One row a data set, network and arm: how its accuracy varies over the grid.

    "accuracies" has learning rate, weight decay and mean test accuracy of each setting.
    """
    settings = common.by_arm(records, "dataset", "backbone", "learning_rate", "weight_decay")
    rows = []
    for (dataset, backbone, arm), members in grouped(
        settings, "dataset", "backbone", "arm"
    ).items():
        means = [row["mean"] for row in members]
        rows.append(
            {
                "dataset": dataset,
                "backbone": backbone,
                "arm": arm,
                "seeds": min(row["seeds"] for row in members),
                "settings": len(members),
                "diverged": sum(row["diverged"] for row in members),
                "best": max(means),
                "median": statistics.median(means),
                "worst": min(means),
                "spread": deviation(means),
                "near": sum(mean >= max(means) - NEAR for mean in means),
                "gains": sum(row.get("gain", 0) > 0 for row in members),
                "accuracies": [
                    [row["learning_rate"], row["weight_decay"], row["mean"]] for row in members
                ],
            }
        )
    return rows


def tables(rows):
    """One table a data set and network."""
    header = (
        "arm", "best", "median", "worst", "best - worst", "deviation",
        f"within {100 * NEAR:g}", "above standard", "diverged",
    )  # fmt: skip
    found = []
    for (dataset, backbone), members in grouped(rows, "dataset", "backbone").items():
        seeds = members[0]["seeds"]
        notes = (
            f"Test accuracy in %, mean over {seeds} seed{'s' * (seeds > 1)}, over "
            f"{members[0]['settings']} settings of learning rate and weight decay: the best, the "
            "median, the worst, the distance between best and worst and the standard deviation "
            f"over settings; then how many settings come within {100 * NEAR:g} points of the arm's "
            "best, in how many the arm is above standard training, and how many runs diverged, "
            "which count with the accuracy of chance.",
        )
        title = f"Sensitivity: {backbone} on {dataset}"
        body = tuple(_line(row, members) for row in members)
        found.append(Table(title, header, body, notes=notes))
    return found


def _line(row, rivals):
    best = row["best"] == max(other["best"] for other in rivals)
    standard = row["arm"] == common.BASELINE
    return (
        row["arm"],
        Cell(percent(row["best"]), best=best),
        percent(row["median"]),
        percent(row["worst"]),
        percent(row["best"] - row["worst"]),
        percent(row["spread"]),
        f"{row['near']} of {row['settings']}",
        "-" if standard else f"{row['gains']} of {row['settings']}",
        str(row["diverged"]),
    )


def figures(records):
    """A heat map of each arm, one picture a data set and network."""
    return {
        f"reinit_sensitivity_{dataset}_{backbone}".replace(":", "_"): (
            f"Test accuracy in % of {backbone} on {dataset}.",
            lambda members=members: _maps(members),
        )
        for (dataset, backbone), members in grouped(
            summarize(records), "dataset", "backbone"
        ).items()
    }


def _maps(rows):
    from keras_reinit.analysis import plots

    panels = {
        row["arm"]: {(decay, rate): 100 * mean for rate, decay, mean in row["accuracies"]}
        for row in rows
    }
    return plots.heat_maps(panels, "learning rate", "weight decay", alike=True)


EXPERIMENT = Experiment(
    paper=common.PAPER,
    item="sensitivity",
    title="accuracy over learning rate and weight decay, with and without re-initialisation",
    sizes={
        "smoke": Settings(
            **common.SMOKE,
            seeds=1,
            epochs=40,
            learning_rates=(0.01, 0.03, 0.1, 0.3),
            weight_decays=(0.0, 5e-4, 5e-3),
        ),
        "paper": Settings(),
    },
    cost={
        "smoke": "36 runs, 17 minutes of a CPU core",
        "paper": "225 runs of 78,000 steps: accelerators",
    },
    runs=common.grid,
    summarize=summarize,
    tables=tables,
    figures=figures,
)
