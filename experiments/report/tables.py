"""A table of results: made once, printed as text and put into the page."""

import dataclasses
import textwrap
import unicodedata

from experiments.report.statistics import each, percent

WIDTH = 100
MISSING = "-"


@dataclasses.dataclass(frozen=True)
class Cell:
    """One number of a table.

    Args:
        text: what was measured, as text.
        published: the paper's number, as text, or "".
        best: whether it is the best of its row or column.
        mark: a significance mark such as "*", or "".
    """

    text: str
    published: str = ""
    best: bool = False
    mark: str = ""


@dataclasses.dataclass(frozen=True)
class Table:
    """A titled table with notes.

    Args:
        title: one line.
        header: names of the columns.
        rows: rows of `Cell` or str, each as long as the header.
        left: number of columns that are flush left.
        notes: paragraphs below the table; one that starts with "- " is an item of a list.

    Raises:
        ValueError: if a row is not as long as the header.
    """

    title: str
    header: tuple
    rows: tuple
    left: int = 1
    notes: tuple = ()

    def __post_init__(self):
        for index, row in enumerate(self.rows):
            if len(row) != len(self.header):
                raise ValueError(
                    f"A row is not as long as the header. Received: rows[{index}] of {len(row)} "
                    f"cells. Expected {len(self.header)}."
                )

    def cells(self):
        """The rows as lists of `Cell`."""
        return [[c if isinstance(c, Cell) else Cell(str(c)) for c in row] for row in self.rows]


def gained(row):
    """The gain of a row of `summary` in points, with its sign; "-" for none."""
    return percent(row.gain, row.gain_deviation, signed=True)


def won_lost(row):
    """How many pairs a row of `summary` won and lost, as text; "-" for none."""
    return MISSING if row.wins is None else f"{row.wins}-{row.losses}"


def listed(title, rows, columns, **options):
    """A table with a line for each row.

    Args:
        title: one line.
        rows: DataFrame.
        columns: dict {name in the header: column of `rows`, or function of a row to a cell}; a row
            is a named tuple.
        **options: more arguments of `Table`.
    """
    kinds = [
        (lambda row, name=kind: str(getattr(row, name))) if isinstance(kind, str) else kind
        for kind in columns.values()
    ]
    body = tuple(tuple(kind(row) for kind in kinds) for row in rows.itertuples(index=False))
    return Table(title, tuple(columns), body, **options)


def crossed(title, rows, lines, across, columns, cell, more=None, **options):
    """A table with a column for each value of one column of the rows.

    Args:
        title: one line.
        rows: DataFrame.
        lines: dict {name in the header: column of `rows`, or (column, function of its value)}: the
            columns whose values tell lines apart, in the order of the rows.
        across: name of the column of `rows` that is spread, or a tuple of names.
        columns: its values from left to right, or a dict {value: name in the header}.
        cell: function of a row, or None where there is none, and of the key, the values of `lines`
            and of `across`, to a cell.
        more: dict {name in the header: function of the rows of a line to a cell}: last columns.
        **options: more arguments of `Table`.
    """
    shown = [kind if isinstance(kind, tuple) else (kind, str) for kind in lines.values()]
    spread = across if isinstance(across, tuple) else (across,)
    keys = [key if isinstance(across, tuple) else (key,) for key in columns]
    body = []
    for line, members in each(rows, *(name for name, _ in shown)):
        line = line if len(shown) > 1 else (line,)
        found = {
            tuple(getattr(row, name) for name in spread): row
            for row in members.itertuples(index=False)
        }
        body.append(
            (
                *(form(value) for (_, form), value in zip(shown, line, strict=True)),
                *(cell(found.get(key), (*line, *key)) for key in keys),
                *(function(members) for function in (more or {}).values()),
            )
        )
    names = columns.values() if isinstance(columns, dict) else map(str, columns)
    header = (*lines, *names, *(more or {}))
    return Table(title, header, tuple(body), left=len(lines), **options)


def differences(rows, wordings, paper):
    """A note of what is otherwise than in the paper; none where nothing is.

    Args:
        rows: DataFrame.
        wordings: dict {column: text, with {} for the value that is here}.
        paper: function of a row, a dict, to the paper's values: {column: value}.

    Returns:
        A tuple of one text or none.
    """
    found = dict.fromkeys(
        wording.format("all" if row[name] is None else row[name])
        for name, wording in wordings.items()
        for row in rows.to_dict("records")
        if row[name] != paper(row)[name]
    )
    return (f"Other than in the paper: {', '.join(found)}.",) if found else ()


def as_text(table):
    """A table as lines of text: title, aligned columns, legend and notes.

    The best number stands in square brackets, and the published number in parentheses beside the
    measured one or, where that would be wider than `WIDTH` columns, on a line below.

    Args:
        table: a `Table`.

    Returns:
        A str of several lines.

    Example:
        >>> print(as_text(Table("Test", ("method", "%"), (("LW", Cell("72.7", "72.3", True)),))))
        Test
        method              %
        ---------------------
        LW      [72.7] (72.3)
        <BLANKLINE>
        [best] (published)
    """
    grid = _lines(table, stacked=False)
    if max(map(_width, grid)) > WIDTH:
        grid = _lines(table, stacked=True)
    notes = [wrapped(note) for note in (_legend(table), *table.notes) if note]
    text = "\n".join([*filter(None, [table.title]), *grid, *([""] if notes else []), *notes])
    return text.encode(errors="backslashreplace").decode()  # a path may have bytes of no UTF-8


def _legend(table):
    """What the signs of `as_text` mean, as far as they occur."""
    cells = [cell for row in table.cells() for cell in row]
    signs = {"[best]": any(cell.best for cell in cells)}
    signs["(published)"] = any(cell.published for cell in cells)
    return " ".join(sign for sign, occurs in signs.items() if occurs)


def _lines(table, stacked):
    """Header, rule and rows; where `stacked`, what was published has its own lines."""
    columns = list(zip(*table.cells(), strict=True)) or [()] * len(table.header)
    grid, widths = [], []
    for index, (name, cells) in enumerate(zip(table.header, columns, strict=True)):
        pad = _left if index < table.left else _right
        measured, published = _measured(cells), _published(cells)
        if not stacked and any(published):
            measured, published = _right(measured), _right(published)
            measured = list(map(" ".join, zip(measured, published, strict=True)))
        pairs = zip(measured, published, strict=True)
        lines = [name, *(line for pair in pairs for line in pair[: 1 + stacked])]
        grid.append(pad(lines))
        widths.append(_width(grid[-1][0]))
    lines = ["  ".join(row).rstrip() for row in zip(*grid, strict=True)]
    rule = "-" * (sum(widths) + 2 * len(widths) - 2)
    return [lines[0], rule, *filter(None, lines[1:])]


def _measured(cells):
    """Numbers with brackets and marks, decimal points below each other when flush right."""
    framed = any(cell.best for cell in cells)
    marks = _left([cell.mark for cell in cells])
    texts = [cell.text + mark for cell, mark in zip(cells, marks, strict=True)]
    if not framed:
        return texts
    frames = [("[", "]") if cell.best else ("", " ") for cell in cells]
    return [start + text + end for (start, end), text in zip(frames, texts, strict=True)]


def _published(cells):
    return [f"({cell.published})" if cell.published else "" for cell in cells]


def wrapped(text):
    """A paragraph of at most `WIDTH` columns; an item that starts with "- " is indented."""
    return textwrap.fill(text, WIDTH, subsequent_indent="  " if text.startswith("- ") else "")


def _left(texts):
    widest = max(map(_width, texts), default=0)
    return [text + " " * (widest - _width(text)) for text in texts]


def _right(texts):
    widest = max(map(_width, texts), default=0)
    return [" " * (widest - _width(text)) + text for text in texts]


def _width(text):
    """Columns of a terminal: 0 for a combining character, 2 for a wide one."""
    wide = sum(unicodedata.east_asian_width(character) in "WF" for character in text)
    return len(text) + wide - sum(map(bool, map(unicodedata.combining, text)))
