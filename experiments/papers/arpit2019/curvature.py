"""The curvature of the training loss at the start, for each initialisation.

Paper: Arpit et al. 2019, curvature (a table of the poster).
Command: `python -m experiments run init_curvature --size smoke`
Cost: smoke, 18 runs of a narrow ResNet-56: 13 minutes of a CPU core. Paper, 24 runs
of WRN-40-10 and ResNet-164: accelerators.

The logarithm of the largest absolute eigenvalue of the Hessian, by 40 power iterations over a tenth
of the training images. Published, mean and deviation:

                            PyTorch default  data-dependent  Hanin        proposed
    CIFAR-10, WRN-40-10     4.68 +- 0.60     3.01 +- 0.02    7.14 +- 0.72 1.31 +- 0.12
    CIFAR-100, ResNet-164   9.56 +- 0.54     2.68 +- 0.09    N/A          1.56 +- 0.18

Neither the base of the logarithm nor the number of seeds is printed: natural here, and three. The
Hessian is in `g` and `v`, and its part in `v` goes with `1 / |v|^2`. A unit's `v` is about as long
as 1, but for PyTorch's default, which draws it 0.58 long: "PyTorch default, orthogonal" (ours) has
the same rule for `g` and the length of the others. The head is drawn by He's rule; by PyTorch's, as
in the authors' public program (github.com/victorcampos7/weightnorm-init), it would be smaller.
"""

import dataclasses
import math
from typing import Any

from experiments.engine.experiment import Experiment
from experiments.engine.settings import combinations, option
from experiments.papers.arpit2019 import networks, published
from experiments.papers.arpit2019.curvature_run import CurvatureRun
from experiments.report.pictures import drawing, panels
from experiments.report.statistics import best, each, first, number, percent, seeds_of, summary
from experiments.report.tables import Cell, differences, listed

NETWORKS: dict[str, dict[str, Any]] = {
    "WRN-40-10": {"network": "wide_resnet", "depth": 40, "width": 10.0},
    "ResNet-164": {"network": "cifar_resnet", "depth": 164, "width": 1.0},
    "ResNet-56": {"network": "cifar_resnet", "depth": 56, "width": 1.0},
}
SETS = {"WRN-40-10": "cifar10", "ResNet-164": "cifar100", "ResNet-56": "cifar10"}  # the paper's
PRINTED = ("WRN-40-10", "ResNet-164")
ARMS = ("PyTorch default", "data-dependent", "Hanin", "proposed")
DESIGN = {
    "multiplier": "{:g} of the filters (1)",
    "image_size": "images of {0}x{0} pixels (32x32)",
}
PAPER: dict[str, Any] = {"multiplier": 1, "image_size": None}
OURS = ("PyTorch default, orthogonal", "He, g = 1")


@dataclasses.dataclass(frozen=True)
class Settings:
    """What the command line can change: the defaults are the paper's."""

    network: tuple[str, ...] = option(PRINTED, "networks", tuple(NETWORKS))
    dataset: str | None = option(
        None, "TFDS name of an image set (default: the paper's for each network)", kind=str
    )
    arm: tuple[str, ...] = option(ARMS, "initialisations", choices=(*ARMS, *OURS))
    seeds: int = option(3, "number of seeds, from 0 (ours)", minimum=1)
    width: float = option(1.0, "multiplier of the filters", minimum=0.01)
    image_size: int | None = option(None, "side to resize images to", None, 8, int)
    images: int = option(5000, "training images", minimum=1)
    batch_size: int = option(128, "of them for the data-dependent scheme", minimum=2)
    iterations: int = option(40, "power iterations", minimum=2)


def runs(settings):
    """One run a network, arm and seed."""
    common = {
        name: getattr(settings, name)
        for name in ("image_size", "images", "batch_size", "iterations")
    }
    found = []
    for cell in combinations(
        network=settings.network, arm=settings.arm, seed=range(settings.seeds)
    ):
        name, arm = cell.pop("network"), networks.ARMS[cell.pop("arm")]
        cell |= NETWORKS[name] | {"width": NETWORKS[name]["width"] * settings.width}
        cell |= {"scheme": arm["scheme"], "v": arm["v"]}
        found.append(CurvatureRun(settings.dataset or SETS[name], **cell, **common).spec)
    return found


def summarize(records):
    """One row a data set, network and arm; "change" is the most that the last iteration added."""
    rows = summary(
        _named(records),
        ("dataset", "model", "arm"),
        score="log",
        change=("history", lambda runs: max(norms[-1] / norms[-2] - 1 for norms in runs)),
        **dict.fromkeys(("multiplier", "image_size", "images", "iterations"), first),
    )
    return best(rows, "dataset", "model", of=min)


def _named(records):
    """The runs, each with its "arm", its "model", a name in `NETWORKS`, and its "multiplier"."""
    models = {(model["network"], model["depth"]): name for name, model in NETWORKS.items()}
    found = []
    for run in networks.named(records):
        name = models[run["network"], run["depth"]]
        found.append(run | {"model": name, "multiplier": run["width"] / NETWORKS[name]["width"]})
    return found


def tables(rows):
    """One table a data set and network."""
    columns = {
        "arm": "arm",
        "log of the spectral norm": _score,
        "last iteration [%]": lambda row: percent(row.change, signed=True),
    }
    title = "Curvature at initialisation"
    return [
        listed(f"{title}: {model} on {dataset}", members, columns, notes=_notes(members))
        for (dataset, model), members in each(rows, "dataset", "model")
    ]


def _score(row):
    mean, spread = published.curvature().get((_printed(row.model), row.arm), (None, None))
    beside = "" if mean is None else number(mean, spread, ".2f")
    return Cell(number(row.mean, row.deviation, ".2f"), beside, best=row.best)


def _printed(model):
    """The network whose published numbers stand beside."""
    return model if model in PRINTED else PRINTED[0]


def _notes(rows):
    one = rows.iloc[0]
    found = [
        "Natural logarithm of the largest absolute eigenvalue of the Hessian in g and v, mean ± "
        f"standard deviation over {seeds_of(rows)}, from {one.images} training images without "
        f"augmentation and {one.iterations} power iterations; then by how much the last of them "
        "changed the eigenvalue, at most. The base of the published logarithm is not stated."
    ]
    if _printed(one.model) != one.model:
        found.append(f"Printed beside: {_printed(one.model)} on CIFAR-10.")
    return (*found, *differences(rows[:1], DESIGN, lambda row: PAPER))


def figures(records):
    """The course of the power iteration, one panel a data set and network."""
    steps = [
        run | {"iteration": iteration, "norm": norm}
        for run in _named(records)
        for iteration, norm in enumerate(run["history"], start=1)
    ]
    found = panels(
        steps,
        panel=lambda run: f"{run['model']}, {run['dataset']}",
        line="arm",
        x="iteration",
        y=lambda run: math.log(run["norm"]),
    )
    caption = "Log of the spectral norm after each power iteration."
    draw = drawing("lines", found, "iteration", "log of the spectral norm")
    return {"init_curvature": (caption, draw)} if found else {}


EXPERIMENT = Experiment(
    paper=networks.PAPER,
    item="curvature",
    title="largest eigenvalue of the Hessian at initialisation",
    sizes={
        "smoke": Settings(
            network=("ResNet-56",),
            dataset="cifar10_jpeg",
            arm=(*ARMS, *OURS),
            width=0.5,
            image_size=16,
            images=200,
            iterations=20,
        ),
        "paper": Settings(),
    },
    cost={
        "smoke": "18 runs of a narrow ResNet-56, 13 minutes of a CPU core",
        "paper": "24 runs of WRN-40-10 and ResNet-164: accelerators",
    },
    runs=runs,
    summarize=summarize,
    tables=tables,
    figures=figures,
)
