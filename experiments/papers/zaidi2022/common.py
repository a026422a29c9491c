"""What the experiments of Zaidi et al. 2022 share: settings, arms, and how they are compared.

An arm is standard training or a method of re-initialisation with a number of rounds: one has one
re-initialisation less than rounds. All arms have the same epochs, batches and seeds.
"""

import dataclasses
from statistics import fmean
from typing import Any

from experiments.engine.settings import combinations, option
from experiments.papers.zaidi2022.regularized_run import BLOCKS, SCHEDULES, RegularizedRun
from experiments.report.pictures import drawing
from experiments.report.statistics import first, percent, seeds_of, summary
from experiments.report.tables import MISSING, Cell, gained

PAPER = "Zaidi et al. 2022"
BASELINE, BORN_AGAIN = "standard", "born again"
STANDARD = {"method": "BL", "rounds": 1}


@dataclasses.dataclass(frozen=True)
class Settings:
    """What the command line can change everywhere: the poster gives no number, these are ours."""

    dataset: tuple[str, ...] = option(
        ("cifar10", "cifar100"), "TFDS names of image sets, digits, or folder:PATH"
    )
    backbone: tuple[str, ...] = option(("resnet18",), "networks", choices=tuple(BLOCKS))
    width: float = option(1.0, "multiplier of the filters of the residual networks", minimum=0.01)
    image_size: int | None = option(
        None, "side of the square that images are resized to (default: as they are)", None, 4, int
    )
    seeds: int = option(3, "number of seeds, from 0", minimum=1)
    train_size: int | None = option(
        None, "images of the training split, drawn by the seed (default: all)", None, 2, int
    )
    test_size: int | None = option(None, "first test images (default: all)", None, 1, int)
    epochs: int = option(200, "epochs of every run, a multiple of its rounds", minimum=1)
    batch_size: int = option(128, "images of a batch", minimum=1)
    shrink: float = option(0.4, "S&P's factor on the weights", minimum=0.0)
    perturb: float = option(0.1, "S&P's factor on the fresh draw", minimum=0.0)
    distillation: float = option(1.0, "weight of self-distillation", minimum=0.0)
    temperature: float = option(2.0, "temperature of self-distillation", minimum=0.01)


@dataclasses.dataclass(frozen=True)
class GridSettings(Settings):
    """Likewise, where every arm is tried with each learning rate and each weight decay."""

    learning_rates: tuple[float, ...] = option((0.01, 0.03, 0.1), "learning rates", minimum=0.0)
    weight_decays: tuple[float, ...] = option((1e-4, 5e-4, 1e-3), "weight decays", minimum=0.0)
    rounds: int = option(5, "rounds of S&P", minimum=2)
    schedule: str = option("cosine per round", "learning-rate schedule", choices=SCHEDULES)
    distillation: float = option(0.0, "weight of self-distillation; 0 for none", minimum=0.0)


# A size for two CPU cores: few and small images, a narrow network.
SMOKE: dict[str, Any] = {
    "dataset": ("fashion_mnist",),
    "backbone": ("resnet18",),
    "width": 0.125,
    "image_size": 16,
    "train_size": 200,
    "test_size": 2000,
    "batch_size": 20,
}


def spec(settings, arm, **changes):
    """The spec of one run.

    Args:
        settings: `Settings`, or a dataclass with these fields and some more of a run.
        arm: dict of arguments of `RegularizedRun`, "method" and "rounds" among them.
        **changes: more of them.
    """
    common = {name: getattr(settings, name) for name in COMMON if hasattr(settings, name)}
    run = RegularizedRun(**common | arm | changes)
    if run.backbone == "scnn":  # of one width; batch statistics would lag behind short rounds
        run = dataclasses.replace(run, norm="group", width=1.0)
    if run.rounds == 1 and run.schedule == "cosine per round":
        run = dataclasses.replace(run, schedule="cosine")  # which is the same
    return run.spec


COMMON = ("width", "image_size", "train_size", "validation", "test_size", "epochs", "batch_size")


def layerwise(backbone):
    """LW with one round for each block."""
    return {"method": "LW", "rounds": BLOCKS[backbone]}


def shrink_perturb(settings, rounds):
    """S&P; with one round it is standard training."""
    if rounds == 1:
        return STANDARD
    factors = {"shrink": settings.shrink, "perturb": settings.perturb}
    return {"method": "S&P", "rounds": rounds, **factors}


def distilled(settings, arm):
    """An arm whose rounds learn from the ones before; standard training has none before."""
    if arm["rounds"] == 1 or not settings.distillation:
        return arm
    return arm | {"distillation": settings.distillation, "temperature": settings.temperature}


def born_again(settings, rounds):
    """Each round a new network that learns from the one before."""
    return distilled(settings, {"method": "S&P", "rounds": rounds, "shrink": 0.0, "perturb": 1.0})


def arm_of(record):
    """The name of a run's arm: "standard" or such as "S&P, 5 rounds, distilled"."""
    family = family_of(record)
    if family == BASELINE:
        return BASELINE
    taught = record["distillation"] and family != BORN_AGAIN
    return f"{family}, {record['rounds']} rounds" + ", distilled" * bool(taught)


def family_of(record):
    """What a run's arm does between rounds: "standard", the method's letters or "born again"."""
    if record["method"] == "BL":
        return BASELINE
    fresh = record["method"] == "S&P" and (record["shrink"], record["perturb"]) == (0, 1)
    return BORN_AGAIN if fresh and record["distillation"] else record["method"]


def grid(settings, **fixed):
    """The specs of standard training, LW and S&P with all regularisers, over a grid.

    Args:
        settings: `GridSettings`.
        **fixed: more arguments of `RegularizedRun`, the same for every run.
    """
    cells = combinations(
        dataset=settings.dataset,
        backbone=settings.backbone,
        learning_rate=settings.learning_rates,
        weight_decay=settings.weight_decays,
        seed=range(settings.seeds),
    )
    common = {"schedule": settings.schedule, "augment": True, **fixed}
    return [
        spec(settings, arm, **cell, **common)
        for cell in cells
        for arm in _compared(settings, cell["backbone"])
    ]


def _compared(settings, backbone):
    rivals = (layerwise(backbone), shrink_perturb(settings, settings.rounds))
    return [STANDARD, *(distilled(settings, arm) for arm in rivals)]


def by_arm(records, *place, **columns):
    """The arms at each place against standard training there, paired by seed.

    Args:
        records: of the task `regularized`.
        *place: names of entries, two or more, in which runs that are compared agree.
        **columns: as `summary`.

    Returns:
        What `summary` says: of each "arm" its "family", "rounds" and whether it is "distilled", the
        mean training accuracy, and how many runs diverged, too.
    """
    return summary(
        named(records),
        (*place, "arm"),
        baseline=BASELINE,
        family=first,
        rounds=first,
        distilled=("distillation", lambda weights: bool(weights[0])),
        train_accuracy=fmean,
        diverged=sum,
        **columns,
    )


def named(records):
    """The runs, a list of dicts, each with "arm" and "family"."""
    return [run | {"arm": arm_of(run), "family": family_of(run)} for run in records]


def score(row, _=None):
    """A cell: test accuracy in %, with its mark; "-" where there is no row."""
    if row is None:
        return Cell(MISSING)
    return Cell(percent(row.mean, row.deviation), best=row.best, mark=_mark(row))


def gain(row, _=None):
    """A cell: what an arm gains over standard training, in points."""
    if row is None or row.gain is None:
        return Cell(MISSING)
    return Cell(gained(row), mark=_mark(row))


def _mark(row):
    return "°" if row.diverged else "*" if row.significant else ""


def notes(rows):
    """What the numbers are; which marks there may be.

    Args:
        rows: what `by_arm` returns, at least one row.

    Returns:
        A tuple of paragraphs.
    """
    low = min(rows.itertuples(), key=lambda row: row.train_accuracy)
    found: tuple = (
        f"Test accuracy in %, mean ± standard deviation over {seeds_of(rows)}, after the "
        "last epoch; the same epochs for all. n rounds have n - 1 re-initialisations. * better "
        "than standard training by the exact one-sided sign test over seeds, Holm's correction "
        "over the arms, 5 % level.",
        f"Lowest mean training accuracy: {percent(low.train_accuracy)} % ({low.arm}), with "
        "the labels that were trained on.",
    )
    if diverged := sum(rows["diverged"]):
        found += (f"° runs that diverged count with the accuracy of chance: {diverged}.",)
    return found


def pictures(found, x):
    """The pictures that have something to draw.

    Args:
        found: dict {name: (caption, panels, y)}: panels as `plots.lines` draws them.
        x: what the x axis is.
    """
    return {
        name.replace(":", "_"): (caption, drawing("lines", panels, x, y))
        for name, (caption, panels, y) in found.items()
        if panels
    }
