"""What the trainings of Arpit et al. 2019 share: settings, and how arms are compared.

The poster gives neither learning rates nor epochs nor widths: these are ours.
"""

import dataclasses

from experiments.engine.experiment import Experiment, distinct
from experiments.engine.settings import combinations, option, shared
from experiments.papers.arpit2019.networks import ARMS, PAPER, named
from experiments.papers.arpit2019.training_run import InitializedRun
from experiments.report.pictures import drawing, hundredfold, panels
from experiments.report.statistics import best, chosen, each, first, percent, seeds_of, summary
from experiments.report.tables import MISSING, Cell, crossed

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
    validation: float = option(0.1, "share of them that is held out", minimum=0.0, below=1)
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
    return InitializedRun(**shared(settings, InitializedRun) | ARMS[arm] | changes).spec


def by_arm(records, *place):
    """The arms at each place, each with the learning rate that validation prefers.

    Args:
        records: of the task `initialized`; where several learning rates were tried, with a
            validation accuracy.
        *place: names of entries, in which the runs that are compared agree.

    Returns:
        What `summary` says of each "arm" with its "learning_rate", how many of its runs "diverged",
        the number of all "runs", whatever their rate, and of those of them that diverged,
        "diverged_runs".
    """
    tried = {"runs": ("seed", len), "diverged_runs": ("diverged", sum)}
    runs = chosen(named(records), (*place, "arm"), ["learning_rate"], **tried)
    columns = dict.fromkeys(("learning_rate", "runs", "diverged_runs"), first)
    return best(summary(runs, (*place, "arm"), diverged=sum, **columns), *place)


def score(row, _=None):
    """A cell: test accuracy in %, marked where a run diverged; "-" where there is no row."""
    if row is None:
        return Cell(MISSING)
    return Cell(percent(row.mean, row.deviation), best=row.best, mark=mark(row))


def mark(row):
    """The mark of a setting in which some run diverged."""
    return "°" if row.diverged else ""


def notes(rows):
    """What the numbers are, and what the marks mean."""
    found = f"Test accuracy in %, mean ± standard deviation over {seeds_of(rows)}, after the last "
    found += "epoch."
    if any(rows["diverged"]):
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
    note = (
        "The learning rate with the best mean validation accuracy, which the table above has; "
        "then how many of all runs, with whatever learning rate, diverged."
    )
    for (dataset, network), members in each(rows, "dataset", "network"):
        arms = list(members["arm"].unique())
        ordered = members.sort_values(name, kind="stable")
        for title, cell, explained in (
            (f"Accuracy over {name}", score, notes(members)),
            ("Learning rates", _rates, (note,)),
        ):
            title = f"{title}: {TITLES[network]} on {dataset}"
            found.append(crossed(title, ordered, {name: name}, "arm", arms, cell, notes=explained))
    return found


def _rates(row, _):
    if row is None:
        return MISSING
    return f"{row.learning_rate:g}, {row.diverged_runs} of {row.runs}"


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
    found = panels(
        rows.itertuples(),
        panel=lambda row: f"{TITLES[row.network]}, {row.dataset}",
        line="arm",
        x=name,
        y=lambda row: hundredfold(row.scores),
    )
    draw = drawing("lines", found, name, "test accuracy [%]", log=True)
    return {key: (caption, draw)} if found else {}


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
        cells = combinations(
            dataset=settings.dataset,
            depth=settings.depth,
            arm=settings.arm,
            learning_rate=settings.learning_rates,
            seed=range(settings.seeds),
        )
        return distinct(
            [spec(settings, cell.pop("arm"), network=network, **cell) for cell in cells]
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
