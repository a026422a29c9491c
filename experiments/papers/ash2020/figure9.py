"""Pre-training on one data set, then training on some of another.

Paper: Ash & Adams 2020, Figures 9, 27 to 31.
Command: `python -m experiments run warm_figure9 --size smoke`
Cost: small size 27 runs, paper's 975: every ordered pair of three sets, five shares of the second
one, random, warm, and shrink-perturb 0.3 with five scales of noise (Figure 9 has 1e-4).

Published as pictures only. Which shares and, in Figures 27 to 31, which factors they have cannot be
read: these are ours. `--shrink` has more of them.
"""

import dataclasses

from experiments.engine.experiment import Experiment
from experiments.engine.settings import combinations, option
from experiments.papers.ash2020 import common
from experiments.report.pictures import drawing, panels
from experiments.report.statistics import best, each
from experiments.report.tables import crossed


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
    warm = {"strategy": "warm", "shrink": 1.0, "perturb": 0.0}
    factors = combinations(shrink=settings.shrink, perturb=settings.perturb)
    starts = [warm, *({"strategy": "shrink_perturb"} | pair for pair in factors)]
    cells = combinations(
        dataset=settings.dataset,
        network=settings.network,
        seed=range(settings.seeds),
        first=settings.first,
    )
    specs = []
    for cell in cells:
        sources = [source for source in settings.source if source != cell["dataset"]]
        cell |= {"scheme": "transfer", "source": None}
        specs.append(common.run(settings, **cell | warm | {"strategy": "random"}))
        specs += [
            common.run(settings, **cell | start | {"source": source})
            for source in sources
            for start in starts
        ]
    return specs


def summarize(records):
    """One row a pair of sets, share and start; a random start stands with every source."""
    place = ("dataset", "network", "first")
    random = [run for run in records if run["source"] is None]
    others = [run for run in records if run["source"] is not None]
    runs = []
    for (source, *values), same in each(others, "source", *place):
        scratch = [run for run in random if [run[name] for name in place] == values]
        runs += [run | {"source": source} for run in scratch] + same.to_dict("records")
    runs = [common.at_stage(run) | {"start": _start(run)} for run in runs]
    return best(common.measured(runs, ("source", *place, "start")), "source", *place)


def _start(run):
    between = run["strategy"] == "shrink_perturb"
    return f"{run['shrink']:g}, {run['perturb']:g}" if between else run["strategy"]


def tables(rows):
    """One table a pair of sets: a row a share, a column a start."""
    found = []
    for (source, dataset, network), members in each(rows, "source", "dataset", "network"):
        starts = list(members["start"].unique())
        lines = {f"of {dataset}": ("first", lambda share: f"{100 * share:g} %")}
        notes = (
            "Starts other than random and warm: factor on the weights, factor on the fresh draw.",
            *common.notes(members),
        )
        title = f"Figure 9: {common.TITLES[network]}, {source}, then {dataset}"
        found.append(crossed(title, members, lines, "start", starts, _cell, notes=notes))
    return found


def _cell(row, _):
    return dataclasses.replace(common.score(row), best=row is not None and row.best)


def figures(records):
    """Accuracy against the share of the second set, one picture for each scale of noise."""
    found = {}
    for scale in sorted({r["perturb"] for r in records if r["strategy"] == "shrink_perturb"}):
        kept = [r for r in records if r["strategy"] != "shrink_perturb" or r["perturb"] == scale]
        drawn = panels(
            summarize(kept).itertuples(),
            panel=lambda row: f"{row.source}, then {row.dataset}",
            line="start",
            x="first",
            y=lambda row: 100 * row.mean,
        )
        draw = drawing("lines", drawn, "share of the second set", "accuracy [%]")
        caption = f"Accuracy after pre-training, noise scale {scale:g}."
        found[f"warm_figure9_noise_{scale:g}"] = (caption, draw)
    return found


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
