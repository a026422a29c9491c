"""Networks that are trained again whenever examples arrive: the figures of Ash & Adams 2020."""

import dataclasses
import itertools
from statistics import fmean

from experiments.engine.experiment import Experiment
from experiments.engine.settings import option
from experiments.papers.ash2020 import common, networks, published
from experiments.report.pictures import drawing
from experiments.report.statistics import deviation, each, first, percent, summary
from experiments.report.tables import Cell, gained, listed

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
    found = []
    for strategy, shrink, perturb in starts(settings):
        start = {"strategy": strategy, "shrink": shrink, "perturb": perturb, "scheme": "stream"}
        start["last_layer"] = last_layer and strategy == "shrink_perturb"
        found.append(start)
    return common.runs(settings, found)


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
        What `summary` says of the accuracy of each "start" after the last stage, and its "shrink"
        and "perturb"; mean and deviation of the seconds of all stages; the mean number of their
        optimizer steps; how many stages there were and how many did not reach the goal; whether the
        network learned at all.
    """
    runs = []
    for run in records:
        shrink, perturb = cell_of(run)
        run = run | {"start": start_of(run), "shrink": shrink, "perturb": perturb}
        run |= {"seconds": sum(run["train_seconds"]), "steps": sum(run["steps"])}
        run |= {"stages": len(run["converged"]), "not_reached": run["converged"].count(False)}
        run |= {"end": run["accuracy"][-1], "learned": run["train_accuracy"][-1] >= LEARNED}
        runs.append(run | {"examples": run["samples"][-1]})
    columns: dict = dict.fromkeys(
        ("shrink", "perturb", "examples", "optimizer", "weight_decay"), first
    )
    columns |= {"seconds": fmean, "seconds_deviation": ("seconds", deviation), "steps": fmean}
    columns |= {"stages": sum, "not_reached": sum, "learned": all}
    place = ("dataset", "network", "start")
    return summary(runs, place, score="end", baseline="random", **columns)


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
    for (dataset, network), group in each(rows, "dataset", "network"):
        one, printed = group.iloc[0], {}
        if one.optimizer == "adam" and not one.weight_decay:
            printed = published.stream(common.printed(dataset), network)
        extra = f", weight decay {one.weight_decay:g}" if one.weight_decay else ""
        title = f"{item}: {network} on {dataset}, {one.optimizer}{extra}"
        columns = _columns(group, printed)
        made.append(listed(title, group, columns, notes=_notes(group, printed)))
    return made


def _columns(group, printed):
    learned = group[group["learned"].astype(bool)]
    highest = max(learned["mean"], default=None)
    scratch = next((row for row in group.itertuples() if row.start == "random"), None)

    def of_learned(function):
        return lambda row: function(row) if row.learned else ""

    def share(row, name):
        return f"{getattr(row, name) / getattr(scratch, name):.0%}" if scratch else ""

    def accuracy(row):
        beside, _ = printed.get((row.shrink, row.perturb), (None, None))
        return Cell(
            percent(row.mean, row.deviation) if row.learned else "",
            percent(beside) if beside else "",
            best=row.learned and row.mean == highest,
            mark="*" * bool(row.significant),
        )

    def time(row):
        _, minutes = printed.get((row.shrink, row.perturb), (None, None))
        beside = f"{minutes / printed[ENDS['random']][1]:.0%}" if minutes else ""
        return Cell(share(row, "seconds") if row.learned else "", beside)

    return {
        "start": "start",
        "accuracy [%]": accuracy,
        "over random": of_learned(gained),
        "time [s]": of_learned(common.duration),
        "time, of random's": time,
        "steps, of random's": of_learned(lambda row: share(row, "steps")),
        "not reached": lambda row: f"{row.not_reached} of {row.stages}",
    }


def _notes(group, printed):
    seeds = min(group["seeds"])
    notes = [
        f"After the last stage, of {group['examples'].iloc[0]} training examples; mean ± "
        f"standard deviation over {seeds} seed{'s' * (seeds > 1)}. Starts: shrink / perturb. Over "
        "random: points, paired by seed; * better by the exact one-sided sign test with Holm's "
        "correction, 5 % level. Time: training alone, all stages, on whatever machine; steps: of "
        "the optimizer. Not reached: stages that ended below the goal of training accuracy."
    ]
    if not all(group["learned"]):
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
    for (dataset, network), group in each(records, "dataset", "network"):
        title, key = f"{network} on {dataset}", f"{name}_{dataset}_{network}"
        runs = group.to_dict("records")
        made[f"{key}_stages"] = (
            f"{title}: held-out accuracy and training time after each stage.",
            drawing("stages", _stages(runs)),
        )
        made[f"{key}_grid"] = (
            f"{title}: held-out accuracy after the last stage, and time of all stages.",
            drawing("heat_maps", _grid(runs), "perturb", "shrink"),
        )
    return made


def _stages(runs):
    """One row a perturbation: the two ends, and what lies between them."""
    starts = dict(each(runs, "strategy"))
    ends = {name: _course(starts[name]) for name in ENDS if name in starts}
    if "shrink_perturb" not in starts:
        return {"": ends}
    return {
        f"perturb {perturb:g}": ends
        | {f"shrink {shrink:g}": _course(same) for shrink, same in each(group, "shrink")}
        for perturb, group in starts["shrink_perturb"].groupby("perturb")
    }


def _course(runs):
    return {
        "x": runs["samples"].iloc[0],
        "accuracy": list(runs["accuracy"]),
        "seconds": list(runs["train_seconds"]),
    }


def _grid(runs):
    learned = [row for row in summarize(runs).itertuples() if row.learned]
    return {
        "held-out accuracy [%]": {(r.shrink, r.perturb): 100 * r.mean for r in learned},
        "training time [s]": {(r.shrink, r.perturb): r.seconds for r in learned},
    }


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
