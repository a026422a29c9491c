"""Pictures of records: values where they belong, drawn when asked for."""

import pytest

from experiments.report.pictures import drawing, hundredfold, panels
from experiments.report.statistics import frame

ROWS = [
    {"set": "a", "arm": "BL", "depth": 2, "score": 0.5},
    {"set": "a", "arm": "BL", "depth": 2, "score": 0.7},
    {"set": "b", "arm": "LW", "depth": 5, "score": 0.6},
]


@pytest.mark.parametrize("rows", [ROWS, frame(ROWS).itertuples()], ids=["dicts", "rows"])
def test_runs_of_one_setting_are_the_values_of_a_point(rows):
    assert panels(rows, "set", "arm", "depth", "score") == {
        "a": {"BL": {2: [0.5, 0.7]}}, "b": {"LW": {5: [0.6]}}
    }  # fmt: skip


def test_entries_may_be_functions_and_values_lists():
    found = panels(
        ROWS[2:],
        panel=lambda row: row["set"].upper(),
        line="arm",
        x=lambda row: row["depth"] + 1,
        y=lambda row: hundredfold([row["score"], 1.0]),
    )
    assert found == {"B": {"LW": {6: [60.0, 100.0]}}}


def test_a_drawing_makes_a_new_picture_whenever_it_is_called():
    draw = drawing(
        "lines", panels(ROWS, "set", "arm", "depth", "score"), "depth", "score", log=True
    )
    first, second = draw(), draw()
    assert first is not second
    assert [axes.get_title(loc="left") for axes in first.axes] == ["a", "b"]
    assert first.axes[0].get_xscale() == "log"
