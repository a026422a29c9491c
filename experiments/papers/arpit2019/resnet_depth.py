"""Accuracy of weight-normalised ResNets after one epoch, from shallow to very deep.

Paper: Arpit et al. 2019 (poster), ResNet depth.
Command: `python -m experiments run init_resnet_depth --size smoke`
Cost: smoke, 16 runs of 40 steps: 24 minutes of a CPU core, 20 of them for 999 blocks, of which 13
to build and trace that network once, in 3 GB (estimated). Paper, 48 runs of one epoch, the deepest
with 10,000 layers in 24 GB: accelerators.

A network has three stages of as many blocks of two convolutions each: `2 * blocks + 2` layers. The
poster's 10, 100, 1000 and 10,000 layers are, with the shortcuts counted, 3, 48, 498 and 4998
blocks. Deep ones recompute the activations of parts of the square root of their blocks, which
changes no number but saves memory. One learning rate for all; it, the filters and the batch are
ours. Published as a picture only: the proposed initialisation achieves similar accuracies for
varying depths up to 10,000 layers.
"""

import dataclasses
import math

from experiments.engine.experiment import Experiment
from experiments.engine.settings import combinations, option
from experiments.papers.arpit2019 import common
from experiments.papers.arpit2019.common import PAPER

DEEP = 99  # blocks from which on activations are recomputed


@dataclasses.dataclass(frozen=True)
class Settings(common.Settings):
    """What the command line can change."""

    arm: tuple[str, ...] = option(
        ("data-dependent", "PyTorch default, orthogonal", "Hanin", "proposed"),
        "arms",
        choices=tuple(common.ARMS),
    )
    blocks: tuple[int, ...] = option((3, 48, 498, 4998), "blocks, multiples of 3", minimum=3)
    epochs: int = option(1, "epochs of every run", minimum=1)
    learning_rate: float = option(0.01, "learning rate", minimum=1e-12)


def runs(settings):
    """Every depth, arm and seed; those of one depth together."""
    cells = combinations(
        dataset=settings.dataset,
        blocks=settings.blocks,
        arm=settings.arm,
        seed=range(settings.seeds),
    )
    specs = []
    for cell in cells:
        arm, blocks = cell.pop("arm"), cell.pop("blocks")
        cell |= {"network": "cifar_resnet", "depth": 2 * blocks + 2}
        cell["recompute"] = math.isqrt(blocks) if blocks >= DEEP else None
        specs.append(common.spec(settings, arm, **cell))
    return specs


def summarize(records):
    """One row a data set, depth and arm."""
    counted = [record | {"blocks": (record["depth"] - 2) // 2} for record in records]
    return common.by_arm(counted, "dataset", "network", "blocks")


def tables(rows):
    """Accuracies and divergences, one row a depth."""
    return common.over_depth(rows, "blocks")


def figures(records):
    """Accuracy over the number of blocks, one line an arm."""
    caption = "Test accuracy of ResNets after one epoch, over their residual blocks."
    return common.lines_over(summarize(records), "blocks", "init_resnet_depth", caption)


EXPERIMENT = Experiment(
    paper=PAPER,
    item="ResNet depth",
    title="accuracy of weight-normalised ResNets after one epoch",
    sizes={
        "smoke": Settings(
            dataset=("fashion_mnist",),
            seeds=1,
            width=0.25,
            image_size=8,
            train_size=2000,
            validation=0.0,
            test_size=1000,
            batch_size=50,
            blocks=(9, 30, 99, 999),
        ),
        "paper": Settings(),
    },
    cost={
        "smoke": "16 runs, 24 minutes of a CPU core (estimated)",
        "paper": "48 runs of one epoch, up to 10,000 layers: accelerators",
    },
    runs=runs,
    summarize=summarize,
    tables=tables,
    figures=figures,
)
