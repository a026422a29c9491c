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
import itertools
import statistics

from experiments.engine.experiment import Experiment
from experiments.engine.settings import option
from experiments.papers.arpit2019 import common
from experiments.papers.arpit2019.common import PAPER, TITLES
from experiments.papers.arpit2019.networks import NETWORKS, named
from experiments.report.statistics import grouped, percent
from experiments.report.tables import Cell, Table

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
    momenta: tuple[float, ...] = option((0.0, 0.9), "momenta", minimum=0.0)
    weight_decays: tuple[float, ...] = option((0.0, 1e-5, 1e-4, 1e-3), "weight decays", minimum=0.0)


def runs(settings):
    """Every arm and combination; those of one compiled network together."""
    cells = itertools.product(
        settings.dataset,
        settings.momenta,
        sorted(settings.weight_decays),
        settings.learning_rates,
        settings.arm,
        range(settings.seeds),
    )
    return [
        common.spec(
            settings,
            arm,
            dataset=dataset,
            weight_decay=decay,
            momentum=momentum,
            learning_rate=rate,
            seed=seed,
        )
        for dataset, momentum, decay, rate, arm, seed in cells
    ]


def summarize(records):
    """One row a data set, network and arm: its mean errors of all combinations, sorted."""
    rows = []
    place = ("dataset", "network", "depth", "arm")
    for values, members in grouped(named(records), *place).items():
        cells = grouped(members, "learning_rate", "momentum", "weight_decay").values()
        errors = sorted(
            statistics.fmean(1 - record["test_accuracy"] for record in runs) for runs in cells
        )
        chance = 1 - 1 / members[0]["classes"]
        rows.append(
            {
                **dict(zip(place, values, strict=True)),
                "seeds": min(map(len, cells)),
                "combinations": len(errors),
                "diverged": sum(record["diverged"] for record in members),
                "runs": len(members),
                "errors": errors,
                "best": errors[0],
                "median": statistics.median(errors),
                "worst": errors[-1],
                "learned": sum(error < LEARNS * chance for error in errors),
            }
        )
    return rows


def tables(rows):
    """One table a data set and network."""
    found = []
    header = ("arm", "best", "median", "worst", "learned", "diverged")
    for (dataset, network, depth), members in grouped(rows, "dataset", "network", "depth").items():
        lowest = {name: min(row[name] for row in members) for name in header[1:3]}
        body = tuple(
            (
                row["arm"],
                *(Cell(percent(row[n]), best=row[n] == lowest[n]) for n in lowest),
                percent(row["worst"]),
                f"{row['learned']} of {row['combinations']}",
                f"{row['diverged']} of {row['runs']}",
            )
            for row in members
        )
        seeds = members[0]["seeds"]
        note = (
            f"Test error in % after the last epoch, mean over {seeds} seed{'s' * (seeds > 1)}, "
            "over all combinations of learning rate, momentum and weight decay; how many "
            f"combinations have less than {LEARNS:g} of the error of chance; how many runs "
            "diverged, which count with the error of chance."
        )
        title = f"Robustness: {TITLES[network]} of {depth} layers on {dataset}"
        found.append(Table(title, header, body, notes=(note,)))
    return found


def figures(records):
    """Sorted errors, one line an arm, one panel a data set and network."""
    panels: dict = {}
    for row in summarize(records):
        panel = panels.setdefault(f"{TITLES[row['network']]}, {row['dataset']}", {})
        panel[row["arm"]] = {
            place: [100 * error] for place, error in enumerate(row["errors"], start=1)
        }

    def draw():
        from keras_reinit.analysis import plots

        return plots.lines(panels, "combinations, sorted", "test error [%]")

    caption = "Test error of each arm over its hyper-parameter combinations, sorted."
    return {"init_robustness": (caption, draw)} if panels else {}


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
