"""Test error of weight-normalised residual networks on CIFAR, beside batch normalisation.

Paper: Arpit et al. 2019 (poster), CIFAR table.
Command: `python -m experiments run init_table --size smoke`
Cost: smoke, 8 runs of a narrow ResNet-56 of 90 steps: 2 minutes of a CPU core (estimated). Paper,
48 runs of 64,000 or 70,000 steps: accelerators.

Test error in %, published:

    network              data-dependent  proposed      + warm-up     BN            Shang et al.
    ResNet-56            9.19 ± 0.24     7.87 ± 0.14   7.20 ± 0.12   6.97
    ResNet-110           9.33 ± 0.10     7.71 ± 0.14   6.69 ± 0.11   6.61 ± 0.16   7.46
    WRN-40-10, cutout    6.10 ± 0.23     4.74 ± 0.14   4.75 ± 0.08   3.53 ± 0.38
    ResNet-164, cutout   30.26 ± 0.51    27.30 ± 0.49  25.31 ± 0.26  25.52 ± 0.17

The last is on CIFAR-100, the others on CIFAR-10. BN of ResNet-56 and ResNet-110 is He et al.'s,
that of the others the authors', from orthogonal kernels, with which all of ours begin. ResNet-164
has 6 n + 2 layers of basic blocks like the others.

The poster says that warm-up allows larger learning rates, and gives neither these nor schedules:
0.01, with warm-up and BN 0.1, over 182 or, of WRN, 200 epochs, with the steps of the authors'
program, and weight decay are ours. Augmented; a tenth of the training images is held out, as in
that program, and the weights after the last epoch are scored.
"""

import dataclasses

from experiments.engine.experiment import Experiment
from experiments.engine.settings import combinations, option
from experiments.papers.arpit2019 import common, published
from experiments.papers.arpit2019.common import PAPER
from experiments.papers.arpit2019.networks import arm_of
from experiments.report.statistics import best, first, number, percent, seeds_of, summary
from experiments.report.tables import MISSING, Cell, crossed, differences

RESNET = {
    "network": "cifar_resnet",
    "width": 1.0,
    "epochs": 182,
    "weight_decay": 1e-4,
    "decay_epochs": (91, 136),
    "decay": 0.1,
    "dataset": "cifar10",
}
WIDE = {
    "network": "wide_resnet",
    "width": 10.0,
    "epochs": 200,
    "weight_decay": 5e-4,
    "decay_epochs": (60, 120, 160),
    "decay": 0.2,
    "dataset": "cifar10",
}
CUTOUT = {"cutout": 16}  # a hole of 16 pixels in 32
MODELS = {
    "ResNet-56": RESNET | {"depth": 56},
    "ResNet-110": RESNET | {"depth": 110},
    "WRN-40-10": WIDE | CUTOUT | {"depth": 40},
    "ResNet-164": RESNET | CUTOUT | {"depth": 164, "dataset": "cifar100"},
}
# Arm, and whether its learning rate is the large one, and begins with the warm-up.
METHODS = {
    "data-dependent": ("data-dependent", False, False),
    "proposed": ("proposed", False, False),
    "proposed, warm-up": ("proposed", True, True),
    "BN": ("BN", True, False),
}
OTHERS = "Shang et al."


@dataclasses.dataclass(frozen=True)
class Settings:
    """What the command line can change."""

    model: tuple[str, ...] = option(tuple(MODELS), "networks", choices=tuple(MODELS))
    method: tuple[str, ...] = option(tuple(METHODS), "methods", choices=tuple(METHODS))
    cifar10: str = option("cifar10", "TFDS name of what stands for CIFAR-10")
    seeds: int = option(3, "number of seeds, from 0", minimum=1)
    share: float = option(1.0, "share of the filters of each network", minimum=0.01)
    image_size: int | None = option(
        None, "side of the square that images are resized to (default: as they are)", None, 4, int
    )
    train_size: int | None = option(
        None, "images of the training split, drawn by the seed (default: all)", None, 2, int
    )
    test_size: int | None = option(None, "first test images (default: all)", None, 1, int)
    batch_size: int = option(128, "images of a batch", minimum=1)
    epochs: int | None = option(None, "epochs of every run (default: 182 or 200)", None, 1, int)
    learning_rate: float = option(0.01, "learning rate", minimum=1e-12)
    large_rate: float = option(0.1, "learning rate with warm-up, and of BN", minimum=1e-12)
    warmup: float = option(1.0, "epochs of warm-up", minimum=0.01)


def runs(settings):
    """Every network, method and seed; those of one compiled network together."""
    cells = combinations(model=settings.model, method=settings.method, seed=range(settings.seeds))
    return [_spec(settings, **cell) for cell in cells]


def _spec(settings, model, method, seed):
    arguments: dict = dict(MODELS[model])
    arm, large, warm = METHODS[method]
    if settings.epochs is not None:
        scale = settings.epochs / arguments["epochs"]
        steps = tuple(max(1, round(epoch * scale)) for epoch in arguments["decay_epochs"])
        arguments |= {"epochs": settings.epochs, "decay_epochs": steps}
    if settings.image_size is not None and "cutout" in arguments:
        arguments["cutout"] = settings.image_size // 2
    if arguments["dataset"] == "cifar10":
        arguments["dataset"] = settings.cifar10
    arguments["width"] *= settings.share
    rate = settings.large_rate if large else settings.learning_rate
    arguments |= {"learning_rate": rate, "warmup": settings.warmup if warm else 0.0}
    return common.spec(settings, arm, seed=seed, augment=True, **arguments)


def summarize(records):
    """One row a network and method."""
    runs = []
    for run in records:
        model = _model(run)
        share = run["width"] / MODELS[model]["width"]
        runs.append(run | {"model": model, "method": _method(run), "share": share})
    columns = dict.fromkeys(DESIGN, first) | {"diverged": sum}
    rows = summary(runs, ("dataset", "model", "method"), **columns)
    return best(rows, "dataset", "model")


def _model(record):
    place = record["network"], record["depth"]
    return next(
        name for name, model in MODELS.items() if (model["network"], model["depth"]) == place
    )


def _method(record):
    arm = arm_of(record)
    return f"{arm}, warm-up" if record["warmup"] else arm


def tables(rows):
    """Test errors, the paper's beside them."""
    lines = {"network": "model", "data set": "dataset"}
    methods = (*METHODS, OTHERS)
    title = "CIFAR table: test error"
    return [crossed(title, rows, lines, "method", methods, _error, notes=_notes(rows))]


def _error(row, key):
    model, _, method = key
    mean, spread = published.errors().get((model, method), (None, None))
    beside = "" if mean is None else _percent(mean, spread)
    if row is None:
        return Cell(MISSING, beside)
    return Cell(percent(1 - row.mean, row.deviation), beside, row.best, common.mark(row))


def _percent(mean, spread):
    return number(100 * mean, None if spread is None else 100 * spread, ".2f")


def _notes(rows):
    if rows.empty:
        return ()
    found = (
        f"Test error in % after the last epoch, mean ± standard deviation over {seeds_of(rows)}; "
        "beside it the poster's."
    )
    if any(rows["diverged"]):
        found += " ° some runs diverged: they count with the error of chance."
    return (found, *differences(rows, DESIGN, _paper))


def _paper(row):
    whole = {"share": 1, "image_size": None, "train_size": None}
    return whole | {"epochs": MODELS[row["model"]]["epochs"]}


DESIGN = {
    "share": "{:g} of the filters",
    "image_size": "images of {0}x{0} pixels (32x32)",
    "train_size": "{} images of the training split, a tenth of them held out (50 000)",
    "epochs": "{} epochs (182, of WRN 200)",
}


EXPERIMENT = Experiment(
    paper=PAPER,
    item="CIFAR table",
    title="test error of weight-normalised residual networks",
    sizes={
        "smoke": Settings(
            model=("ResNet-56",),
            cifar10="cifar10_jpeg",
            seeds=2,
            share=0.25,
            image_size=8,
            train_size=1000,
            test_size=1000,
            batch_size=50,
            epochs=5,
        ),
        "paper": Settings(),
    },
    cost={
        "smoke": "8 runs, 2 minutes of a CPU core (estimated)",
        "paper": "48 runs of 64,000 or 70,000 steps: accelerators",
    },
    runs=runs,
    summarize=summarize,
    tables=tables,
)
