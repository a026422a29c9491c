"""Results pages: their tables are those of the records beside them."""

from pathlib import Path

import pytest

from experiments.__main__ import main
from experiments.commands.report import filled
from experiments.engine import catalogue
from experiments.engine.errors import UsageError
from experiments.engine.files import write_json
from experiments.report import markdown
from experiments.report.markdown import as_markdown
from experiments.report.tables import Cell, Table

RESULTS = Path(__file__).parents[3] / "docs" / "results"
PAGES = [page for page in sorted(RESULTS.rglob("*.md")) if markdown.PLACE.search(page.read_text())]
COMMAND = "synthetic_table4 --seeds 2"
PAGE = f"Before.\n\n<!-- table: {COMMAND} -->\nold\n<!-- end -->\n\nAfter.\n"


@pytest.fixture
def page(tmp_path):
    """A page with one marked place, and the runs that it shows beside it."""
    found = catalogue.find("synthetic_table4")
    specs = found.runs(type(found.sizes["smoke"])(seeds=2, l2=(0.0,)))
    runs = [spec | {"test_accuracy": 0.25, "train_accuracy": 1.0} for spec in specs]
    write_json(tmp_path / "runs.json", {"runs": runs})
    file = tmp_path / "README.md"
    file.write_text(PAGE)
    return file


def test_most_pages_are_made_from_records():
    assert len(PAGES) == 7


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.parent.name)
def test_a_page_shows_its_records(page):
    text, pictures = filled(page)
    assert text == page.read_text()
    assert all(page.with_name(name).exists() for name in pictures)


def test_only_marked_places_are_written(page, capsys):
    assert main(["report", "--markdown", str(page.parent)]) == 0
    assert capsys.readouterr().out == f"{page}\n"
    before, made = page.read_text().split(f"<!-- table: {COMMAND} -->")
    made, after = made.split("<!-- end -->")
    assert (before, after) == ("Before.\n\n", "\n\nAfter.\n")
    assert "| 0 | **25.0 ± 0.0** (19) | **25.0 ± 0.0** (21) | **25.0 ± 0.0** (25) | 2 |" in made
    assert main(["report", "--markdown", str(page.parent)]) == 0
    assert capsys.readouterr().out == ""


def test_one_table_of_several(page):
    page.write_text(PAGE.replace("table:", "table 1:"))
    assert "| L2 | Baseline |" in filled(page)[0]


def test_runs_that_are_not_there_are_named(page):
    page.write_text(PAGE.replace("--seeds 2", "--seeds 3"))
    with pytest.raises(UsageError, match="Received: 3 of 9 missing"):
        filled(page)


def test_records_are_read_from_csv(tmp_path):
    (tmp_path / "runs.csv").write_text(
        'task,seed,rate,norm,flag,stages\na,0,1e-05,,True,"[1, 2]"\nb,1,1.0,x,False,[]\n'
    )
    spec = {"task": "a", "seed": 0, "rate": 1e-5, "norm": None, "flag": True}
    assert markdown.Records(tmp_path).of([spec]) == [spec | {"stages": [1, 2]}]


def test_signs_of_a_table_in_markdown():
    row = ("|h|", Cell("1.0", published="1.1", best=True, mark="*"), Cell("-", published="°"))
    made = as_markdown(Table("Title", ("a", "b", "c"), (row,), notes=("* better. " * 20,)))
    title, table, note = made.split("\n\n")
    assert title == "**Title**"
    assert table.splitlines() == [
        "| a | b | c |", "|---|---|---|", r"| \|h\| | **1.0\*** (1.1) | - (°) |"
    ]  # fmt: skip
    assert max(map(len, note.splitlines())) <= 100
    assert not any(line.startswith("* ") for line in note.splitlines())
