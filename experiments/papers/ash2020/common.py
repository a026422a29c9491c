"""What the experiments of Ash & Adams 2020 share: settings, and what is said of some runs."""

import dataclasses
import itertools
import statistics
from typing import Any

from experiments.engine.settings import option
from experiments.papers.ash2020.networks import NETWORKS, OPTIMIZERS
from experiments.papers.ash2020.warm_start_run import WarmStartRun
from experiments.report.statistics import deviation, grouped, percent, seeds_of
from experiments.report.tables import Cell, Table

PAPER = "Ash & Adams 2020"
TITLES = {
    "resnet18": "ResNet",
    "mlp_tanh": "MLP",
    "mlp_relu": "MLP (ReLU)",
    "logistic_regression": "LR",
    "birnn": "BiRNN",
}
PRINTED = {"cifar10_jpeg": "cifar10"}  # sets that stand for one of the paper's


@dataclasses.dataclass(frozen=True)
class Settings:
    """What the command line can change everywhere: the defaults are the paper's."""

    dataset: tuple[str, ...] = option(("cifar10",), "TFDS names of image sets, or digits")
    network: tuple[str, ...] = option(("resnet18",), "networks", choices=NETWORKS)
    width: float = option(1.0, "multiplier of the filters of resnet18", minimum=0.01)
    seeds: int = option(5, "number of seeds, from 0", minimum=1)
    train_size: int | None = option(
        None, "examples, those held out included, drawn by the seed (paper: all)", None, 3, int
    )
    batch_size: int = option(128, "examples of a batch", minimum=1)
    optimizer: str = option("sgd", "optimizer", choices=tuple(OPTIMIZERS))
    learning_rate: float = option(0.001, "learning rate", minimum=0.0)
    patience: int = option(10, "epochs without a better training accuracy", minimum=1)
    max_epochs: int = option(350, "most epochs of a stage", minimum=1)


# A size for two CPU cores: few examples, a small network, and Adam, with which that converges; SGD
# at the paper's 0.001 would need tens of thousands of epochs.
SMOKE: dict[str, Any] = {
    "dataset": ("cifar10_jpeg",),
    "network": ("mlp_tanh",),
    "train_size": 3000,
    "patience": 50,
    "optimizer": "adam",
}
SMOKE_SGD = 0.1  # learning rate, where it has to be SGD
SMOKE_RESNET: dict[str, Any] = SMOKE | {
    "network": ("resnet18",),
    "width": 0.25,
    "train_size": 300,
    "batch_size": 32,
}


def run(settings, kind=WarmStartRun, **changes):
    """The spec of one run.

    Args:
        settings: `Settings`, or a dataclass with some of its fields.
        kind: `WarmStartRun`, or another dataclass that has a `spec`.
        **changes: arguments of `kind`, "dataset", "network" and "seed" among them.
    """
    fields = {field.name for field in dataclasses.fields(kind)}
    common = {name: value for name, value in dataclasses.asdict(settings).items() if name in fields}
    return kind(**common | changes).spec


def run_each(settings, kind):
    """The specs of one run for each data set, network and seed, in this order of loops."""
    cells = itertools.product(settings.dataset, settings.network, range(settings.seeds))
    return [
        run(settings, kind, dataset=dataset, network=network, seed=seed)
        for dataset, network, seed in cells
    ]


def measured(records, stage=-1):
    """What is said of the runs of one setting that differ in their seeds.

    Args:
        records: of the task `warm_start`.
        stage: number of the stage, from 0, or from the end.

    Returns:
        A dict: seeds; mean and deviation of the accuracy; the same of the seconds of training; the
        mean number of optimizer steps; the share of runs that reached their goal; the mean training
        accuracy; the optimizer, its learning rate and what `DESIGN` names.
    """
    accuracy = [record["accuracy"][stage] for record in records]
    seconds = [record["train_seconds"][stage] for record in records]
    return {
        "seeds": len(records),
        "mean": statistics.fmean(accuracy),
        "deviation": deviation(accuracy),
        "seconds": statistics.fmean(seconds),
        "seconds_deviation": deviation(seconds),
        "steps": statistics.fmean(record["steps"][stage] for record in records),
        "reached": statistics.fmean(record["converged"][stage] for record in records),
        "train_accuracy": statistics.fmean(record["train_accuracy"][stage] for record in records),
        **{name: records[0][name] for name in ("optimizer", "learning_rate", *DESIGN)},
    }


def against_random(records, setting):
    """One row for each data set, network and setting, compared with the runs from scratch.

    Args:
        records: of the task `warm_start`.
        setting: from a record that is not from scratch to what tells it from the others, a JSON
            value.

    Returns:
        A list of dicts: dataset, network, start ("random" or "other"), setting, and what `measured`
        and `losses` say.
    """
    rows = []
    for (dataset, network), members in grouped(records, "dataset", "network").items():
        random = [record for record in members if record["strategy"] == "random"]
        others: dict = {}
        for record in members:
            if record["strategy"] != "random":
                others.setdefault(setting(record), []).append(record)
        place = {"dataset": dataset, "network": network}
        if random:
            rows.append(place | {"start": "random", "setting": "random init"} | measured(random))
        rows += [
            place | {"start": "other", "setting": value} | measured(runs) | losses(runs, random)
            for value, runs in others.items()
        ]
    return rows


def listing(title, rows, name, shown=str, printed=None):
    """A table of what `against_random` returns.

    Args:
        title: one line.
        rows: list of dicts.
        name: what the settings are.
        shown: from a setting to its text.
        printed: from a row to (mean, deviation) in the paper or None; None where it prints nothing.
    """
    header = (
        "data set", "network", name, "accuracy", "against random", "won-lost", "seconds", "steps"
    )  # fmt: skip
    body = [
        (
            row["dataset"],
            TITLES[row["network"]],
            row["setting"] if row["start"] == "random" else shown(row["setting"]),
            score(row, printed(row) if printed else None),
            percent(row.get("gain"), row.get("gain_deviation"), signed=True),
            f"{row['wins']}-{row['losses']}" if "wins" in row else "-",
            duration(row),
            f"{row['steps']:.0f}",
        )
        for row in rows
    ]
    return Table(title, header, tuple(body), left=3, notes=notes(rows))


def losses(records, baseline):
    """What some runs lose after their last stage against others of the same seeds.

    Args:
        records: of one setting.
        baseline: of another.

    Returns:
        A dict: mean and deviation of the difference in accuracy (negative: a loss), and of how many
        pairs each won; mean ratios of the times of training and of the optimizer steps. Empty where
        no seed is in both.
    """
    others = {record["seed"]: record for record in baseline}
    pairs = [(record, others[record["seed"]]) for record in records if record["seed"] in others]
    if not pairs:
        return {}
    gains = [a["accuracy"][-1] - b["accuracy"][-1] for a, b in pairs]
    ratios = {
        ratio: statistics.fmean(a[name][-1] / b[name][-1] for a, b in pairs)
        for ratio, name in (("time_ratio", "train_seconds"), ("step_ratio", "steps"))
    }
    return {
        "gain": statistics.fmean(gains),
        "gain_deviation": deviation(gains),
        "wins": sum(gain > 0 for gain in gains),
        "losses": sum(gain < 0 for gain in gains),
        **ratios,
    }


def levels(records, name):
    """What `plots.lines` draws: warm accuracies over a setting, those from scratch as a level line.

    Args:
        records: of the task `warm_start`.
        name: the entry of a warm run that the x axis has.

    Returns:
        A dict {title: {start: {setting: accuracies in %}}}.
    """
    panels = {}
    for (dataset, network), members in grouped(records, "dataset", "network").items():
        starts = grouped(members, "strategy")
        warm = {
            value: [100 * record["accuracy"][-1] for record in found]
            for value, found in grouped(starts.get("warm", []), name).items()
        }
        random = [100 * record["accuracy"][-1] for record in starts.get("random", [])]
        panels[f"{TITLES[network]}, {dataset}"] = {"warm": warm} | (
            {"random": dict.fromkeys(warm, random)} if random else {}
        )
    return panels


def score(row, printed=None, best=False):
    """A cell: accuracy in %, the paper's beside it; "°" where not every run reached its goal.

    Args:
        row: as `measured`, or None for a missing one.
        printed: (mean, deviation) in the paper, shares of 1, or None.
        best: whether it is the best of its row.
    """
    published = "" if printed is None else percent(*printed)
    if row is None:
        return Cell("-", published)
    return Cell(percent(row["mean"], row["deviation"]), published, best, missed(row))


def missed(row):
    """The mark of a setting in which some run did not reach its goal."""
    return "" if row["reached"] == 1 else "°"


def duration(row):
    """Seconds of training as text: "12.5 ± 0.3"."""
    spread = row["seconds_deviation"]
    return f"{row['seconds']:.1f}" + ("" if spread is None else f" ± {spread:.1f}")


def foreign(rows, network="resnet18", optimizer="sgd"):
    """A note that the printed numbers are another network's, or another optimizer's, if so."""
    if all((row["network"], row["optimizer"]) == (network, optimizer) for row in rows):
        return ()
    return (f"Printed beside: {TITLES[network]} trained by {optimizer}, on all examples.",)


def notes(rows):
    """What the numbers are, which runs did not reach their goal, and what the paper has otherwise.

    Args:
        rows: list of what `measured` returns.

    Returns:
        A tuple of paragraphs.
    """
    if not rows:
        return ()
    found = [
        "Accuracy in % on the third of the examples that is held out, mean ± standard deviation "
        f"over {seeds_of(rows)}. Seconds are of training alone."
    ]
    missing = [row for row in rows if row["reached"] < 1]
    if missing:
        low = min(row["train_accuracy"] for row in missing)
        found.append(
            f"° not every run reached 99 % training accuracy: {len(missing)} of {len(rows)} "
            f"settings, lowest mean {percent(low)} %. Those stages ended with the patience or at "
            "the limit of epochs."
        )
    rates = dict.fromkeys(f"{row['optimizer']} at {row['learning_rate']:g}" for row in rows)
    found.append(f"Trained by {', '.join(rates)}. The paper's learning rate is 0.001.")
    paper = dataclasses.asdict(WarmStartRun("", "", ""))
    differs = {
        wording.format("all" if row[name] is None else row[name]): None
        for name, wording in DESIGN.items()
        for row in rows
        if row[name] != paper[name]
    }
    return (*found, f"Other than in the paper: {', '.join(differs)}.") if differs else tuple(found)


DESIGN = {
    "train_size": "{} examples, a third of them held out (all)",
    "batch_size": "batch {} (128)",
    "width": "{} of the filters of ResNet-18 (1)",
    "patience": "a stage ends after {} epochs without a better training accuracy (10, ours)",
    "max_epochs": "at most {} epochs a stage (350)",
}
