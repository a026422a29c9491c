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
from statistics import fmean

from experiments.engine.experiment import Experiment
from experiments.engine.settings import option
from experiments.papers.zaidi2022 import common
from experiments.report.pictures import hundredfold, panels
from experiments.report.statistics import best, chosen, each, first, percent, span
from experiments.report.tables import gained, listed, won_lost

PLACE = ("dataset", "backbone", "noise")


@dataclasses.dataclass(frozen=True)
class Settings(common.GridSettings):
    """What the command line can change."""

    noise: tuple[float, ...] = option((0.0, 0.2, 0.4, 0.6), "shares of wrong labels", minimum=0.0)
    validation: float = option(0.1, "share of the images that is held out", minimum=0.0, below=1)


def runs(settings):
    """The grid of every arm at every share of wrong labels."""
    return [
        each
        for noise in settings.noise
        for each in common.grid(settings, noise=noise, validation=settings.validation)
    ]


def summarize(records):
    """One row a data set, network, noise and arm: the runs of the setting chosen for it."""
    runs = chosen(common.named(records), (*PLACE, "arm"), ("learning_rate", "weight_decay"))
    columns: dict = {"validation_accuracy": fmean}
    columns |= dict.fromkeys(("learning_rate", "weight_decay", "settings"), first)
    return best(common.by_arm(runs.to_dict("records"), *PLACE, **columns), *PLACE)


def tables(rows):
    """One table a data set and network: a row for each share of wrong labels and arm."""
    columns = {
        "noise": lambda row: f"{row.noise:.0%}",
        "arm": "arm",
        "accuracy": common.score,
        "gain": gained,
        "won-lost": won_lost,
        "rate": lambda row: f"{row.learning_rate:g}",
        "decay": lambda row: f"{row.weight_decay:g}",
        "validation": lambda row: percent(row.validation_accuracy),
    }
    found = []
    for (dataset, backbone), members in each(rows, "dataset", "backbone"):
        note = (
            f"Each arm has, of {span(members['settings'])} settings, the learning rate and weight "
            "decay with the best mean validation accuracy, whose labels are as noisy as those of "
            "training."
        )
        title, notes = f"Label noise: {backbone} on {dataset}", (*common.notes(members), note)
        found.append(listed(title, members, columns, left=2, notes=notes))
    return found


def figures(records):
    """Gain and accuracy against noise, one panel a data set and network."""
    rows = list(summarize(records).itertuples())

    def drawn(rows, values):
        return panels(
            rows,
            panel=lambda row: f"{row.backbone} on {row.dataset}",
            line="arm",
            x="noise",
            y=lambda row: hundredfold(getattr(row, values)),
        )

    found = {
        "reinit_label_noise_gains": (
            "Gain over standard training against label noise, each arm tuned.",
            drawn([row for row in rows if row.gains], "gains"),
            "gain [points]",
        ),
        "reinit_label_noise_accuracy": (
            "Test accuracy against label noise, each arm tuned.",
            drawn(rows, "scores"),
            "test accuracy [%]",
        ),
    }
    return common.pictures(found, "share of wrong labels")


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
