"""What the trainings of Arpit et al. 2019 share: settings, and how arms are compared.

The poster gives neither learning rates nor epochs nor widths: these are ours.
"""

import dataclasses
import itertools
import statistics

from experiments.engine.experiment import Experiment, distinct
from experiments.engine.settings import option
from experiments.papers.arpit2019.networks import ARMS, PAPER, named
from experiments.papers.arpit2019.training_run import InitializedRun
from experiments.report.statistics import deviation, grouped, percent, seeds_of
from experiments.report.tables import MISSING, Cell, Table

TITLES = {
    "mlp": "MLP",
    "plain_cnn": "plain CNN",
    "cifar_resnet": "ResNet",
    "wide_resnet": "wide ResNet",
}


@dataclasses.dataclass(frozen=True)
class Settings:
    """What the command line can change everywhere."""

    dataset: tuple[str, ...] = option(("cifar10",), "TFDS names of image sets, or digits")
    arm: tuple[str, ...] = option(("data-dependent", "proposed"), "arms", choices=tuple(ARMS))
    seeds: int = option(3, "number of seeds, from 0", minimum=1)
    width: float = option(1.0, "multiplier of the filters; of an MLP, its units", minimum=0.01)
    image_size: int | None = option(
        None, "side of the square that images are resized to (default: as they are)", None, 4, int
    )
    train_size: int | None = option(
        None, "images of the training split, drawn by the seed (default: all)", None, 2, int
    )
    validation: float = option(0.1, "share of them that is held out", minimum=0.0)
    test_size: int | None = option(None, "first test images (default: all)", None, 1, int)
    batch_size: int = option(128, "images of a batch", minimum=1)
    epochs: int = option(200, "epochs of every run", minimum=1)


@dataclasses.dataclass(frozen=True)
class DepthSettings(Settings):
    """Likewise, where networks of several depths are trained with several learning rates."""

    arm: tuple[str, ...] = option(
        ("data-dependent, He", "data-dependent", "proposed, He", "proposed"),
        "arms",
        choices=tuple(ARMS),
    )
    validation: float = option(0.1, "share of the training split to choose with", minimum=0.01)
    depth: tuple[int, ...] = option((2, 5, 10, 20, 100, 200), "numbers of layers", minimum=1)
    learning_rates: tuple[float, ...] = option(
        (0.0003, 0.001, 0.003, 0.01, 0.03, 0.1), "learning rates", minimum=1e-12
    )


def spec(settings, arm, **changes):
    """The spec of one run.

    Args:
        settings: `Settings`, or a dataclass with some of the fields of a run.
        arm: of `ARMS`.
        **changes: arguments of `InitializedRun`, "dataset", "network", "depth" and "seed" among
            them.
    """
    fields = {field.name for field in dataclasses.fields(InitializedRun)}
    common = {name: value for name, value in dataclasses.asdict(settings).items() if name in fields}
    return InitializedRun(**common | ARMS[arm] | changes).spec


def measured(records):
    """What is said of the runs of one setting that differ in their seeds.

    Args:
        records: of the task `initialized`.

    Returns:
        A dict: seeds, how many diverged; mean and deviation of the test accuracy, and the
        accuracies; the mean training accuracy in the last epoch, that of chance where a run
        diverged.
    """
    accuracies = [record["test_accuracy"] for record in records]
    trained = [
        1 / record["classes"] if record["diverged"] else record["train_curve"][-1]
        for record in records
    ]
    return {
        "seeds": len(records),
        "diverged": sum(record["diverged"] for record in records),
        "mean": statistics.fmean(accuracies),
        "deviation": deviation(accuracies),
        "accuracies": accuracies,
        "train_accuracy": statistics.fmean(trained),
    }


def by_arm(records, *place):
    """The arms at each place, each with the learning rate that validation prefers.

    Args:
        records: of the task `initialized`; where several learning rates were tried, with a
            validation accuracy.
        *place: names of entries, in which the runs that are compared agree.

    Returns:
        A list of dicts: the entries, "arm", the "learning_rate" with the highest mean validation
        accuracy (the first of equal ones), what `measured` says of its runs, and the number of all
        "runs", whatever their rate, and of those of them that diverged, "diverged_runs".
    """
    rows = []
    for values, members in grouped(named(records), *place, "arm").items():
        rates = grouped(members, "learning_rate")
        best = max(rates, key=lambda rate: _validated(rates[rate])) if len(rates) > 1 else None
        chosen = members if best is None else rates[best]
        rows.append(
            {
                **dict(zip((*place, "arm"), values, strict=True)),
                "learning_rate": chosen[0]["learning_rate"],
                "runs": len(members),
                "diverged_runs": sum(record["diverged"] for record in members),
                **measured(chosen),
            }
        )
    return rows


def _validated(records):
    return statistics.fmean(record["validation_accuracy"] for record in records)


def score(row, best=False):
    """A cell: test accuracy in %, marked where a run diverged; "-" where there is no row."""
    if row is None:
        return Cell(MISSING)
    return Cell(percent(row["mean"], row["deviation"]), best=best, mark=mark(row))


def mark(row):
    """The mark of a setting in which some run diverged."""
    return "°" if row["diverged"] else ""


def notes(rows):
    """What the numbers are, and what the marks mean."""
    if not rows:
        return ()
    found = f"Test accuracy in %, mean ± standard deviation over {seeds_of(rows)}, after the last "
    found += "epoch."
    if any(row["diverged"] for row in rows):
        found += " ° some runs diverged: they count with the accuracy of chance."
    return (found,)


def over_depth(rows, name="depth"):
    """For each data set and network a table of accuracies, one row a depth, one column an arm.

    Args:
        rows: what `by_arm` returns for "dataset", "network" and the depth.
        name: the entry that is the depth.

    Returns:
        A list of `Table`: accuracies, and then learning rates and divergences.
    """
    found = []
    for (dataset, network), members in grouped(rows, "dataset", "network").items():
        arms = list(dict.fromkeys(row["arm"] for row in members))
        cells = {(row[name], row["arm"]): row for row in members}
        depths = sorted({row[name] for row in members})
        best = {d: max(row["mean"] for row in members if row[name] == d) for d in depths}
        place = f"{TITLES[network]} on {dataset}"
        accuracies = tuple(
            (str(d), *(_best(cells.get((d, arm)), best[d]) for arm in arms)) for d in depths
        )
        rates = tuple((str(d), *(_rates(cells.get((d, arm))) for arm in arms)) for d in depths)
        header = (name, *arms)
        found.append(
            Table(f"Accuracy over {name}: {place}", header, accuracies, notes=notes(members))
        )
        note = (
            "The learning rate with the best mean validation accuracy, which the table above has; "
            "then how many of all runs, with whatever learning rate, diverged."
        )
        found.append(Table(f"Learning rates: {place}", header, rates, notes=(note,)))
    return found


def _best(row, best):
    return score(row, best=row is not None and row["mean"] == best)


def _rates(row):
    if row is None:
        return MISSING
    return f"{row['learning_rate']:g}, {row['diverged_runs']} of {row['runs']}"


def lines_over(rows, name, key, caption):
    """Pictures of the accuracy over the depth: one line an arm, one panel a data set and network.

    Args:
        rows: as `over_depth`.
        name: the entry that is the depth.
        key: name of the picture.
        caption: of it.

    Returns:
        A dict {key: (caption, draw)}; empty where there are no rows.
    """
    panels: dict = {}
    for row in rows:
        panel = panels.setdefault(f"{TITLES[row['network']]}, {row['dataset']}", {})
        values = [100 * accuracy for accuracy in row["accuracies"]]
        panel.setdefault(row["arm"], {})[row[name]] = values

    def draw():
        from keras_reinit.analysis import plots

        return plots.lines(panels, name, "test accuracy [%]", log=True)

    return {key: (caption, draw)} if panels else {}


def depth_experiment(network, item, title, key, sizes, cost):
    """The experiment on networks of several depths.

    Args:
        network: of `networks.NETWORKS`.
        item: as `Experiment`.
        title: as `Experiment`.
        key: name of its picture.
        sizes: `DepthSettings` of each size.
        cost: as `Experiment`.
    """

    def runs(settings):
        cells = itertools.product(
            settings.dataset, settings.depth, settings.arm, settings.learning_rates,
            range(settings.seeds),
        )  # fmt: skip
        return distinct(
            [
                spec(
                    settings,
                    arm,
                    dataset=dataset,
                    network=network,
                    depth=depth,
                    learning_rate=rate,
                    seed=seed,
                )
                for dataset, depth, arm, rate, seed in cells
            ]
        )

    def summarize(records):
        return by_arm(records, "dataset", "network", "depth")

    def figures(records):
        caption = f"Test accuracy over the depth of a {TITLES[network]}, the best learning rate."
        return lines_over(summarize(records), "depth", key, caption)

    return Experiment(
        paper=PAPER,
        item=item,
        title=title,
        sizes=sizes,
        cost=cost,
        runs=runs,
        summarize=summarize,
        tables=over_depth,
        figures=figures,
    )
