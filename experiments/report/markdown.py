"""Results pages in Markdown: tables and pictures of records in marked places, prose around them.

A place begins with a comment that says what is there, and ends with another:

    <!-- table: init_depth --seeds 2 -->
    <!-- end -->

These are all tables of the runs that `run init_depth --seeds 2` does; `table 1` is the first one
alone, `picture` is the pictures. Runs of several commands, with a semicolon between them, are shown
together.
"""

import csv
import json
import re

from experiments.engine.errors import UsageError
from experiments.engine.store import key
from experiments.report.tables import wrapped

PLACE = re.compile(r"(<!-- (table|picture)(?: (\d+))?: (.+?) -->)\n.*?(<!-- end -->)", re.DOTALL)


def filled(text, found):
    """A page with its marked places written anew.

    Args:
        text: of the page.
        found: from the commands of a place, a str, to the experiment and its records.

    Returns:
        The text, and {name of a file: function that draws it}.
    """
    pictures = {}

    def place(match):
        begin, kind, number, commands, end = match.groups()
        experiment, records = found(commands)
        if kind == "table":
            made = list(map(as_markdown, experiment.tables(experiment.summarize(records))))
        else:
            drawn = experiment.figures(records)
            made = [f"![{caption}]({name}.png)" for name, (caption, _) in drawn.items()]
            pictures.update({f"{name}.png": draw for name, (_, draw) in drawn.items()})
        chosen = made if number is None else [made[int(number) - 1]]
        return "\n\n".join([begin, *chosen, end])

    text = PLACE.sub(place, text)
    return text, {name: draw for name, draw in pictures.items() if f"]({name})" in text}


def as_markdown(table):
    """A table in Markdown: title, rows and notes; the best in bold, published numbers in brackets.

    Example:
        >>> row = ("LW", Cell("72.7", "72.3", True))
        >>> print(as_markdown(Table("Test", ("method", "%"), (row,))))
        **Test**
        <BLANKLINE>
        | method | % |
        |---|---|
        | LW | **72.7** (72.3) |
    """
    lines = [_line(map(_plain, table.header)), "|" + "---|" * len(table.header)]
    lines += [_line(map(_text, row)) for row in table.cells()]
    notes = "\n\n".join(wrapped(_plain(note)) for note in table.notes)
    parts = (f"**{table.title}**", "\n".join(lines), notes.replace("\n\n- ", "\n- "))
    return "\n\n".join(filter(None, parts))


def _plain(text):
    """A text whose signs mean nothing to Markdown."""
    return re.sub(r"([*|])", r"\\\1", text)


def _line(texts):
    return "".join(f"| {text} " for text in texts) + "|"


def _text(cell):
    text = _plain(cell.text + cell.mark)
    if cell.best:
        text = f"**{text}**"
    return f"{text} ({cell.published})".lstrip() if cell.published else text


class Records:
    """The records in the CSV and JSON files of a folder, found by their specs.

    A cell of a CSV file is a JSON value, a plain str, True, False, or nothing for None; a JSON file
    has a list "runs".
    """

    def __init__(self, folder):
        self._folder, self._rows = folder, []
        for file in sorted(folder.glob("runs.csv")):
            with open(file, newline="", encoding="utf-8") as lines:
                rows = csv.DictReader(lines)
                self._rows += [{n: _value(text) for n, text in row.items()} for row in rows]
        for file in sorted(folder.glob("*.json")):
            self._rows += json.loads(file.read_text(encoding="utf-8")).get("runs", [])
        self._found: dict = {}

    def of(self, specs):
        """The records of some specs, in this order.

        Raises:
            UsageError: if one is missing.
        """
        found = [self._by(tuple(spec)).get(key(spec)) for spec in specs]
        if None in found:
            raise UsageError(
                f"A page shows runs that are not beside it. Received: {found.count(None)} of "
                f"{len(found)} missing in {self._folder}. Expected all in runs.csv or *.json."
            )
        return found

    def _by(self, names):
        """The records that have these entries, by the key of what these are."""
        if names not in self._found:
            self._found[names] = {
                key({name: row[name] for name in names}): row
                for row in self._rows
                if row.keys() >= set(names)
            }
        return self._found[names]


def _value(text):
    if text in ("", "True", "False"):
        return {"": None, "True": True, "False": False}[text]
    try:
        return json.loads(text)
    except ValueError:
        return text
