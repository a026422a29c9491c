"""Networks that are trained again whenever examples arrive: the figures of Ash & Adams 2020."""

import dataclasses
import itertools
import statistics

from experiments.engine.experiment import Experiment
from experiments.engine.settings import option
from experiments.papers.ash2020 import common, networks, published
from experiments.report.statistics import against_baseline, deviation, grouped, percent
from experiments.report.tables import Cell, Table

ENDS = {"random": (0.0, 1.0), "warm": (1.0, 0.0)}  # as shrink and perturb would have them
LEARNED = 0.6  # training accuracy below which a network counts as not to be trained


@dataclasses.dataclass(frozen=True)
class StreamSettings(common.Settings):
    """What the command line can change: the defaults are the paper's."""

    optimizer: str = option("adam", "optimizer", choices=tuple(networks.OPTIMIZERS))
    shrink: tuple[float, ...] = option(
        (1.0, 0.8, 0.6, 0.4, 0.2, 0.0), "factors on the weights", minimum=0
    )
    perturb: tuple[float, ...] = option(
        (1.0, 0.1, 0.01, 0.001, 0.0001, 0.0), "factors on the fresh draw", minimum=0
    )
    stage_size: int = option(1000, "examples that each stage adds", minimum=1)
    weight_decay: float = option(0.0, "weight decay", minimum=0.0)
    decay_epochs: int | None = option(
        None, "epochs of a stage until the learning rate is a tenth (default: never)", None, 1, int
    )


def runs(settings, last_layer=False):
    """The specs of all data sets, networks, seeds and starts, in this order of loops.

    Args:
        settings: `StreamSettings`.
        last_layer: whether the head alone is shrunk and perturbed.
    """
    cells = itertools.product(
        settings.dataset, settings.network, range(settings.seeds), starts(settings)
    )
    return [
        common.run(
            settings,
            scheme="stream",
            dataset=dataset,
            network=network,
            seed=seed,
            strategy=strategy,
            shrink=shrink,
            perturb=perturb,
            last_layer=last_layer and strategy == "shrink_perturb",
        )
        for dataset, network, seed, (strategy, shrink, perturb) in cells
    ]


def starts(settings):
    """Strategy, shrink and perturb of each start: the two ends, then what lies between.

    What the paper leaves blank as too small to be trained is left out.
    """
    grid = itertools.product(settings.shrink, settings.perturb)
    between = [
        ("shrink_perturb", *cell)
        for cell in grid
        if cell not in ENDS.values() and not too_small(*cell)
    ]
    return [*((name, 1.0, 0.0) for name in ENDS), *between]


def too_small(shrink, perturb):
    """Whether the paper leaves a cell blank: the network would be too small to be trained."""
    return shrink <= 0.2 and perturb <= 0.01


def summarize(records):
    """Accuracy and time of each start, with its gain over random starts.

    Args:
        records: of runs of several stages.

    Returns:
        A list of dicts: "dataset", "network", "start", "shrink", "perturb"; what
        `against_baseline` says of the accuracy after the last stage; mean and deviation of the
        seconds of all stages; the mean number of their optimizer steps; how many stages there were
        and how many did not reach the goal; whether the network learned at all.
    """
    rows = []
    for (dataset, network), group in grouped(records, "dataset", "network").items():
        by_start = grouped([record | {"start": start_of(record)} for record in group], "start")
        scores = {
            start: {run["seed"]: run["accuracy"][-1] for run in same}
            for start, same in by_start.items()
        }
        for row in against_baseline(scores, baseline="random"):
            same = by_start[row["method"]]
            seconds = [sum(run["train_seconds"]) for run in same]
            shrink, perturb = cell_of(same[0])
            rows.append(
                {"dataset": dataset, "network": network, "start": row.pop("method")}
                | {"shrink": shrink, "perturb": perturb, **row}
                | {
                    "seconds": statistics.fmean(seconds),
                    "seconds_deviation": deviation(seconds),
                    "steps": statistics.fmean(sum(run["steps"]) for run in same),
                    "stages": sum(len(run["converged"]) for run in same),
                    "not_reached": sum(run["converged"].count(False) for run in same),
                    "learned": all(run["train_accuracy"][-1] >= LEARNED for run in same),
                    "examples": same[0]["samples"][-1],
                    "optimizer": same[0]["optimizer"],
                    "weight_decay": same[0]["weight_decay"],
                }
            )
    return rows


def start_of(record):
    """The name of a run's start: "random", "warm" or such as "0.6 / 0.1"."""
    if record["strategy"] in ENDS:
        return record["strategy"]
    return f"{record['shrink']:g} / {record['perturb']:g}"


def cell_of(record):
    """Shrink and perturb of a run's start."""
    return ENDS.get(record["strategy"], (record["shrink"], record["perturb"]))


def tables(rows, item):
    """One table a data set and network: accuracy and time of each start.

    Args:
        rows: what `summarize` returns.
        item: such as "Figure 13", for the title.
    """
    made = []
    for (dataset, network), group in grouped(rows, "dataset", "network").items():
        optimizer, decay = group[0]["optimizer"], group[0]["weight_decay"]
        printed = {}
        if optimizer == "adam" and not decay:
            printed = published.stream(common.PRINTED.get(dataset, dataset), network)
        scratch = next((row for row in group if row["start"] == "random"), None)
        best = max((row["mean"] for row in group if row["learned"]), default=None)
        body = [_line(row, printed, scratch, best) for row in group]
        extra = f", weight decay {decay:g}" if decay else ""
        made.append(
            Table(
                f"{item}: {network} on {dataset}, {optimizer}{extra}",
                (
                    "start",
                    "accuracy [%]",
                    "over random",
                    "time [s]",
                    "time, of random's",
                    "steps, of random's",
                    "not reached",
                ),
                tuple(body),
                notes=_notes(group, printed),
            )
        )
    return made


def _line(row, printed, scratch, best):
    accuracy, minutes = printed.get((row["shrink"], row["perturb"]), (None, None))
    share, of_steps = (
        row[name] / scratch[name] if scratch else None for name in ("seconds", "steps")
    )
    published_share = minutes / printed[ENDS["random"]][1] if minutes else None
    return (
        row["start"],
        Cell(
            percent(row["mean"], row["deviation"]) if row["learned"] else "",
            percent(accuracy) if accuracy else "",
            best=row["learned"] and row["mean"] == best,
            mark="*" if row.get("significant") else "",
        ),
        percent(row.get("gain"), row.get("gain_deviation"), signed=True) if row["learned"] else "",
        common.duration(row) if row["learned"] else "",
        Cell(
            f"{share:.0%}" if share and row["learned"] else "",
            f"{published_share:.0%}" if published_share else "",
        ),
        f"{of_steps:.0%}" if of_steps and row["learned"] else "",
        f"{row['not_reached']} of {row['stages']}",
    )


def _notes(group, printed):
    seeds = min(row["seeds"] for row in group)
    notes = [
        f"After the last stage, of {group[0]['examples']} training examples; mean ± standard "
        f"deviation over {seeds} seed{'s' * (seeds > 1)}. Starts: shrink / perturb. Over random: "
        "points, paired by seed; * better by the exact one-sided sign test with Holm's correction, "
        "5 % level. Time: training alone, all stages, on whatever machine; steps: of the "
        "optimizer. Not reached: stages that ended below the goal of training accuracy."
    ]
    if not all(row["learned"] for row in group):
        notes.append(f"Blank: not to be trained (training accuracy below {LEARNED:.0%}).")
    if printed:
        notes.append("The published runs had all examples and five seeds.")
    return tuple(notes)


def figures(records, name):
    """For each data set and network the course of the stages, and heat maps of the end.

    Args:
        records: of runs of several stages.
        name: of the pictures, such as "figure2".
    """
    made = {}
    for (dataset, network), group in grouped(records, "dataset", "network").items():
        title, key = f"{network} on {dataset}", f"{name}_{dataset}_{network}"
        made[f"{key}_stages"] = (
            f"{title}: held-out accuracy and training time after each stage.",
            lambda group=group: _stages(group),
        )
        made[f"{key}_grid"] = (
            f"{title}: held-out accuracy after the last stage, and time of all stages.",
            lambda group=group: _grid(group),
        )
    return made


def _stages(records):
    """One row a perturbation: the two ends, and what lies between them."""
    from keras_reinit.analysis import plots

    ends = {name: same for name in ENDS if (same := _of(records, strategy=name))}
    between = grouped(_of(records, strategy="shrink_perturb"), "perturb")
    panels = {
        f"perturb {perturb:g}": ends
        | {f"shrink {shrink:g}": same for shrink, same in grouped(group, "shrink").items()}
        for perturb, group in sorted(between.items())
    }
    return plots.stages(
        {
            title: {name: _course(same) for name, same in arms.items()}
            for title, arms in (panels or {"": ends}).items()
        }
    )


def _of(records, **values):
    return [record for record in records if all(record[name] == values[name] for name in values)]


def _course(records):
    return {
        "x": records[0]["samples"],
        "accuracy": [record["accuracy"] for record in records],
        "seconds": [record["train_seconds"] for record in records],
    }


def _grid(records):
    from keras_reinit.analysis import plots

    rows = summarize(records)
    cells = {(row["shrink"], row["perturb"]): row for row in rows if row["learned"]}
    return plots.heat_maps(
        {
            "held-out accuracy [%]": {cell: 100 * row["mean"] for cell, row in cells.items()},
            "training time [s]": {cell: row["seconds"] for cell, row in cells.items()},
        },
        "perturb",
        "shrink",
    )


def stream_experiment(name, item, title, sizes, cost, last_layer=False):
    """The experiment of Figure 2, 13 or 14.

    Args:
        name: of its pictures.
        item: such as "Figure 2".
        title: one line.
        sizes: as `Experiment`, of `StreamSettings`.
        cost: as `Experiment`.
        last_layer: as `runs`.
    """
    return Experiment(
        paper=common.PAPER,
        item=item,
        title=title,
        sizes=sizes,
        cost=cost,
        runs=lambda settings: runs(settings, last_layer),
        summarize=summarize,
        tables=lambda rows: tables(rows, item),
        figures=lambda records: figures(records, name),
    )
