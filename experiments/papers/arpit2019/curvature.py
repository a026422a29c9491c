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
import statistics
from typing import Any

from experiments.engine.experiment import Experiment
from experiments.engine.settings import option
from experiments.papers.arpit2019 import networks, published
from experiments.papers.arpit2019.curvature_run import CurvatureRun
from experiments.report.statistics import deviation, grouped, percent, seeds_of
from experiments.report.tables import Cell, Table

NETWORKS: dict[str, dict[str, Any]] = {
    "WRN-40-10": {"network": "wide_resnet", "depth": 40, "width": 10.0},
    "ResNet-164": {"network": "cifar_resnet", "depth": 164, "width": 1.0},
    "ResNet-56": {"network": "cifar_resnet", "depth": 56, "width": 1.0},
}
SETS = {"WRN-40-10": "cifar10", "ResNet-164": "cifar100", "ResNet-56": "cifar10"}  # the paper's
PRINTED = ("WRN-40-10", "ResNet-164")
ARMS = ("PyTorch default", "data-dependent", "Hanin", "proposed")
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
    common: dict[str, Any] = {
        name: getattr(settings, name)
        for name in ("image_size", "images", "batch_size", "iterations")
    }
    found = []
    for name in settings.network:
        network = NETWORKS[name] | {"width": NETWORKS[name]["width"] * settings.width}
        dataset = settings.dataset or SETS[name]
        for arm in settings.arm:
            values = {key: networks.ARMS[arm][key] for key in ("scheme", "v")}
            found += [
                CurvatureRun(dataset, seed=seed, **network, **values, **common).spec
                for seed in range(settings.seeds)
            ]
    return found


def summarize(records):
    """One row a data set, network and arm; "change" is the most that the last iteration added."""
    rows = []
    for (dataset, network, depth), members in grouped(
        records, "dataset", "network", "depth"
    ).items():
        name = _name(network, depth)
        for arm, found in _by_arm(members).items():
            logs = [run["log"] for run in found]
            rows.append(
                {
                    "dataset": dataset,
                    "network": name,
                    "arm": arm,
                    "seeds": len(found),
                    "mean": statistics.fmean(logs),
                    "deviation": deviation(logs),
                    "change": max(run["history"][-1] / run["history"][-2] - 1 for run in found),
                    "multiplier": found[0]["width"] / NETWORKS[name]["width"],
                    **{key: found[0][key] for key in ("image_size", "images", "iterations")},
                }
            )
    return rows


def _name(network, depth):
    """The name in `NETWORKS`."""
    return next(
        name
        for name, values in NETWORKS.items()
        if (values["network"], values["depth"]) == (network, depth)
    )


def _by_arm(records):
    return grouped(networks.named(records), "arm")


def tables(rows):
    """One table a data set and network."""
    return [
        Table(
            f"Curvature at initialisation: {network} on {dataset}",
            ("arm", "log of the spectral norm", "last iteration [%]"),
            tuple(_line(row, members) for row in members),
            notes=_notes(members),
        )
        for (dataset, network), members in grouped(rows, "dataset", "network").items()
    ]


def _line(row, rivals):
    printed = published.curvature().get((_printed(row["network"]), row["arm"]))
    return (
        row["arm"],
        Cell(
            _spread(row["mean"], row["deviation"]),
            _spread(*printed) if printed else "",
            best=row["mean"] == min(other["mean"] for other in rivals),
        ),
        percent(row["change"], signed=True),
    )


def _printed(network):
    """The network whose published numbers stand beside."""
    return network if network in PRINTED else PRINTED[0]


def _spread(mean, spread):
    return f"{mean:.2f}" + ("" if spread is None else f" ± {spread:.2f}")


def _notes(rows):
    one = rows[0]
    found = [
        "Natural logarithm of the largest absolute eigenvalue of the Hessian in g and v, mean ± "
        f"standard deviation over {seeds_of(rows)}, from {one['images']} training images without "
        f"augmentation and {one['iterations']} power iterations; then by how much the last of them "
        "changed the eigenvalue, at most. The base of the published logarithm is not stated."
    ]
    if _printed(one["network"]) != one["network"]:
        found.append(f"Printed beside: {_printed(one['network'])} on CIFAR-10.")
    differs = []
    if one["multiplier"] != 1:
        differs.append(f"{one['multiplier']:g} of the filters (1)")
    if one["image_size"]:
        differs.append(f"images of {one['image_size']}x{one['image_size']} pixels (32x32)")
    if differs:
        found.append(f"Other than in the paper: {', '.join(differs)}.")
    return tuple(found)


def figures(records):
    """The course of the power iteration, one panel a data set and network."""
    if not records:
        return {}
    caption = "Log of the spectral norm after each power iteration."
    return {"init_curvature": (caption, lambda: _picture(records))}


def _picture(records):
    from keras_reinit.analysis import plots

    panels = {
        f"{_name(network, depth)}, {dataset}": {
            arm: {
                iteration: list(map(math.log, norms))
                for iteration, norms in enumerate(
                    zip(*(run["history"] for run in found), strict=True), start=1
                )
            }
            for arm, found in _by_arm(members).items()
        }
        for (dataset, network, depth), members in grouped(
            records, "dataset", "network", "depth"
        ).items()
    }
    return plots.lines(panels, "iteration", "log of the spectral norm")


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
