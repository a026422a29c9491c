"""A table of results: made once, printed as text and put into the page."""

import dataclasses
import textwrap
import unicodedata

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
    notes = [_wrapped(note) for note in (_legend(table), *table.notes) if note]
    return "\n".join([*filter(None, [table.title]), *grid, *([""] if notes else []), *notes])


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


def _wrapped(text):
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
