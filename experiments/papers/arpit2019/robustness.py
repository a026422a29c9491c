"""Test error over many hyper-parameters, sorted, of a deep MLP from several initialisations.

Paper: Arpit et al. 2019 (poster), robustness.
Command: `python -m experiments run init_robustness --size smoke`
Cost: smoke, 64 runs of 72 steps: 2 minutes of a CPU core (estimated). Paper, 192 runs of
84,000 steps: accelerators.

Learning rate, momentum and weight decay on a grid; each arm's test errors in ascending order. The
poster shows some 47 combinations and names none: network and grid are ours. A run that diverges
counts with the error of chance. Published as a picture only: the proposed initialisation is more
robust to hyper-parameters.
"""

import dataclasses
import statistics

from experiments.engine.experiment import Experiment
from experiments.engine.settings import combinations, option
from experiments.papers.arpit2019 import common
from experiments.papers.arpit2019.common import PAPER, TITLES
from experiments.papers.arpit2019.networks import NETWORKS, named
from experiments.report.pictures import drawing
from experiments.report.statistics import each, first, frame, percent, summary
from experiments.report.tables import Cell, listed

VARIED = ("learning_rate", "momentum", "weight_decay")
LEARNS = 0.5  # of the error of chance: a run below it has learned something


@dataclasses.dataclass(frozen=True)
class Settings(common.Settings):
    """What the command line can change."""

    dataset: tuple[str, ...] = option(("mnist",), "TFDS names of image sets, or digits")
    network: str = option("mlp", "network", choices=NETWORKS)
    depth: int = option(20, "its layers", minimum=1)
    width: float = option(500.0, "units of an MLP, else multiplier of filters", minimum=0.01)
    arm: tuple[str, ...] = option(
        ("data-dependent, He", "data-dependent", "proposed, He", "proposed"),
        "arms",
        choices=tuple(common.ARMS),
    )
    seeds: int = option(1, "number of seeds, from 0", minimum=1)
    learning_rates: tuple[float, ...] = option(
        (0.0003, 0.001, 0.003, 0.01, 0.03, 0.1), "learning rates", minimum=1e-12
    )
    momenta: tuple[float, ...] = option((0.0, 0.9), "momenta", minimum=0.0, below=1)
    weight_decays: tuple[float, ...] = option((0.0, 1e-5, 1e-4, 1e-3), "weight decays", minimum=0.0)


def runs(settings):
    """Every arm and combination; those of one compiled network together."""
    cells = combinations(
        dataset=settings.dataset,
        momentum=settings.momenta,
        weight_decay=sorted(settings.weight_decays),
        learning_rate=settings.learning_rates,
        arm=settings.arm,
        seed=range(settings.seeds),
    )
    return [common.spec(settings, cell.pop("arm"), **cell) for cell in cells]


def summarize(records):
    """One row a data set, network and arm: its mean errors of all combinations, sorted."""
    place = ("dataset", "network", "depth", "arm")
    runs = [run | {"error": 1 - run["test_accuracy"]} for run in named(records)]
    columns = {"runs": ("seed", len), "diverged": sum, "classes": first}
    combined = summary(runs, (*place, *VARIED), score="error", **columns)
    rows = []
    for values, members in each(combined, *place):
        errors = sorted(members["mean"])
        row = dict(zip(place, values, strict=True))
        row |= {"seeds": min(members["seeds"]), "combinations": len(errors)}
        row |= {name: sum(members[name]) for name in ("diverged", "runs")}
        row |= {"errors": errors, "lowest": errors[0], "median": statistics.median(errors)}
        chance = 1 - 1 / members["classes"].iloc[0]
        row |= {"worst": errors[-1], "learned": sum(error < LEARNS * chance for error in errors)}
        rows.append(row)
    return frame(rows)


def tables(rows):
    """One table a data set and network."""
    found = []
    for (dataset, network, depth), members in each(rows, "dataset", "network", "depth"):
        lowest, median = min(members["lowest"]), min(members["median"])
        columns = {
            "arm": "arm",
            "best": lambda row, top=lowest: Cell(percent(row.lowest), best=row.lowest == top),
            "median": lambda row, top=median: Cell(percent(row.median), best=row.median == top),
            "worst": lambda row: percent(row.worst),
            "learned": lambda row: f"{row.learned} of {row.combinations}",
            "diverged": lambda row: f"{row.diverged} of {row.runs}",
        }
        seeds = members["seeds"].iloc[0]
        note = (
            f"Test error in % after the last epoch, mean over {seeds} seed{'s' * (seeds > 1)}, "
            "over all combinations of learning rate, momentum and weight decay; how many "
            f"combinations have less than {LEARNS:g} of the error of chance; how many runs "
            "diverged, which count with the error of chance."
        )
        title = f"Robustness: {TITLES[network]} of {depth} layers on {dataset}"
        found.append(listed(title, members, columns, notes=(note,)))
    return found


def figures(records):
    """Sorted errors, one line an arm, one panel a data set and network."""
    found: dict = {}
    for row in summarize(records).itertuples():
        panel = found.setdefault(f"{TITLES[row.network]}, {row.dataset}", {})
        panel[row.arm] = {k: [100 * error] for k, error in enumerate(row.errors, start=1)}
    caption = "Test error of each arm over its hyper-parameter combinations, sorted."
    draw = drawing("lines", found, "combinations, sorted", "test error [%]")
    return {"init_robustness": (caption, draw)} if found else {}


EXPERIMENT = Experiment(
    paper=PAPER,
    item="robustness",
    title="test error over hyper-parameters, sorted",
    sizes={
        "smoke": Settings(
            depth=10,
            width=100.0,
            train_size=2000,
            test_size=1000,
            epochs=2,
            learning_rates=(0.001, 0.003, 0.01, 0.03),
            batch_size=50,
            weight_decays=(0.0, 1e-3),
        ),
        "paper": Settings(),
    },
    cost={
        "smoke": "64 runs, 2 minutes of a CPU core (estimated)",
        "paper": "192 runs of 84,000 steps: accelerators",
    },
    runs=runs,
    summarize=summarize,
    tables=tables,
    figures=figures,
)
