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
import itertools

from experiments.engine.experiment import Experiment
from experiments.engine.settings import option
from experiments.papers.ash2020 import common, published
from experiments.report.statistics import grouped
from experiments.report.tables import Table

PENALTIES = ("l2", "adversarial", "confidence")
STARTS = ("random", "warm")


@dataclasses.dataclass(frozen=True)
class Settings(common.Settings):
    """What the command line can change."""

    penalty: tuple[str, ...] = option(PENALTIES, "penalties", choices=PENALTIES)
    strength: tuple[float, ...] = option((1e-1, 1e-2, 1e-3, 1e-4), "their sizes", minimum=0.0)


def runs(settings):
    """Both starts under every penalty of every size."""
    cells = itertools.product(
        settings.dataset,
        settings.network,
        settings.penalty,
        settings.strength,
        range(settings.seeds),
        STARTS,
    )
    return [
        common.run(
            settings,
            **{"dataset": dataset, "network": network, "seed": seed, "strategy": strategy}
            | _arguments(penalty, strength),
        )
        for dataset, network, penalty, strength, seed, strategy in cells
    ]


def _arguments(penalty, strength):
    if penalty == "l2":
        return {"penalty": "none", "strength": 0.0, "weight_decay": strength}
    return {"penalty": penalty, "strength": strength}


def summarize(records):
    """One row a penalty, size and start."""
    rows = []
    for (dataset, network), members in grouped(records, "dataset", "network").items():
        penalized = grouped(members, "penalty", "strength", "weight_decay")
        for (penalty, strength, decay), found in penalized.items():
            name, size = ("l2", decay) if penalty == "none" else (penalty, strength)
            place = {"dataset": dataset, "network": network, "penalty": name, "strength": size}
            starts = grouped(found, "strategy")
            for start, same in starts.items():
                row = place | {"start": start} | common.measured(same)
                if start == "warm":
                    row |= common.losses(same, starts.get("random", []))
                rows.append(row)
    return rows


def tables(rows):
    """One table a data set and network, as in the paper."""
    found = []
    for (dataset, network), members in grouped(rows, "dataset", "network").items():
        of_paper = common.PRINTED.get(dataset, dataset) == "cifar10"
        printed = published.penalties() if of_paper else {}
        sizes = sorted({row["strength"] for row in members}, reverse=True)
        cells = {(row["penalty"], row["strength"], row["start"]): row for row in members}
        body = []
        for penalty, start in dict.fromkeys((row["penalty"], row["start"]) for row in members):
            keys = [(penalty, size, start) for size in sizes]
            scores = [common.score(cells.get(key), printed.get(key)) for key in keys]
            body.append((penalty, start, *scores))
        header = ("penalty", "start", *(f"{size:g}" for size in sizes))
        title = f"Table 3: {common.TITLES[network]}, {dataset}"
        notes = common.notes(members)
        if printed:
            notes += common.foreign(members)
        found.append(Table(title, header, tuple(body), left=2, notes=notes))
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
