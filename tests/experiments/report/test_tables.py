"""Tables as text, and the tables in the paper's layout."""

import re

import pytest

from experiments.papers.alabdulmohsin2021 import published
from experiments.papers.alabdulmohsin2021.layouts import accuracy_table, significance_tables
from experiments.report.statistics import frame, pairwise, summary
from experiments.report.tables import (
    Cell,
    Table,
    as_text,
    crossed,
    differences,
    gained,
    listed,
    won_lost,
)


def test_columns_line_up():
    table = Table("Digits", ("method", "test"), (("BL", "9.0"), ("WELSR", "10.0")))
    assert as_text(table).splitlines() == [
        "Digits",
        "method  test",
        "------------",
        "BL       9.0",
        "WELSR   10.0",
    ]


def test_best_published_and_marks():
    rows = (
        ("BL", Cell("50.1 ± 9.9", published="50.7")),
        ("LW", Cell("72.7 ± 3.1", published="72.3", best=True, mark="*")),
        ("S&P", Cell("-")),
    )
    assert as_text(Table("", ("method", "test"), rows)).splitlines() == [
        "method                  test",
        "----------------------------",
        "BL       50.1 ± 9.9   (50.7)",
        "LW      [72.7 ± 3.1*] (72.3)",
        "S&P               -",
        "",
        "[best] (published)",
    ]


def test_characters_count_as_the_columns_they_take():
    combined = "e\N{COMBINING ACUTE ACCENT}"
    rows = (("é", "1"), (combined, "1"), ("表", "1"), ("abc", "α = ½"))
    lines = as_text(Table("", ("a", "b"), rows)).splitlines()
    assert lines == [
        "a        b",
        "----------",
        "é        1",
        f"{combined}        1",
        "表       1",
        "abc  α = ½",
    ]


def test_a_wide_table_has_the_published_numbers_below():
    cells = [Cell(f"6{i}.0 ± 0.5", published=f"6{i}.1") for i in range(6)]
    lines = as_text(Table("", ("network", *"ABCDEF"), (("resnet50", *cells),))).splitlines()
    assert max(map(len, lines)) <= 100
    measured, below = lines[2], lines[3]
    assert re.findall(r"6\d\.0", measured) == [f"6{i}.0" for i in range(6)]
    assert below.split() == [f"(6{i}.1)" for i in range(6)]
    ends = [match.end() for match in re.finditer(r"0\.5", measured)]
    assert [match.end() for match in re.finditer(r"\)", below)] == ends


def test_notes_are_filled_and_items_indented():
    text = as_text(Table("", ("a",), (("1",),), notes=("word " * 30, "- " + "item " * 30)))
    lines = text.splitlines()
    assert max(map(len, lines)) <= 100
    assert lines[4].startswith("word")
    assert [line[:6] for line in lines[6:]] == ["- item", "  item"]


def test_a_table_without_rows():
    assert as_text(Table("", ("a", "bc"), ())).splitlines() == ["a  bc", "-----"]


def test_a_row_of_another_length_is_refused():
    with pytest.raises(ValueError, match=r"Received: rows\[1\] of 1 cells\. Expected 2\."):
        Table("", ("a", "b"), (("1", "2"), ("1",)))


ROWS = frame(
    [
        {"set": "a", "depth": 2, "arm": "BL", "mean": 0.5, "gain": None, "wins": None},
        {"set": "a", "depth": 2, "arm": "LW", "mean": 0.7, "gain": 0.2, "wins": 3},
        {"set": "a", "depth": 5, "arm": "LW", "mean": 0.6, "gain": None, "wins": None},
    ]
).assign(gain_deviation=None, losses=1)


def test_a_listed_table_has_a_line_for_each_row():
    columns = {"arm": "arm", "layers": "depth", "gain": gained, "won-lost": won_lost}
    table = listed("Title", ROWS, columns, left=2, notes=("A note.",))
    assert (table.title, table.left, table.notes) == ("Title", 2, ("A note.",))
    assert table.header == tuple(columns)
    assert table.rows == (
        ("BL", "2", "-", "-"), ("LW", "2", "+20.0", "3-1"), ("LW", "5", "-", "-")
    )  # fmt: skip


def test_a_crossed_table_has_a_column_for_each_arm_and_knows_what_is_missing():
    def cell(row, key):
        return f"no {key}" if row is None else f"{row.mean:g}"

    lines = {"data": "set", "layers": ("depth", "{} layers".format)}
    more = {"rows": len}
    table = crossed("Title", ROWS, lines, "arm", {"LW": "layerwise", "BL": "base"}, cell, more)
    assert table.header == ("data", "layers", "layerwise", "base", "rows")
    assert table.left == 2
    assert table.rows == (
        ("a", "2 layers", "0.7", "0.5", 2),
        ("a", "5 layers", "0.6", "no ('a', 5, 'BL')", 1),
    )
    pairs = crossed("", ROWS, {"data": "set"}, ("depth", "arm"), [(5, "LW"), (5, "BL")], cell)
    assert pairs.rows == (("a", "0.6", "no ('a', 5, 'BL')"),)


def test_what_differs_from_the_paper_is_said_once():
    wordings = {"depth": "{} layers (3)", "gain": "gain of {} (0.2)"}
    found = differences(ROWS, wordings, lambda row: {"depth": 2, "gain": 0.2})
    assert found == ("Other than in the paper: 5 layers (3), gain of all (0.2).",)
    assert differences(ROWS, {"set": "{}"}, lambda row: {"set": "a"}) == ()


def _records(scores, dataset="cifar10", backbone="vgg16"):
    return [
        {
            "dataset": dataset,
            "backbone": backbone,
            "method": method,
            "seed": seed,
            "test_accuracy": accuracy,
        }
        for method, accuracies in scores.items()
        for seed, accuracy in enumerate(accuracies)
    ]


def compared(records):
    return summary(records, ("dataset", "backbone", "method"), baseline="BL")


def test_accuracy_table_has_the_layout_of_the_paper():
    records = _records({"S&P": [0.5] * 6, "LW": [0.9] * 5 + [0.8], "BL": [0.7] * 6})
    table = accuracy_table(compared(records), "Accuracy", "Table 2", ("A note.",))
    assert table.header == (
        "data set", "network", "BL", "WELSR", "DSD", "WELS", "FC", "LW", "S&P",
    )  # fmt: skip
    (row,) = table.rows
    assert row[:2] == ("cifar10", "vgg16")
    assert row[2] == Cell("70.0 ± 0.0", published="84.7")
    assert row[3] == Cell("-", published="86.8")
    assert row[7] == Cell("88.3 ± 4.1", published="88.9", best=True, mark="*")
    assert row[8] == Cell("50.0 ± 0.0")
    assert "6 seeds" in table.notes[0]
    assert table.notes[-1] == "A note."


def test_accuracy_table_without_published_numbers_and_with_one_seed():
    table = accuracy_table(compared(_records({"BL": [0.5], "LW": [0.6]}, "digits")), "Digits")
    assert table.rows[0][2] == Cell("50.0")
    assert table.rows[0][7] == Cell("60.0", best=True)
    assert "1 seed." in table.notes[0]
    assert "±" not in table.notes[0]
    assert table.notes[1] == "Too few seeds for a star: it takes at least 5."


def test_an_illegible_number_of_the_paper_is_not_shown():
    records = _records({"BL": [0.5], "LW": [0.6]}, "oxford_iiit_pet", "resnet50")
    row = accuracy_table(compared(records), "", "Table 2").rows[0]
    assert (row[2].published, row[7].published) == ("29.7", "")


def test_equal_methods_are_both_best():
    row = accuracy_table(compared(_records({"BL": [0.5], "LW": [0.5]})), "").rows[0]
    assert [cell.best for cell in row[2:]] == [True, False, False, False, False, True]


def test_significance_tables_have_better_methods_in_columns():
    records = [
        record
        for dataset in range(6)
        for record in _records({"LW": [0.6], "BL": [0.5]}, dataset, "vgg16")
    ]
    (table,) = significance_tables(pairwise(records, ("backbone", "method"), ["dataset"]))
    assert table.title == "vgg16"
    assert table.header[1:] == ("BL", "LW")
    assert table.rows == (
        ("BL", Cell(""), Cell("6-0", published="°", mark="°")),
        ("LW", Cell("0-6"), Cell("")),
    )
    assert "Holm" in table.notes[0]


def test_the_paper_s_own_numbers_fill_its_table():
    records = [
        record
        for (dataset, backbone, method), share in published.accuracy("Table 6").items()
        for record in _records({method: [share]}, dataset, backbone)
    ]
    table = accuracy_table(compared(records), "", "Table 6")
    assert len(table.rows) == 48
    assert all(cell.text == cell.published for row in table.rows for cell in row[2:])
