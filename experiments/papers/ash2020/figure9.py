"""Pre-training on one data set, then training on some of another.

Paper: Ash & Adams 2020, Figures 9, 27 to 31.
Command: `python -m experiments run warm_figure9 --size smoke`
Cost: small size 27 runs, paper's 975: every ordered pair of three sets, five shares of the second
one, random, warm, and shrink-perturb 0.3 with five scales of noise (Figure 9 has 1e-4).

Published as pictures only. Which shares and, in Figures 27 to 31, which factors they have cannot be
read: these are ours. `--shrink` has more of them.
"""

import dataclasses
import itertools

from experiments.engine.experiment import Experiment
from experiments.engine.settings import option
from experiments.papers.ash2020 import common
from experiments.report.statistics import grouped
from experiments.report.tables import Table


@dataclasses.dataclass(frozen=True)
class Settings(common.Settings):
    """What the command line can change."""

    source: tuple[str, ...] = option(
        ("cifar10", "svhn_cropped", "cifar100"), "sets to begin with, by their TFDS names"
    )
    dataset: tuple[str, ...] = option(
        ("cifar10", "svhn_cropped", "cifar100"), "sets to go on with, by their TFDS names"
    )
    first: tuple[float, ...] = option(
        (0.1, 0.3, 0.5, 0.7, 1.0), "shares of the second set", minimum=0.001
    )
    shrink: tuple[float, ...] = option((0.3,), "factors on the weights", minimum=0.0)
    perturb: tuple[float, ...] = option(
        (1e-5, 1e-4, 1e-3, 1e-2, 1e-1), "factors on the fresh draw", minimum=0.0
    )
    optimizer: str = option("adam", "optimizer", choices=("sgd", "adam"))


def runs(settings):
    """Random, warm and shrink-perturb starts for each pair of different sets and each share."""
    cells = itertools.product(
        settings.dataset, settings.network, range(settings.seeds), settings.first
    )
    starts = [{"strategy": "warm", "shrink": 1.0, "perturb": 0.0}] + [
        {"strategy": "shrink_perturb", "shrink": shrink, "perturb": perturb}
        for shrink, perturb in itertools.product(settings.shrink, settings.perturb)
    ]
    specs = []
    for dataset, network, seed, first in cells:
        chosen = {"dataset": dataset, "network": network, "seed": seed, "first": first}
        chosen |= {"scheme": "transfer", "source": None}
        scratch = {"strategy": "random", "shrink": 1.0, "perturb": 0.0}
        specs.append(common.run(settings, **chosen | scratch))
        specs += [
            common.run(settings, **chosen | start | {"source": source})
            for source in settings.source
            if source != dataset
            for start in starts
        ]
    return specs


def summarize(records):
    """One row a pair of sets, share and start; a random start stands with every source."""
    rows = []
    for (dataset, network), members in grouped(records, "dataset", "network").items():
        sources = grouped(members, "source")
        scratch = grouped(sources.pop(None, []), "first")
        for source, found in sources.items():
            for first, same in grouped(found, "first").items():
                place = {"source": source, "dataset": dataset, "network": network, "first": first}
                starts = {"random": scratch.get(first, [])} | _starts(same)
                rows += [
                    place | {"start": start} | common.measured(each)
                    for start, each in starts.items()
                    if each
                ]
    return rows


def _starts(records):
    """Records by the name of their start."""
    found: dict = {}
    for record in records:
        name = "warm"
        if record["strategy"] == "shrink_perturb":
            name = f"{record['shrink']:g}, {record['perturb']:g}"
        found.setdefault(name, []).append(record)
    return found


def tables(rows):
    """One table a pair of sets: a row a share, a column a start."""
    found = []
    for place, members in grouped(rows, "source", "dataset", "network").items():
        source, dataset, network = place
        starts = list(dict.fromkeys(row["start"] for row in members))
        body = []
        for first, same in grouped(members, "first").items():
            cells = {row["start"]: row for row in same}
            best = max(row["mean"] for row in same)
            scores = [
                common.score(cells.get(start), best=cells.get(start, {}).get("mean") == best)
                for start in starts
            ]
            body.append((f"{100 * first:g} %", *scores))
        title = f"Figure 9: {common.TITLES[network]}, {source}, then {dataset}"
        notes = (
            "Starts other than random and warm: factor on the weights, factor on the fresh draw.",
            *common.notes(members),
        )
        found.append(Table(title, (f"of {dataset}", *starts), tuple(body), notes=notes))
    return found


def figures(records):
    """Accuracy against the share of the second set, one picture for each scale of noise."""
    scales = sorted({r["perturb"] for r in records if r["strategy"] == "shrink_perturb"})
    return {
        f"warm_figure9_noise_{scale:g}": (
            f"Accuracy after pre-training, noise scale {scale:g}.",
            _drawing(records, scale),
        )
        for scale in scales
    }


def _drawing(records, scale):
    def draw():
        from keras_reinit.analysis import plots

        kept = [
            record
            for record in records
            if record["strategy"] != "shrink_perturb" or record["perturb"] == scale
        ]
        panels: dict = {}
        for row in summarize(kept):
            title = f"{row['source']}, then {row['dataset']}"
            values = panels.setdefault(title, {}).setdefault(row["start"], {})
            values[row["first"]] = [100 * row["mean"]]
        return plots.lines(panels, "share of the second set", "accuracy [%]")

    return draw


EXPERIMENT = Experiment(
    paper=common.PAPER,
    item="Figures 9, 27 to 31",
    title="pre-training on another data set: random, warm and shrink-perturb",
    sizes={
        "smoke": Settings(
            **common.SMOKE | {"dataset": ("fashion_mnist",), "network": ("mlp_relu",)},
            seeds=3,
            source=("mnist",),
            first=(0.1, 0.5, 1.0),
            perturb=(1e-4,),
        ),
        "paper": Settings(),
    },
    cost={"smoke": "27 runs: 5 minutes on two CPU cores (estimated)", "paper": "975 runs"},
    runs=runs,
    summarize=summarize,
    tables=tables,
    figures=figures,
)
