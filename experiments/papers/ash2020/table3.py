"""Regularisation in both stages: L2, adversarial training, confidence penalty.

Paper: Ash & Adams 2020, Table 3.
Command: `python -m experiments run warm_table3 --size smoke`
Cost: small size 36 runs, paper's 120.

Published: `published/table3.csv`. The table's caption is that of Table 2 by
mistake. The paper gives sizes without their conventions. Ours: weight decay as PyTorch's optimizers
have it; `networks.Adversarial`, whose strength is how far a pixel is moved;
`networks.ConfidencePenalty`, whose strength is the factor on the entropy.
"""

import dataclasses

from experiments.engine.experiment import Experiment
from experiments.engine.settings import combinations, option
from experiments.papers.ash2020 import common, published
from experiments.report.statistics import each
from experiments.report.tables import crossed

PENALTIES = ("l2", "adversarial", "confidence")
STARTS = ("random", "warm")


@dataclasses.dataclass(frozen=True)
class Settings(common.Settings):
    """What the command line can change."""

    penalty: tuple[str, ...] = option(PENALTIES, "penalties", choices=PENALTIES)
    strength: tuple[float, ...] = option((1e-1, 1e-2, 1e-3, 1e-4), "their sizes", minimum=0.0)


def runs(settings):
    """Both starts under every penalty of every size."""
    cells = combinations(
        dataset=settings.dataset,
        network=settings.network,
        penalty=settings.penalty,
        strength=settings.strength,
        seed=range(settings.seeds),
        strategy=STARTS,
    )
    return [
        common.run(settings, **cell | _arguments(cell["penalty"], cell["strength"]))
        for cell in cells
    ]


def _arguments(penalty, strength):
    if penalty == "l2":
        return {"penalty": "none", "strength": 0.0, "weight_decay": strength}
    return {"penalty": penalty, "strength": strength}


def summarize(records):
    """One row a penalty, size and start."""
    runs = []
    for run in map(common.at_stage, records):
        if run["penalty"] == "none":
            run |= {"penalty": "l2", "strength": run["weight_decay"]}
        runs.append(run | {"start": run["strategy"]})
    place = ("dataset", "network", "penalty", "strength", "start")
    return common.measured(runs, place, baseline="random")


def tables(rows):
    """One table a data set and network, as in the paper."""
    found = []
    lines = {"penalty": "penalty", "start": "start"}
    for (dataset, network), members in each(rows, "dataset", "network"):
        printed = published.penalties() if common.printed(dataset) == "cifar10" else {}
        sizes = {s: f"{s:g}" for s in sorted(set(members["strength"]), reverse=True)}

        def cell(row, key, printed=printed):
            penalty, start, size = key
            return common.score(row, printed.get((penalty, size, start)))

        notes = common.notes(members) + (common.foreign(members) if printed else ())
        title = f"Table 3: {common.TITLES[network]}, {dataset}"
        found.append(crossed(title, members, lines, "strength", sizes, cell, notes=notes))
    return found


EXPERIMENT = Experiment(
    paper=common.PAPER,
    item="Table 3",
    title="L2, adversarial and confidence penalties in both stages",
    sizes={
        "smoke": Settings(**common.SMOKE, strength=(1e-2, 1e-3), seeds=3),
        "paper": Settings(),
    },
    cost={"smoke": "36 runs: 10 minutes on two CPU cores (estimated)", "paper": "120 runs"},
    runs=runs,
    summarize=summarize,
    tables=tables,
)
