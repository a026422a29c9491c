"""Which method is significantly better than which, over all designs of Tables 2, 6 and 7.

Paper: Alabdulmohsin et al. 2021, Table 3.
Command: `python -m experiments run table3 --size smoke`
Cost: smoke, the runs of Table 2 (nothing is run twice). Paper, six times those of Table 2.

Exact one-sided sign test for every ordered pair of methods on one network, ties dropped, pooled
over data sets, {augmentation, none, augmentation and dropout} and {He normal, Glorot uniform}
initialisation; Holm's correction over the ordered pairs.

Published marks: `published/table3.csv`.
"""

import dataclasses

from experiments.engine.experiment import Experiment
from experiments.engine.settings import option
from experiments.papers.alabdulmohsin2021.common import (
    DESIGNS,
    INITIALIZERS,
    PAPER,
    SMOKE,
    SMOKE_STEPS,
    TableSettings,
    grid,
)
from experiments.papers.alabdulmohsin2021.layouts import significance_tables
from experiments.report.statistics import pairwise

PAIRED_BY = ("dataset", "augment", "dropout", "initializer", "seed")


@dataclasses.dataclass(frozen=True)
class Settings(TableSettings):
    """What the command line can change: the defaults are the paper's."""

    design: tuple[str, ...] = option(tuple(DESIGNS), "training designs", choices=tuple(DESIGNS))
    initializer: tuple[str, ...] = option(INITIALIZERS, "initializers", choices=INITIALIZERS)


def runs(settings):
    """The runs of all designs and initializers."""
    return [
        spec
        for design in settings.design
        for initializer in settings.initializer
        for spec in grid(settings, **DESIGNS[design], initializer=initializer)
    ]


EXPERIMENT = Experiment(
    paper=PAPER,
    item="Table 3",
    title="which method is significantly better than which",
    sizes={
        "smoke": Settings(
            **SMOKE, steps_per_round=SMOKE_STEPS, design=("augmented",), initializer=("he_normal",)
        ),
        "paper": Settings(),
    },
    cost={
        "smoke": "120 runs, those of table2",
        "paper": "1728 runs of up to 1.6 million steps: accelerators",
    },
    runs=runs,
    summarize=lambda records: pairwise(records, ("backbone", "method"), PAIRED_BY),
    tables=significance_tables,
)
