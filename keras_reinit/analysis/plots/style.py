"""The look that all pictures share."""

import contextlib
import math
from typing import Any

import matplotlib
from matplotlib.figure import Figure

from keras_reinit.methods.table import METHODS, Look

LOOKS = {identifier: known.look for identifier, known in METHODS.items()}

_DASHED = (0, (5, 2))


_OTHERS = (
    Look("#0072B2", "-", "s", "//"),
    Look("#CC79A7", _DASHED, "^", "\\\\"),
    Look("#009E73", "-.", "v", "xx"),
    Look("#444444", ":", "D", ".."),
    Look("#E69F00", (0, (3, 1, 1, 1, 1, 1)), "*", "++"),
    Look("#56B4E9", (0, (6, 1, 1, 1)), "X", "oo"),
)
_LEAST_WIDTH = 4.0  # inches; room for a title and a legend
_LOOK: dict[Any, Any] = {
    "figure.dpi": 200,
    "savefig.dpi": "figure",
    "font.size": 9,
    "axes.titlesize": 9,
    "axes.titlelocation": "left",
    "axes.spines.top": False,
    "axes.spines.right": False,
    "hatch.linewidth": 0.5,
    "legend.frameon": False,
    "legend.handlelength": 3.2,
    "lines.markersize": 4,
    "lines.linewidth": 1.2,
    "errorbar.capsize": 2,
}


def styles(names):
    """A style for each name: a method's own, and one of some others for anything else."""
    others = [name for name in names if name not in LOOKS]
    free = dict(zip(others, _OTHERS * (len(others) // len(_OTHERS) + 1), strict=False))
    return {name: LOOKS[name] if name in LOOKS else free[name] for name in names}


def emphasis(name):
    """The line width: the baseline and the layerwise method stand out."""
    return 1.8 if name in ("BL", "LW") else 1.1


def in_order(panels):
    """The names of the methods in all panels, each once, known methods first."""
    names = dict.fromkeys(name for panel in panels.values() for name in panel)
    return sorted(names, key=lambda name: [*LOOKS, name].index(name))


@contextlib.contextmanager
def look():
    """What is drawn inside has the common look."""
    with matplotlib.rc_context(_LOOK):
        yield


def literal(text):
    """A text that matplotlib draws as it stands: names are no formulas, and may be no UTF-8."""
    return text.encode(errors="backslashreplace").decode().replace("$", r"\$")


def grid(titles, size, columns=4, **shared):
    """A figure with one set of axes for each title, at most `columns` in a row.

    Args:
        titles: list of titles.
        size: (width, height) of one set of axes, in inches.
        columns: how many in a row, at most.
        **shared: `sharex`, `sharey` as `Figure.subplots` takes them.

    Returns:
        (figure, list of axes)

    Raises:
        ValueError: if there is no title.
    """
    if not titles:
        raise ValueError("There is nothing to draw. Received: no panel or method")
    columns = min(columns, len(titles))
    rows = math.ceil(len(titles) / columns)
    width = max(_LEAST_WIDTH, size[0] * columns)
    figure = Figure(figsize=(width, size[1] * rows), layout="constrained")
    cells = list(figure.subplots(rows, columns, squeeze=False, **shared).flat)
    for axes in cells[len(titles) :]:
        axes.remove()
    for axes, title in zip(cells, titles, strict=False):
        axes.set_title(literal(title))
    return figure, cells[: len(titles)]


def legend(figure, axes, **options):
    """One legend above all axes, with the entries of all of them; none for a single entry."""
    entries = {}
    for one in axes:
        handles, labels = one.get_legend_handles_labels()
        entries.update({name: h for h, name in zip(handles, labels, strict=True)})
    if len(entries) > 1:
        inches = sum(0.68 + 0.075 * len(name) for name in entries)
        rows = math.ceil(inches / figure.get_figwidth())
        figure.legend(
            entries.values(),
            list(map(literal, entries)),
            loc="outside upper center",
            ncols=math.ceil(len(entries) / rows),
            columnspacing=1.2,
            **options,
        )


def label(figure, axes, x, y=None):
    """Name the x axis once below all axes, and the y axis left of the first ones of each row."""
    if all(one.get_subplotspec().is_first_col() for one in axes):
        axes[-1].set_xlabel(literal(x))
    else:
        figure.supxlabel(literal(x), fontsize=9)
    for one in axes:
        if y and one.get_subplotspec().is_first_col():
            one.set_ylabel(literal(y))
