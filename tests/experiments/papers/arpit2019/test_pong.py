"""Reinforcement learning with deep networks: its runs, its table, its picture."""

import json

import pytest

from experiments.engine import catalogue
from experiments.papers.arpit2019 import pong
from experiments.papers.arpit2019.actor_critic_run import ActorCriticRun


def runs(size="smoke", **changes):
    found = catalogue.find("init_pong")
    settings = type(found.sizes[size])(**vars(found.sizes[size]) | changes)
    return found.runs(settings)


def recorded(spec, **changes):
    """A record of eight games: the network of each arm scores one more than that before it."""
    place = [
        (arm["scheme"], arm["initializer"]) for arm in pong.ARMS.values()
    ].index((spec["scheme"], spec["initializer"]))  # fmt: skip
    result = {
        "ends": [spec["steps"] // 2, spec["steps"]],
        "loss": [0.5, 0.25],
        "entropy": [1.5, 0.5],
        "gradient_norm": [0.001, 12.3],
        "episode_ends": [spec["steps"] * k // 8 for k in range(1, 9)],
        "returns": [place - 21.0 + spec["seed"]] * 8,
        "diverged": None,
        "seconds": 1.0,
    }
    return spec | result | changes


DIVERGED = {"ends": [], "entropy": [], "gradient_norm": [], "loss": [], "diverged": 120} | {
    "episode_ends": [],
    "returns": [],
}


def made(records):
    """Summary, table and drawn picture of some runs."""
    found = catalogue.find("init_pong")
    summary = found.summarize(records)
    rows = summary.to_dict("records")
    assert json.loads(json.dumps(rows, allow_nan=False)) == rows
    ((_, draw),) = found.figures(records).values()
    (table,) = found.tables(summary)
    return rows, table, draw()


def test_the_runs_of_the_paper():
    specs = runs("paper")
    assert len({json.dumps(spec) for spec in specs}) == len(specs) == 9
    for scheme in (None, "arpit", "pytorch"):
        for seed in range(3):
            assert ActorCriticRun(scheme=scheme, seed=seed).spec in specs


def test_the_runs_of_the_small_size():
    specs = runs()
    assert len({json.dumps(spec) for spec in specs}) == len(specs) == 6
    assert {spec["depth"] for spec in specs} == {100}


def test_the_table_has_a_row_for_each_arm():
    rows, table, _ = made([*map(recorded, runs(arm=tuple(pong.ARMS)))])
    assert [row["score"] for row in rows] == [-20.5, -19.5, -18.5, -17.5]
    assert table.rows[1] == (
        "proposed", "-19.5 ± 0.7", "16", "1.50 to 0.50", "0.001 to 12", "0 of 2"
    )  # fmt: skip
    notes = " ".join(table.notes)
    assert "over 2 seeds" in notes
    assert "42x42 pixels (84x84, ours), 9,600 steps (7,000,000)" in notes
    assert "layers (100)" not in notes


def test_a_table_of_the_papers_runs_names_no_difference():
    _, table, _ = made([*map(recorded, runs("paper"))])
    assert "Other than in the paper" not in " ".join(table.notes)


def test_the_score_is_that_of_the_last_games():
    returns = [0.0] * 50 + [2.0] * pong.LAST
    changes = {"returns": returns, "episode_ends": [*range(len(returns))]}
    (row,), _, _ = made([recorded(runs()[0], **changes)])
    assert (row["score"], row["score_deviation"], row["games"]) == (2.0, None, 150)


def test_runs_that_diverged_are_counted():
    some, other = runs(arm=("proposed",))
    rows, table, _ = made([recorded(some), recorded(other, **DIVERGED)])
    assert (rows[0]["diverged"], rows[0]["seeds"]) == (1, 2)
    assert table.rows[0][-1] == "1 of 2"
    assert rows[0]["score"] == -20
    _, table, _ = made([recorded(some, **DIVERGED)])
    assert table.rows[0][1:] == ("-", "0", "-", "-", "1 of 1")


def test_the_picture_has_the_mean_of_each_share_of_the_steps():
    _, _, figure = made([*map(recorded, runs())])
    lines = {line.get_label(): line for line in figure.axes[0].get_lines()}
    assert list(lines) == ["no weight norm", "proposed", "PyTorch default"]
    steps, scores = lines["proposed"].get_data()
    assert list(steps) == [1440, 2400, 3840, 4800, 6240, 7200, 8640, 9600]
    assert list(scores) == pytest.approx([-19.5] * 8)


def test_one_run_is_enough():
    _, table, figure = made([recorded(runs()[0])])
    assert len(table.rows) == len(figure.axes[0].get_lines()) == 1
