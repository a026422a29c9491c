"""What re-initialisation gains under label noise, all other regularisers in use and tuned.

Paper: Zaidi et al. 2022 (poster), "Re-initialization Under Label Noise".
Command: `python -m experiments run reinit_label_noise --size smoke`
Cost: smoke, 144 runs of a narrow ResNet-18 on 200 images, 39 seconds of a CPU core each: 1.5
hours, or half of that where two processes share the store. Paper, 324 runs of
70,000 steps: accelerators.

Augmentation, weight decay and a cosine schedule for every arm. A share of the labels is wrong,
drawn once by the seed. Each arm has, at each share, the learning rate and the weight decay of its
own with which it is best on held-out images in the mean over the seeds; their labels are as noisy
as those trained on, since whoever has noisy labels has no others to choose with. Test labels are
clean.

The grids and the shares are ours. Published as a picture only: the gain over standard training
grows with the noise, to more than 10 points.
"""

import dataclasses
import statistics

from experiments.engine.experiment import Experiment
from experiments.engine.settings import option
from experiments.papers.zaidi2022 import common
from experiments.report.statistics import grouped, percent
from experiments.report.tables import Cell, Table


@dataclasses.dataclass(frozen=True)
class Settings(common.GridSettings):
    """What the command line can change."""

    noise: tuple[float, ...] = option((0.0, 0.2, 0.4, 0.6), "shares of wrong labels", minimum=0.0)
    validation: float = option(0.1, "share of the images that is held out", minimum=0.0)


def runs(settings):
    """The grid of every arm at every share of wrong labels."""
    return [
        each
        for noise in settings.noise
        for each in common.grid(settings, noise=noise, validation=settings.validation)
    ]


def summarize(records):
    """One row a data set, network, noise and arm: the runs of the setting chosen for it."""
    place = ("dataset", "backbone", "noise")
    rows = []
    for members in grouped(records, *place).values():
        arms: dict = {}
        for record in members:
            arms.setdefault(common.arm_of(record), []).append(record)
        chosen = {arm: _best(same) for arm, same in arms.items()}
        of_place = [record for same in chosen.values() for record in same]
        for row in common.by_arm(of_place, *place):
            same = chosen[row["arm"]]
            rows.append(row | _setting(same) | {"settings": _settings(arms[row["arm"]])})
    return rows


def _best(records):
    """The runs of the learning rate and weight decay with the best validation accuracy."""
    return max(grouped(records, "learning_rate", "weight_decay").values(), key=_validation)


def _validation(records):
    return statistics.fmean(record["validation_accuracy"] for record in records)


def _setting(records):
    chosen = {name: records[0][name] for name in ("learning_rate", "weight_decay")}
    return chosen | {"validation_accuracy": _validation(records)}


def _settings(records):
    return len(grouped(records, "learning_rate", "weight_decay"))


def tables(rows):
    """One table a data set and network: a row for each share of wrong labels and arm."""
    header = (
        "noise", "arm", "accuracy", "gain", "won-lost", "rate", "decay", "validation",
    )  # fmt: skip
    found = []
    for (dataset, backbone), members in grouped(rows, "dataset", "backbone").items():
        body = []
        for noise, same in grouped(members, "noise").items():
            best = max(row["mean"] for row in same)
            body += [(f"{noise:.0%}", *_line(row, row["mean"] == best)) for row in same]
        counts = sorted({row["settings"] for row in members})
        tried = " to ".join(map(str, dict.fromkeys((counts[0], counts[-1]))))
        note = (
            f"Each arm has, of {tried} settings, the learning rate and weight decay with the best "
            "mean validation accuracy, whose labels are as noisy as those of training."
        )
        notes = (*common.notes(members), note)
        title = f"Label noise: {backbone} on {dataset}"
        found.append(Table(title, header, tuple(body), left=2, notes=notes))
    return found


def _line(row, best):
    return (
        row["arm"],
        common.score(row, best),
        Cell(percent(row.get("gain"), row.get("gain_deviation"), signed=True)),
        f"{row['wins']}-{row['losses']}" if "wins" in row else "-",
        f"{row['learning_rate']:g}",
        f"{row['weight_decay']:g}",
        percent(row["validation_accuracy"]),
    )


def figures(records):
    """Gain and accuracy against noise, one panel a data set and network."""
    rows = summarize(records)

    def drawing(values, y):
        panels = {
            f"{backbone} on {dataset}": common.series(
                members,
                line=lambda row: row["arm"],
                x=lambda row: row["noise"],
                values=values,
            )
            for (dataset, backbone), members in grouped(rows, "dataset", "backbone").items()
        }
        return common.lines(panels, "share of wrong labels", y)

    pictures = {
        "reinit_label_noise_gains": (
            "Gain over standard training against label noise, each arm tuned.",
            drawing("gains", "gain [points]"),
        ),
        "reinit_label_noise_accuracy": (
            "Test accuracy against label noise, each arm tuned.",
            drawing("accuracies", "test accuracy [%]"),
        ),
    }
    return common.drawable(pictures)


EXPERIMENT = Experiment(
    paper=common.PAPER,
    item="label noise",
    title="what re-initialisation gains under label noise",
    sizes={
        "smoke": Settings(
            **common.SMOKE | {"train_size": 300},
            epochs=80,
            learning_rates=(0.02, 0.1),
            weight_decays=(5e-4, 5e-3),
            validation=1 / 3,
        ),
        "paper": Settings(dataset=("cifar10",)),
    },
    cost={
        "smoke": "144 runs, 1.5 hours of a CPU core",
        "paper": "324 runs of 70,000 steps: accelerators",
    },
    runs=runs,
    summarize=summarize,
    tables=tables,
    figures=figures,
)
