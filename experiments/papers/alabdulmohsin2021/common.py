"""Grids of image runs, as the tables and figures of Alabdulmohsin et al. 2021 need them."""

import dataclasses
from statistics import fmean
from typing import Any

from experiments.data import BENCHMARK
from experiments.engine.experiment import Experiment
from experiments.engine.settings import combinations, option, shared
from experiments.papers.alabdulmohsin2021.image_run import BLOCKS, ImageRun
from experiments.papers.alabdulmohsin2021.layouts import accuracy_table
from experiments.report.statistics import first, percent, summary
from experiments.report.tables import differences
from keras_reinit.methods.table import of_paper

PAPER = "Alabdulmohsin et al. 2021"
METHODS = of_paper("alabdulmohsin2021")
ALL_METHODS = (*METHODS, "S&P")
INITIALIZERS = ("he_normal", "glorot_uniform")


@dataclasses.dataclass(frozen=True)
class GridSettings:
    """What the command line can change: the defaults are the paper's."""

    dataset: tuple[str, ...] = option(BENCHMARK, "TFDS names of image sets, or digits")
    backbone: tuple[str, ...] = option(tuple(BLOCKS), "networks", choices=tuple(BLOCKS))
    method: tuple[str, ...] = option(METHODS, "methods", choices=ALL_METHODS)
    seeds: int = option(1, "number of seeds, from 0", minimum=1)
    image_size: int = option(224, "side of the square that images are resized to", minimum=8)
    train_size: int | None = option(
        None, "images of the training split, drawn anew for every seed (paper: all)", None, 2, int
    )
    validation: float = option(0.1, "share of them that is held out", minimum=0.0, below=1)
    test_size: int | None = option(None, "first test images (paper: all)", None, 1, int)
    batch_size: int = option(256, "images of a batch", minimum=1)


@dataclasses.dataclass(frozen=True)
class TableSettings(GridSettings):
    """What the command line can change where all runs have one learning rate and one budget."""

    steps_per_round: int = option(100_000, "most optimizer steps of a round", minimum=1)
    learning_rate: float = option(0.003, "learning rate at the start of a round", minimum=0.0)


# The paper's tables at a size for two CPU cores: 50 training images instead of thousands, and 50
# for validation; 28x28 pixels instead of 224x224; batches small enough that the paper's learning
# rate fits the training images in the few steps of all rounds.
SMOKE: dict[str, Any] = {
    "dataset": ("cmaterdb", "fashion_mnist"),
    "backbone": ("scnn", "mobilenet"),
    "seeds": 5,
    "image_size": 28,
    "train_size": 100,
    "validation": 0.5,
    "test_size": 2000,
    "batch_size": 5,
}
SMOKE_STEPS = 320  # a round, which fits the training images, nearly
SMOKE_FEW_STEPS = 80  # where many settings are tried
# vgg16 without momentum, as Figure 8 and Appendix F have it, at a quarter of its width.
SMOKE_VGG: dict[str, Any] = SMOKE | {
    "backbone": ("vgg16",),
    "seeds": 2,
    "width": 0.25,
    "steps_per_round": 160,
    "learning_rate": 0.01,
}

AUGMENTED = {"augment": True, "dropout": 0.0}  # Table 2
PLAIN = {"augment": False, "dropout": 0.0}  # Table 6
DROPOUT = {"augment": True, "dropout": 0.25}  # Table 7
DESIGNS = {"augmented": AUGMENTED, "plain": PLAIN, "dropout": DROPOUT}


def grid(settings, **fixed):
    """The specs of all data sets, networks, seeds and methods, in this order of loops.

    Args:
        settings: `GridSettings`, or a dataclass with some of its fields.
        **fixed: more arguments of `ImageRun`, the same for every run.

    Returns:
        A list of specs.
    """
    common = shared(settings, ImageRun)
    cells = combinations(
        dataset=settings.dataset,
        backbone=settings.backbone,
        seed=range(settings.seeds),
        method=settings.method,
    )
    return [ImageRun(**common | cell | fixed).spec for cell in cells]


def accuracy_rows(records):
    """The methods of each data set and network against BL, with the design of their runs.

    Args:
        records: of image runs.

    Returns:
        What `summary` says of each method, with the entries `DESIGN` of its runs and the mean of
        their training accuracies.
    """
    columns = dict.fromkeys(DESIGN, first) | {"train_accuracy": fmean}
    return summary(records, ("dataset", "backbone", "method"), baseline="BL", **columns)


def design_notes(rows):
    """What the runs have in common that the paper has otherwise, as notes of a table."""
    if rows.empty:
        return ()
    paper = dataclasses.asdict(ImageRun("", "", ""))
    low = min(rows.itertuples(), key=lambda row: row.train_accuracy)
    reached = (
        f"Lowest mean training accuracy: {percent(low.train_accuracy)} % ({low.method}, "
        f"{low.dataset}, {low.backbone}), on images as they are."
    )
    return (*differences(rows[:1], DESIGN, lambda row: paper), reached)


DESIGN = {
    "image_size": "images of {0}x{0} pixels (224x224)",
    "train_size": "{} images of the training split (all)",
    "validation": "{:.0%} of them held out (10 %)",
    "test_size": "{} test images (all)",
    "batch_size": "batch {} (256)",
    "steps_per_round": "at most {} steps a round (100 000)",
    "learning_rate": "learning rate {} (0.003)",
}


def accuracy_experiment(item, title, design, cost):
    """The experiment of Table 2, 6 or 7.

    Args:
        item: "Table 2", "Table 6" or "Table 7".
        title: one line.
        design: of `DESIGNS`.
        cost: as `Experiment`.
    """

    def tables(rows):
        return [accuracy_table(rows, f"{item}: {title}", item, design_notes(rows))]

    return Experiment(
        paper=PAPER,
        item=item,
        title=title,
        sizes={
            "smoke": TableSettings(**SMOKE, steps_per_round=SMOKE_STEPS),
            "paper": TableSettings(),
        },
        cost=cost,
        runs=lambda settings: grid(settings, **design),
        summarize=accuracy_rows,
        tables=tables,
    )
