"""Tables 2, 3, 6 and 7 of Alabdulmohsin et al. 2021 in the paper's own layout."""

import dataclasses

from experiments.papers.alabdulmohsin2021 import published
from experiments.report.statistics import percent, seeds_needed, seeds_of
from experiments.report.tables import MISSING, Cell, Table


def accuracy_table(rows, title, item=None, notes=()):
    """One row a data set and backbone, one column a method; the best of a row is marked.

    Args:
        rows: what `statistics.by_cell` returns.
        title: one line.
        item: the table whose numbers stand beside, "Table 2", "Table 6" or "Table 7", or None.
        notes: paragraphs that follow the explanation of the numbers.

    Returns:
        A `Table`. Methods that the paper has come first, in its order; a method without a run of a
        data set and backbone is "-" there.
    """
    cells = {(row["dataset"], row["backbone"], row["method"]): row for row in rows}
    methods = list(dict.fromkeys([*published.METHODS, *(row["method"] for row in rows)]))
    printed = published.accuracy(item) if item else {}
    body = []
    for dataset, backbone in dict.fromkeys(key[:2] for key in cells):
        keys = [(dataset, backbone, method) for method in methods]
        means = [cells[key]["mean"] for key in keys if key in cells]
        best = max(means) if len(means) > 1 else None
        body.append(
            (dataset, backbone, *(_accuracy(cells.get(k), printed.get(k), best) for k in keys))
        )
    header = ("data set", "network", *methods)
    return Table(title, header, tuple(body), left=2, notes=(*_explained(rows), *notes))


def _column(method):
    """Where a method stands: those of the paper first, in its order."""
    return (*published.METHODS, method).index(method)


def _accuracy(row, share, best):
    """A row of `by_cell`, or None, beside the published share, or None."""
    printed = "" if share is None else percent(share)
    if row is None:
        return Cell(MISSING, printed)
    mark = "*" if row.get("significant") else ""
    return Cell(percent(row["mean"], row["deviation"]), printed, row["mean"] == best, mark)


def _explained(rows):
    """What the numbers and the star mean; whether there are enough seeds for a star."""
    seeds = [row["seeds"] for row in rows]
    if not seeds:
        return
    spread = "" if max(seeds) == 1 else "mean ± standard deviation over "
    yield (
        f"Test accuracy in %, {spread}{seeds_of(rows)}. * better than BL by the exact "
        "one-sided sign test over seeds, ties dropped, Holm's correction over the methods of a "
        "row, 5 % level."
    )
    compared = sum("gain" in row for row in rows)
    groups = len({(row["dataset"], row["backbone"]) for row in rows if "gain" in row})
    if compared and max(seeds) < (needed := seeds_needed(-(-compared // groups))):
        yield f"Too few seeds for a star: it takes at least {needed}."


def significance_tables(rows):
    """One table a backbone: does the method of a column outperform the method of a row?

    Args:
        rows: what `statistics.by_backbone` returns.

    Returns:
        A list of `Table`: won and lost pairs and the mark, beside it the mark of the paper's
        Table 3.
    """
    marks = published.significance()
    tables = []
    for backbone in dict.fromkeys(row["backbone"] for row in rows):
        found = {(row["better"], row["worse"]): row for row in rows if row["backbone"] == backbone}
        methods = sorted(dict.fromkeys(better for better, _ in found), key=_column)
        body = [
            (worse, *(_outcome(found, marks, backbone, better, worse) for better in methods))
            for worse in methods
        ]
        tables.append(Table(backbone, ("row \\ column", *methods), tuple(body)))
    if tables:
        tables[-1] = dataclasses.replace(tables[-1], notes=SIGNIFICANCE)
    return tables


SIGNIFICANCE = (
    "Pairs that the method of the column won and lost against the method of the row. * it is "
    "better by the exact one-sided sign test, ties dropped, at the 5 % level; ° it still is after "
    "Holm's correction over the ordered pairs of the network. Beside it the paper's mark, if any.",
)


def _outcome(found, marks, backbone, better, worse):
    if better == worse:
        return Cell("")
    mark = marks.get((backbone, better, worse), "")
    row = found.get((better, worse))
    if not row:
        return Cell(MISSING, mark)
    return Cell(f"{row['wins']}-{row['losses']}", mark, mark=row["mark"])
