"""The tables and figures of the LW study: their runs, their numbers, their pictures."""

import dataclasses
import json

import pytest

from experiments.engine import catalogue
from experiments.papers.alabdulmohsin2021 import appendix_f, figure7, figure8, image_run
from experiments.papers.alabdulmohsin2021.common import METHODS, SMOKE

PAPER_RUNS = {
    "table2": 288,
    "table3": 1728,
    "table6": 288,
    "table7": 288,
    "figure2": 1152,
    "figure3": 1728,
    "figure4": 1440,
    "figure5": 288,
    "figure6": 288,
    "figure7": 288,
    "figure8": 3,
    "appendix_f": 14,
}
SMOKE_RUNS = {
    "table2": 120,
    "table3": 120,
    "figure2": 64,
    "figure3": 72,
    "figure4": 54,
    "figure8": 4,
    "appendix_f": 14,
}


def runs(name, size="smoke"):
    found = catalogue.find(name)
    return found.runs(found.sizes[size])


def recorded(spec):
    """A record whose numbers follow from the spec, so that a table can be checked by hand."""
    place = [*METHODS, "LW no redraw", "LW no normalization", "LW frozen"].index(spec["method"])
    accuracy = 0.5 + 0.01 * place + 0.001 * spec["seed"]
    rounds = 1 if spec["method"] == "BL" else image_run.BLOCKS[spec["backbone"]]
    curve = [number for number in range(rounds) for _ in range(2)]
    return spec | {
        "test_accuracy": accuracy,
        "train_accuracy": 1 - 0.01 * place,
        "train_images": 50,
        "classes": 10,
        "seconds": 1.0,
        "margins": [0.1 * place, 0.5, 0.9],
        "sigmas": [0.01, 0.1],
        "accuracy_change": [-0.01, -0.1],
        "loss_change": [0.01 * (10 - place), None],
        "weight_size": 100.0 + 10 * place,
        "round_curve": curve,
        "accuracy_curve": [0.5 if epoch % 2 == 0 else 1.0 for epoch in range(len(curve))],
        "test_accuracy_curve": [0.1 + 0.01 * epoch for epoch in range(len(curve))],
    }


def made(name):
    """Summary, tables and figures of the smoke runs of an experiment."""
    found = catalogue.find(name)
    records = list(map(recorded, runs(name)))
    summary = found.summarize(records)
    rows = summary.to_dict("records")
    assert json.loads(json.dumps(rows, allow_nan=False)) == rows
    return rows, found.tables(summary), found.figures(records)


@pytest.mark.parametrize(("name", "count"), PAPER_RUNS.items())
def test_the_runs_of_the_paper(name, count):
    specs = runs(name, "paper")
    keys = {json.dumps(spec, sort_keys=True) for spec in specs}
    assert len(keys) == len(specs) == count
    assert {spec["image_size"] for spec in specs} == {224}
    assert {spec["train_size"] for spec in specs} == {None}


@pytest.mark.parametrize(("name", "count"), SMOKE_RUNS.items())
def test_the_runs_of_the_small_size(name, count):
    specs = runs(name)
    assert len({json.dumps(spec, sort_keys=True) for spec in specs}) == len(specs) == count


def test_the_paper_setting_is_the_default_of_a_run():
    run = image_run.ImageRun("cifar10", "scnn", "LW")
    assert run.spec in runs("table2", "paper")
    assert dataclasses.replace(run, augment=False).spec in runs("table6", "paper")
    assert dataclasses.replace(run, dropout=0.25).spec in runs("table7", "paper")


@pytest.mark.parametrize("name", ["figure5", "figure6", "figure7", "table3"])
def test_nothing_is_run_twice(name):
    assert runs(name) == runs("table2")


def test_the_baseline_of_a_smoke_run_trains_as_long_as_all_rounds():
    steps = {(spec["backbone"], catalogue.run(spec).total_steps) for spec in runs("table2")}
    assert steps == {("scnn", 1280), ("mobilenet", 2240)}


def test_an_accuracy_table_marks_the_best_and_says_what_differs():
    _, (table,), _ = made("table2")
    assert table.header == ("data set", "network", *METHODS)
    assert [row[:2] for row in table.rows] == [
        (dataset, backbone) for dataset in SMOKE["dataset"] for backbone in SMOKE["backbone"]
    ]
    for row in table.rows:
        assert [cell.best for cell in row[2:]] == [False] * 5 + [True]
        assert row[2].text == "50.2 ± 0.2"
    assert table.rows[0][2].published == "96.2"
    notes = " ".join(table.notes)
    assert "images of 28x28 pixels (224x224)" in notes
    assert "learning rate" not in notes
    assert "95.0 % (LW, cmaterdb, scnn)" in notes


def test_a_table_in_the_setting_of_the_paper_names_no_difference():
    found = catalogue.find("table2")
    records = list(map(recorded, runs("table2", "paper")[:6]))
    (table,) = found.tables(found.summarize(records))
    assert not any("Other than in the paper" in note for note in table.notes)


def test_figure2_counts_where_lw_is_better():
    (row,), _, figures = made("figure2")
    assert (row["pairs"], row["better"], row["equal"]) == (32, 32, 0)
    assert row["gain"] == pytest.approx(0.05)
    (panel,) = drawn(figures)
    assert panel.get_title(loc="left") == "scnn, cmaterdb"


def drawn(figures):
    """The axes with a title of the only figure."""
    ((_, draw),) = figures.values()
    return [axes for axes in draw().axes if axes.get_title(loc="left")]


def test_figure3_finds_the_best_method_in_every_setting():
    rows, (table,), figures = made("figure3")
    assert len(rows) == 12
    assert dict(row[:2] for row in table.rows) == dict.fromkeys(METHODS[:-1], "0") | {"LW": "12"}
    ((_, draw),) = figures.values()
    assert any("LW" in text.get_text() for text in draw().axes[0].texts)


def test_figure4_has_a_row_for_each_budget():
    _, (table,), figures = made("figure4")
    assert [row[0] for row in table.rows] == ["20", "80", "320"]
    assert [panel.get_title(loc="left") for panel in drawn(figures)] == ["scnn, cmaterdb"]


def test_figure5_leaves_out_a_loss_that_is_not_finite():
    _, tables, figures = made("figure5")
    assert len(tables) == 4
    for row in tables[0].rows:
        assert row[2].text == "-"
        assert row[1].best == (row[0] == "LW")
    assert len(drawn(figures)) == 4


def test_figure6_marks_the_largest_margins():
    _, tables, figures = made("figure6")
    assert [row[1].best for row in tables[0].rows] == [False] * 5 + [True]
    assert len(drawn(figures)) == 4


def test_figure7_is_the_ratio_to_the_baseline_of_the_same_run():
    rows, _, figures = made("figure7")
    assert {row["method"]: row["mean"] for row in rows} == pytest.approx(
        {method: 1 + 0.1 * place for place, method in enumerate(METHODS) if place}
    )
    assert all(row["runs"] == 20 for row in rows)
    ((_, draw),) = figures.values()
    assert draw().axes
    lonely = [recorded(spec) for spec in runs("table2") if spec["method"] == "LW"]
    assert figure7.ratios(lonely) == {}


def test_figure8_counts_the_epochs_of_each_round():
    rows, (table, _), figures = made("figure8")
    assert [row["epochs"] for row in rows] == [2] * 26
    assert len(table.rows) == 13
    assert len(drawn(figures)) == 2
    never = [recorded(spec) | {"accuracy_curve": [0.5] * 26} for spec in runs("figure8")]
    assert set(figure8.summarize(never)["epochs"]) == {None}


def test_appendix_f_takes_the_last_epoch_of_each_round():
    run = {
        "round_curve": [0, 0, 0, 1, 2, 2],
        "test_accuracy_curve": [1, 2, 3, 4, 5, 6],
        "accuracy_curve": [6, 5, 4, 3, 2, 1],
    }
    assert appendix_f.per_round(run) == {"test_accuracy": [3, 4, 6], "accuracy": [4, 3, 1]}


def test_appendix_f_has_the_arms_of_the_paper():
    rows, tables, figures = made("appendix_f")
    assert [(row["norm"], row["method"]) for row in rows] == [
        ("group", "BL"),
        ("group", "LW"),
        ("group", "LW no redraw"),
        (None, "BL"),
        (None, "LW"),
        (None, "LW no normalization"),
        (None, "LW frozen"),
    ]
    assert len(tables) == len(drawn(figures)) == 2
