"""The experiments on regularisers: their runs, what is chosen, their numbers, their pictures."""

import dataclasses
import itertools
import json

import pytest

from experiments.engine import catalogue
from experiments.engine.experiment import Context
from experiments.papers.zaidi2022 import (
    common,
    label_noise,
    ladder,
    published,
    sensitivity,
)
from experiments.papers.zaidi2022.ladder import RUNGS

# At the small size: three seeds, but one for sensitivity.
RUNS = {
    # On four rungs standard; LW and S&P twice, with a teacher and without; born again.
    "reinit_ladder": 3 * 4 * (1 + 6 + 1),
    "reinit_label_noise": 3 * 4 * (2 * 2) * 3,
    "reinit_sensitivity": 1 * (4 * 3) * 3,
}
PAPER_RUNS = {  # standard training has one cosine, on one rung the less
    "reinit_ladder": 2 * 2 * 3 * (4 + 5 * 7),
    "reinit_label_noise": 3 * 4 * (3 * 3) * 3,
    "reinit_sensitivity": 3 * (5 * 5) * 3,
}
GAINS = {"standard": 0.0, "LW": 0.02, "S&P": 0.04, "born again": -0.01}


def runs(name, size="smoke"):
    found = catalogue.find(name)
    return found.runs(found.sizes[size])


def recorded(spec):
    """A record whose numbers follow from the spec.

    A gain shrinks to nothing with regularisers and grows with noise; the second learning rate of a
    grid is best for validation, and a point worse in the test.
    """
    gain = GAINS[common.family_of(spec)] * (1 + 10 * spec["noise"])
    if spec["schedule"] != "constant":
        gain *= 0.5 if spec["noise"] else 0
    accuracy = 0.5 + gain + 0.001 * spec["seed"] - spec["noise"] / 2
    right = spec["validation"] > 0 and spec["learning_rate"] == 0.1
    return spec | {
        "test_accuracy": accuracy - 0.01 * right,
        "train_accuracy": 0.9 - spec["noise"] / 2,
        "validation_accuracy": 0.4 + 0.1 * right - spec["weight_decay"],
        "diverged": False,
        "seconds": 1.0,
    }


def made(name, records=None):
    """Summary, tables and figures of the small runs of an experiment."""
    found = catalogue.find(name)
    records = records or list(map(recorded, runs(name)))
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


def test_all_runs_of_the_ladder_take_the_same_steps():
    assert len({catalogue.run(spec).total_steps for spec in runs("reinit_ladder")}) == 1


def test_runs_with_one_model_follow_each_other():
    keys = [catalogue.run(spec).step_key for spec in runs("reinit_ladder")]
    assert sum(a != b for a, b in itertools.pairwise(keys)) == 1


def test_standard_training_depends_on_no_setting_of_the_others():
    settings = ladder.EXPERIMENT.sizes["smoke"]
    arms = [common.shrink_perturb(settings, 1), common.STANDARD]
    arms.append(common.distilled(settings, common.STANDARD))
    assert arms == [common.STANDARD] * 3
    specs = [
        common.spec(settings, arms[0], dataset="digits", backbone="scnn", schedule=schedule)
        for schedule in ("cosine", "cosine per round")
    ]
    assert specs[0] == specs[1]


def test_without_distillation_there_is_no_teacher_and_no_born_again_network():
    settings = dataclasses.replace(ladder.EXPERIMENT.sizes["smoke"], distillation=0.0)
    specs = ladder.runs(settings)
    assert {common.arm_of(spec) for spec in specs} == {
        "standard", "LW, 8 rounds", "S&P, 5 rounds", "S&P, 25 rounds",
    }  # fmt: skip
    assert len(specs) == 3 * 4 * 4


def test_scnn_has_the_normalisation_of_its_paper_and_one_width():
    settings = dataclasses.replace(
        ladder.EXPERIMENT.sizes["smoke"], dataset=("digits",), backbone=("scnn",)
    )
    for spec in ladder.runs(settings):
        assert (spec["norm"], spec["width"]) == ("group", 1.0)
        catalogue.run(spec).check(Context())


def test_the_ladder_adds_one_regulariser_after_the_other():
    settings = dataclasses.replace(ladder.EXPERIMENT.sizes["smoke"], rung=RUNGS)
    records = list(map(recorded, ladder.runs(settings)))
    rows, tables, figures = made("reinit_ladder", records)
    gains = {(row["rung"], row["arm"]): row["gain"] for row in rows if row["gain"] is not None}
    for arm, gain in (("LW, 8 rounds", 0.02), ("S&P, 25 rounds, distilled", 0.04)):
        found = [gains[rung, arm] for rung in RUNGS]
        assert found == pytest.approx([gain] * 3 + [0, 0])
    accuracy, gain, *_, published = tables
    assert accuracy.header[1:] == RUNGS
    assert [row[0] for row in accuracy.rows] == [
        "standard",
        "LW, 8 rounds",
        "S&P, 5 rounds",
        "S&P, 25 rounds",
        "LW, 8 rounds, distilled",
        "S&P, 5 rounds, distilled",
        "S&P, 25 rounds, distilled",
        "born again, 5 rounds",
    ]
    assert [cell.best for cell in accuracy.rows[2][1:]] == [True] * 5
    assert [cell.text for cell in gain.rows[0][1:4]] == ["+2.0 ± 0.0"] * 3
    assert "inference" in published.notes[0]
    assert published.rows[1][1:] == ("63.1 ± 0.6", "71.9 ± 0.1", "75.4 ± 0.3", "77.5 ± 0.2")
    assert len(figures) == 2
    for _, draw in figures.values():
        assert draw().axes


def test_accuracy_over_rounds_begins_with_standard_training():
    _, _, figures = made("reinit_ladder")
    _, draw = figures["reinit_ladder_rounds_fashion_mnist_resnet18"]
    axes = draw().axes
    assert [each.get_title(loc="left") for each in axes] == list(RUNGS[:4])
    for line in axes[0].get_lines():
        assert list(line.get_xdata()) == [1, 5, 25]
        assert list(line.get_ydata()) == pytest.approx([50.1, 54.1, 54.1])


def test_label_noise_is_chosen_by_validation_and_not_by_the_test():
    rows, tables, figures = made("reinit_label_noise")
    assert {(row["learning_rate"], row["weight_decay"]) for row in rows} == {(0.1, 5e-4)}
    assert {row["settings"] for row in rows} == {4}
    assert {row["seeds"] for row in rows} == {3}
    gains = [row["gain"] for row in rows if row["family"] == "S&P"]
    assert gains == pytest.approx([0, 0.06, 0.10, 0.14])
    assert tables[0].rows[0][0] == "0%"
    assert len(tables[0].rows) == 4 * 3
    _, draw = figures["reinit_label_noise_gains"]
    panel = draw().axes[0]
    lines = {line.get_label(): list(line.get_ydata()) for line in panel.get_lines()}
    assert lines == {
        "LW, 8 rounds": pytest.approx([0, 3, 5, 7]),
        "S&P, 5 rounds": pytest.approx([0, 6, 10, 14]),
    }
    assert figures["reinit_label_noise_accuracy"][1]().axes


def test_sensitivity_counts_what_varies_over_the_grid():
    records = [
        record | {"test_accuracy": 0.1, "diverged": True}
        if record["method"] == "BL" and record["learning_rate"] == 0.3
        else record
        for record in map(recorded, runs("reinit_sensitivity"))
    ]
    rows, tables, figures = made("reinit_sensitivity", records)
    standard = rows[0]
    assert (standard["arm"], standard["settings"], standard["diverged"]) == ("standard", 12, 3)
    assert standard["best"] == pytest.approx(0.5)
    assert standard["worst"] == pytest.approx(0.1)
    assert standard["near"] == 9
    assert rows[1]["spread"] < standard["spread"]
    assert rows[1]["gains"] == 3  # where standard training diverged
    assert tables[0].rows[0][-1] == "3"
    assert len(sensitivity.EXPERIMENT.figures([])) == 0
    _, draw = figures["reinit_sensitivity_fashion_mnist_resnet18"]
    assert [each.get_title(loc="left") for each in draw().axes] == [row["arm"] for row in rows[:3]]


def test_some_of_the_runs_can_be_shown():
    for name in RUNS:
        found = catalogue.find(name)
        assert isinstance(found.tables(found.summarize([])), list)
        records = [recorded(spec) for spec in runs(name) if spec["method"] != "BL"][:7]
        rows = found.summarize(records)
        assert found.tables(rows)
        for _, draw in found.figures(records).values():
            draw()


def test_a_small_share_of_noise_has_a_row_of_its_own():
    settings = label_noise.Settings(dataset=("digits",), noise=(0.1, 0.3), seeds=1)
    records = list(map(recorded, label_noise.runs(settings)))
    rows = label_noise.summarize(records)
    assert rows["noise"].tolist() == [0.1] * 3 + [0.3] * 3


def test_the_poster_s_table():
    printed = published.ladder()
    assert len(printed) == 16
    assert printed[1, "S&P", True] == (0.635, 0.003)
    assert printed[2, "LW", True] == (0.747, 0.002)
    assert printed[4, "S&P", True] == (0.77, 0.003)
