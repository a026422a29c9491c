"""Re-initialisation as regularisers are added: none, augmentation, weight decay, a schedule.

Paper: Zaidi et al. 2022 (poster), the table and "up to 25 times".
Command: `python -m experiments run reinit_ladder --size smoke`
Cost: smoke, 96 runs of a narrow ResNet-18 on 200 images, 60 seconds of a CPU core each: 1.6
hours, or half of that where two processes share the store. Paper,
468 runs of 78,000 steps: some 200 hours of an accelerator (a guess).

Five rungs: no regulariser; flips and crops; and weight decay; and a cosine in each round; and one
cosine over all epochs instead. On each: standard training, LW with one round a block, S&P with some
numbers of rounds, each of the two with self-distillation, too, and the born-again network, whose
rounds are new networks that learn from the one before. All have the same epochs.

The poster gives no learning rate, penalty, factor, distillation weight or epochs: these are ours.
Published, in %:

    row  LW          LW, distilled  S&P         S&P, distilled
    1    61.0 ± 0.6  62.5 ± 0.2     63.1 ± 0.6  63.5 ± 0.3
    2    72.1 ± 0.3  74.7 ± 0.2     71.9 ± 0.1  74.0 ± 0.6
    3    74.6 ± 0.5  75.4 ± 0.2     75.4 ± 0.3  75.4 ± 0.4
    4    77.5 ± 0.1  77.3 ± 0.3     77.5 ± 0.2  77.0 ± 0.3

The copy has lost the data set, the column of standard training and the labels of the rows; that
they are none, augmentation, weight decay, schedule is an inference. In words: without other
regularisers re-initialisation, even up to 25 times, improves generalisation considerably; with all
of them it does not.

Tiny ImageNet, the poster's other set, comes from a folder:
`--dataset folder:PATH --image-size 64 --backbone preact_resnet18`, its images arranged as
`PATH/train/CLASS/IMAGE` and `PATH/test/CLASS/IMAGE` (the images of its "val").
"""

import dataclasses
import itertools

from experiments.engine.experiment import Experiment, distinct
from experiments.engine.settings import combinations, option
from experiments.papers.zaidi2022 import common, published
from experiments.report.pictures import hundredfold, panels
from experiments.report.statistics import best, each, percent
from experiments.report.tables import Table, crossed

# What is added to no regulariser at all, one after the other.
RUNGS = ("none", "augmentation", "weight decay", "cosine a round", "cosine over all")
PRINTED = (*RUNGS[:3], "schedule")  # of the poster's rows, as inferred

TEACHERS = {False: "without distillation", True: "with distillation"}


@dataclasses.dataclass(frozen=True)
class Settings(common.Settings):
    """What the command line can change."""

    backbone: tuple[str, ...] = option(
        ("resnet18", "preact_resnet18"), "networks", choices=tuple(common.BLOCKS)
    )
    rung: tuple[str, ...] = option(RUNGS, "regularisers", choices=RUNGS)
    rounds: tuple[int, ...] = option((1, 5, 25), "rounds of S&P; 1 is standard", minimum=1)
    generations: int = option(5, "rounds of the born-again network", minimum=2)
    learning_rate: float = option(0.1, "learning rate at the start", minimum=0.0)
    weight_decay: float = option(5e-4, "weight decay, where there is one", minimum=1e-12)


def runs(settings):
    """Every arm on every rung and seed; those with one teacher or none together."""
    cells = combinations(
        dataset=settings.dataset,
        backbone=settings.backbone,
        distilled=(False, True),
        seed=range(settings.seeds),
        rung=settings.rung,
    )
    specs = []
    for cell in cells:
        arms = _arms(settings, cell["backbone"], cell.pop("distilled"))
        cell |= _regularisers(settings, cell.pop("rung"))
        cell["learning_rate"] = settings.learning_rate
        specs += [common.spec(settings, arm, **cell) for arm in arms]
    return distinct(specs)


def _arms(settings, backbone, distilled):
    rivals = [
        common.layerwise(backbone),
        *(common.shrink_perturb(settings, rounds) for rounds in settings.rounds),
    ]
    if not distilled:
        return [common.STANDARD, *rivals]
    if not settings.distillation:
        return []
    taught = [common.distilled(settings, arm) for arm in rivals]
    return [*taught, common.born_again(settings, settings.generations)]


def _regularisers(settings, rung):
    place = RUNGS.index(rung)
    return {
        "augment": place >= 1,
        "weight_decay": settings.weight_decay if place >= 2 else 0.0,
        "schedule": ("constant", "constant", "constant", "cosine per round", "cosine")[place],
    }


def _rungs(record):
    """Where a run stands: standard training has one cosine, which belongs to both."""
    if not record["augment"]:
        return RUNGS[:1]
    if record["schedule"] == "constant":
        return RUNGS[2:3] if record["weight_decay"] else RUNGS[1:2]
    if record["rounds"] == 1:
        return RUNGS[3:]
    return RUNGS[3:4] if record["schedule"] == "cosine per round" else RUNGS[4:]


def summarize(records):
    """One row a data set, network, rung and arm."""
    placed = [record | {"rung": rung} for record in records for rung in _rungs(record)]
    placed.sort(key=lambda record: RUNGS.index(record["rung"]))
    place = ("dataset", "backbone", "rung")
    return best(common.by_arm(placed, *place), *place)


def tables(rows):
    """For each data set and network accuracies and gains; then what was published."""
    found = []
    note = (
        "Each column has the regularisers of those left of it; the last has one cosine over "
        "all epochs in the place of one a round."
    )
    for (dataset, backbone), members in each(rows, "dataset", "backbone"):
        place, rungs = f"{backbone} on {dataset}", list(members["rung"].unique())
        taught = members.sort_values("distilled", kind="stable")
        for title, cell, shown, notes in (
            ("Ladder", common.score, taught, (*common.notes(members), note)),
            ("Gain over standard", common.gain, taught[taught["arm"] != common.BASELINE], PAIRED),
        ):
            title = f"{title}: {place}"
            found.append(crossed(title, shown, {"": "arm"}, "rung", rungs, cell, notes=notes))
    return [*found, _published()]


PAIRED = ("Paired by seed, in points.",)


def _published():
    printed = published.ladder()
    body = [
        (
            f"{method}{', distilled' if distilled else ''}",
            *(percent(*printed[row, method, distilled]) for row in range(1, 1 + len(PRINTED))),
        )
        for distilled, method in itertools.product((False, True), ("LW", "S&P"))
    ]
    notes = (
        "The copy of the poster has lost the data set, the column of standard training and the "
        "labels of the rows: that they are these, in this order, is an inference.",
    )
    header = ("", *(f"{number}: {name}?" for number, name in enumerate(PRINTED, start=1)))
    return Table("Published, on an unknown data set", header, tuple(body), notes=notes)


def figures(records):
    """Accuracy over the rounds of S&P, rung by rung; and what each arm gains on each rung."""
    rounds, gains = {}, {}
    for (dataset, backbone), members in each(summarize(records), "dataset", "backbone"):
        place, key = f"{backbone} on {dataset}", f"{dataset}_{backbone}"
        rounds[f"reinit_ladder_rounds_{key}"] = (
            f"{place}: test accuracy over the rounds of S&P; one round is standard training.",
            _over_rounds(members),
            "test accuracy [%]",
        )
        gains[f"reinit_ladder_gains_{key}"] = (
            f"{place}: gain over standard training as regularisers are added.",
            panels(
                [row for row in members.itertuples() if row.gains],
                panel=lambda row: TEACHERS[row.distilled],
                line=lambda row: f"{row.family}, {row.rounds} rounds",
                x=lambda row: RUNGS.index(row.rung),
                y=lambda row: hundredfold(row.gains),
            ),
            "gain [points]",
        )
    names = ", ".join(f"{number} {name}" for number, name in enumerate(RUNGS))
    return common.pictures(rounds, "rounds") | common.pictures(gains, names)


def _over_rounds(rows):
    """S&P with a teacher and without; standard training is the first round of both."""
    shown = []
    for rung, members in each(rows, "rung"):
        ordered = list(members.sort_values("rounds", kind="stable").itertuples())
        standard = [row for row in ordered if row.family == common.BASELINE]
        for distilled, teacher in TEACHERS.items():
            same = [r for r in ordered if r.family == "S&P" and r.distilled == distilled]
            shown += [
                {"rung": rung, "teacher": teacher, "rounds": row.rounds, "scores": row.scores}
                for row in (*standard, *same)
                if same
            ]
    return panels(shown, "rung", "teacher", "rounds", lambda row: hundredfold(row["scores"]))


EXPERIMENT = Experiment(
    paper=common.PAPER,
    item="the table",
    title="re-initialisation as regularisers are added",
    sizes={
        "smoke": Settings(**common.SMOKE, rung=RUNGS[:4]),
        "paper": Settings(),
    },
    cost={
        "smoke": "96 runs, 1.6 hours of a CPU core",
        "paper": "468 runs of 78,000 steps: accelerators",
    },
    runs=runs,
    summarize=summarize,
    tables=tables,
    figures=figures,
)
