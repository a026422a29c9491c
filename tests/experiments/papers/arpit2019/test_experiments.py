"""The trainings of Arpit et al. 2019: their runs, what is chosen, their numbers, their pictures."""

import itertools
import json

import pytest

from experiments.engine import catalogue
from experiments.engine.experiment import Context
from experiments.papers.arpit2019 import cifar_table, common, mlp_depth, published
from experiments.papers.arpit2019.networks import ARMS, arm_of

RUNS = {
    "init_depth": 6 * 4 * 2 * 3,
    "init_cnn": 4 * 4 * 2 * 2,
    "init_resnet_depth": 4 * 4,
    "init_seeds": 5 * 2 * 4 * 20,
    "init_table": 4 * 2,
    "init_robustness": 4 * 2 * 2 * 4,
}
PAPER_RUNS = {
    "init_depth": 6 * 4 * 6 * 5,
    "init_cnn": 3 * 4 * 6 * 5,
    "init_resnet_depth": 4 * 4 * 3,
    "init_seeds": 5 * 2 * 4 * 20,
    "init_table": 4 * 4 * 3,
    "init_robustness": 6 * 2 * 4 * 4,
}


def runs(name, size="smoke"):
    found = catalogue.find(name)
    return found.runs(found.sizes[size])


def recorded(spec):
    """A record whose numbers follow from the spec.

    What is not "proposed" diverges at the largest rate of a grid, 0.003 or 0.1; validation prefers
    small rates, and the test large ones.
    """
    proposed = spec["scheme"] == "arpit"
    diverged = not proposed and spec["learning_rate"] in (0.003, 0.1) and not spec["warmup"]
    accuracy = 0.5 + 0.1 * proposed + spec["learning_rate"] + 0.01 * spec["seed"]
    return spec | {
        "train_images": 100,
        "classes": 10,
        "steps": 10,
        "diverged": diverged,
        "train_curve": [] if diverged else [0.2, 0.6],
        "test_curve": [] if diverged else [0.1, accuracy],
        "test_accuracy": 0.1 if diverged else accuracy,
        "validation_accuracy": 0.1 if diverged else 0.6 - spec["learning_rate"],
        "seconds": 1.0,
    }


def made(name, records=None):
    """Summary, tables and figures of the small runs of an experiment."""
    found = catalogue.find(name)
    records = list(map(recorded, runs(name))) if records is None else records
    summary = found.summarize(records)
    rows = summary.to_dict("records")
    assert json.loads(json.dumps(rows, allow_nan=False)) == rows
    return rows, found.tables(summary), found.figures(records)


@pytest.mark.parametrize("size", ["smoke", "paper"])
@pytest.mark.parametrize("name", RUNS)
def test_the_runs_are_distinct(name, size):
    keys = [json.dumps(spec, sort_keys=True) for spec in runs(name, size)]
    assert len(set(keys)) == len(keys) == (RUNS if size == "smoke" else PAPER_RUNS)[name]


@pytest.mark.parametrize("name", RUNS)
def test_every_run_can_start(name):
    """With digits in the place of the data sets, and all of them."""
    for size in ("smoke", "paper"):
        for spec in runs(name, size):
            catalogue.run(spec | {"dataset": "digits", "train_size": 800}).check(Context())


@pytest.mark.parametrize("name", RUNS)
def test_runs_with_one_network_follow_each_other(name):
    built = [
        (spec["network"], spec["depth"], spec["norm"], spec["momentum"], bool(spec["weight_decay"]))
        for spec in runs(name)
    ]
    changes = sum(a != b for a, b in itertools.pairwise(built))
    assert changes == len(set(built)) - 1


@pytest.mark.parametrize("name", RUNS)
def test_none_or_some_of_the_runs_can_be_shown(name):
    found = catalogue.find(name)
    assert isinstance(found.tables(found.summarize([])), list)
    assert found.figures([]) == {}
    _, tables, figures = made(name, [recorded(spec) for spec in runs(name)[:3]])
    assert tables
    for _, draw in figures.values():
        assert draw().axes


def test_the_rate_of_each_arm_is_chosen_by_validation_and_not_by_the_test():
    rows, (accuracy, rates), figures = made("init_depth")
    assert {row["learning_rate"] for row in rows} == {0.001}
    proposed, rival = (
        next(row for row in rows if (row["depth"], row["arm"]) == (200, arm))
        for arm in ("proposed", "data-dependent")
    )
    assert (proposed["seeds"], proposed["diverged"], proposed["diverged_runs"]) == (3, 0, 0)
    assert (rival["diverged"], rival["diverged_runs"], rival["runs"]) == (0, 3, 6)
    assert proposed["mean"] == pytest.approx(0.611)
    assert accuracy.header == (
        "depth", "data-dependent, He", "data-dependent", "proposed, He", "proposed"
    )  # fmt: skip
    assert [row[0] for row in accuracy.rows] == ["2", "5", "10", "20", "100", "200"]
    assert accuracy.rows[-1][-1].text == "61.1 ± 1.0"
    assert [cell.best for cell in accuracy.rows[-1][1:]] == [False, False, True, True]
    assert rates.rows[-1][2] == "0.001, 3 of 6"
    ((_, draw),) = figures.values()
    (axes,) = (each for each in draw().axes if each.get_title(loc="left"))
    lines = {line.get_label(): list(line.get_ydata()) for line in axes.get_lines()}
    assert lines["proposed"] == pytest.approx([61.1] * 6)


def test_where_all_diverge_the_table_says_so():
    records = [
        record | {"diverged": True, "test_accuracy": 0.1, "validation_accuracy": 0.1}
        for record in map(recorded, runs("init_cnn"))
    ]
    _, (accuracy, _), _ = made("init_cnn", records)
    assert {cell.mark for row in accuracy.rows for cell in row[1:]} == {"°"}
    assert "accuracy of chance" in accuracy.notes[0]


def test_deep_resnets_recompute_and_are_counted_in_blocks():
    specs = runs("init_resnet_depth")
    assert [(s["depth"], s["recompute"]) for s in specs[::4]] == [
        (20, None), (62, None), (200, 9), (2000, 31),
    ]  # fmt: skip
    rows, (accuracy, _), figures = made("init_resnet_depth")
    assert [row[0] for row in accuracy.rows] == ["9", "30", "99", "999"]
    assert {row["learning_rate"] for row in rows} == {0.01}
    assert len(figures) == 1
    paper = {spec["depth"] for spec in runs("init_resnet_depth", "paper")}
    assert paper == {8, 98, 998, 9998}


def test_survivors_are_counted_and_what_they_learned_stands_beside():
    rows, (survivors, learned), figures = made("init_seeds")
    assert survivors.header == ("warm-up", "arm", "0.001", "0.005", "0.01", "0.05", "0.1", "all")
    assert [[str(getattr(c, "text", c)) for c in row] for row in survivors.rows[::3]] == [
        ["none", "data-dependent", "100", "100", "100", "100", "0", "80"],
        ["none", "proposed", *["100"] * 6],
        ["1 epoch", "Hanin", *["100"] * 6],
    ]
    assert learned.rows[0][2:] == ("60.0 ± 0.0",) * 4 + ("-",)
    lost = next(row for row in rows if not row["survivors"])
    assert (lost["seeds"], lost["train_accuracy"]) == (20, None)
    ((_, draw),) = figures.values()
    panels = [axes.get_title(loc="left") for axes in draw().axes if axes.get_title(loc="left")]
    assert panels == ["cifar10_jpeg, warm-up none", "cifar10_jpeg, warm-up 1 epoch"]


def test_robustness_sorts_the_errors_of_all_combinations():
    rows, (table,), figures = made("init_robustness")
    proposed = rows[-1]
    assert proposed["arm"] == "proposed"
    assert proposed["combinations"] == len(proposed["errors"]) == 16
    assert proposed["errors"] == sorted(proposed["errors"])
    assert proposed["worst"] == pytest.approx(0.4 - 0.001)
    assert [row[-1] for row in table.rows] == ["4 of 16", "4 of 16", "0 of 16", "0 of 16"]
    assert [row[-2] for row in table.rows] == ["0 of 16", "0 of 16", "16 of 16", "16 of 16"]
    assert len(figures) == 1


def test_the_cifar_table_has_the_poster_s_numbers_beside_its_own():
    records = list(map(recorded, runs("init_table", "paper")))
    _, (table,), _ = made("init_table", records)
    assert [row[:2] for row in table.rows] == [
        ("ResNet-56", "cifar10"),
        ("ResNet-110", "cifar10"),
        ("WRN-40-10", "cifar10"),
        ("ResNet-164", "cifar100"),
    ]
    assert [cell.published for cell in table.rows[1][2:]] == [
        "9.33 ± 0.10", "7.71 ± 0.14", "6.69 ± 0.11", "6.61 ± 0.16", "7.46",
    ]  # fmt: skip
    assert [cell.text for cell in table.rows[0][2:4]] == ["48.0 ± 1.0", "38.0 ± 1.0"]
    assert table.rows[0][5].mark == "°"  # at the large rate, without warm-up
    assert not any("Other than" in note for note in table.notes)
    _, (small,), _ = made("init_table")
    assert "0.25 of the filters, images of 8x8 pixels (32x32)" in small.notes[1]


def test_the_settings_of_the_cifar_table():
    specs = {
        (spec["network"], spec["depth"], arm_of(spec), bool(spec["warmup"])): spec
        for spec in runs("init_table", "paper")
    }
    assert len(specs) == 16
    for (network, depth, arm, warm), spec in specs.items():
        assert spec["cutout"] == (16 if network == "wide_resnet" or depth == 164 else None)
        assert spec["learning_rate"] == (0.1 if arm == "BN" or warm else 0.01)
        assert spec["augment"]
    (spec, *_) = runs("init_table")
    assert (spec["epochs"], spec["decay_epochs"]) == (5, [2, 4])
    wide = cifar_table.Settings(model=("WRN-40-10",), image_size=8, epochs=10, share=0.1)
    (spec, *_) = cifar_table.runs(wide)
    assert (spec["cutout"], spec["width"], spec["decay_epochs"]) == (4, 1.0, [3, 6, 8])
    (spec, *_) = cifar_table.runs(cifar_table.Settings(epochs=1))
    assert spec["decay_epochs"] == [1, 1]  # none before the first epoch


def test_an_option_from_the_command_line_makes_the_same_runs():
    settings = mlp_depth.EXPERIMENT.sizes["smoke"]
    assert isinstance(settings.width, float)
    spec = common.spec(settings, "BN", dataset="mnist", network="mlp", depth=2)
    assert {name: spec[name] for name in ("norm", "scheme", "v")} == ARMS["BN"]


def test_the_poster_s_numbers():
    printed = published.errors()
    assert len(printed) == 17
    assert printed["ResNet-56", "BN"] == (0.0697, None)
    assert printed["WRN-40-10", "proposed, warm-up"] == (0.0475, 0.0008)
    assert printed["ResNet-164", "data-dependent"] == (0.3026, 0.0051)
    assert {method for _, method in printed} == {*cifar_table.METHODS, cifar_table.OTHERS}
    assert {model for model, _ in printed} == set(cifar_table.MODELS)
    total = sum(mean for (model, _), (mean, _) in printed.items() if model == "WRN-40-10")
    assert total == pytest.approx(0.1912)  # added by hand
    curvature = published.curvature()
    assert len(curvature) == 7
    assert curvature["WRN-40-10", "Hanin"] == (7.14, 0.72)
    assert {scheme for _, scheme in curvature} <= set(ARMS)
