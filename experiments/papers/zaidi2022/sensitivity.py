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
from experiments.report.pictures import drawing
from experiments.report.statistics import deviation, each, frame, percent
from experiments.report.tables import MISSING, Cell, listed

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
    for (dataset, backbone, arm), members in each(settings, "dataset", "backbone", "arm"):
        means = list(members["mean"])
        row = {"dataset": dataset, "backbone": backbone, "arm": arm}
        row |= {"seeds": min(members["seeds"]), "settings": len(members)}
        row |= {"best": max(means), "median": statistics.median(means), "worst": min(means)}
        row |= {"spread": deviation(means), "diverged": sum(members["diverged"])}
        row["near"] = sum(mean >= max(means) - NEAR for mean in means)
        row["gains"] = sum((gain or 0) > 0 for gain in members["gain"])
        row["accuracies"] = members[["learning_rate", "weight_decay", "mean"]].values.tolist()
        rows.append(row)
    return frame(rows)


def tables(rows):
    """One table a data set and network."""
    found = []
    for (dataset, backbone), members in each(rows, "dataset", "backbone"):
        seeds = members["seeds"].iloc[0]
        note = (
            f"Test accuracy in %, mean over {seeds} seed{'s' * (seeds > 1)}, over "
            f"{members['settings'].iloc[0]} settings of learning rate and weight decay: the "
            "best, the median, the worst, the distance between best and worst and the standard "
            f"deviation over settings; then how many settings come within {100 * NEAR:g} points of "
            "the arm's best, in how many the arm is above standard training, and how many runs "
            "diverged, which count with the accuracy of chance."
        )
        title = f"Sensitivity: {backbone} on {dataset}"
        found.append(listed(title, members, _columns(max(members["best"])), notes=(note,)))
    return found


def _columns(highest):
    return {
        "arm": "arm",
        "best": lambda row: Cell(percent(row.best), best=row.best == highest),
        "median": lambda row: percent(row.median),
        "worst": lambda row: percent(row.worst),
        "best - worst": lambda row: percent(row.best - row.worst),
        "deviation": lambda row: percent(row.spread),
        f"within {100 * NEAR:g}": lambda row: f"{row.near} of {row.settings}",
        "above standard": lambda row: (
            MISSING if row.arm == common.BASELINE else f"{row.gains} of {row.settings}"
        ),
        "diverged": "diverged",
    }


def figures(records):
    """A heat map of each arm, one picture a data set and network."""
    found = {}
    for (dataset, backbone), members in each(summarize(records), "dataset", "backbone"):
        panels = {
            row.arm: {(decay, rate): 100 * mean for rate, decay, mean in row.accuracies}
            for row in members.itertuples()
        }
        name = f"reinit_sensitivity_{dataset}_{backbone}".replace(":", "_")
        draw = drawing("heat_maps", panels, "learning rate", "weight decay", alike=True)
        found[name] = (f"Test accuracy in % of {backbone} on {dataset}.", draw)
    return found


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
