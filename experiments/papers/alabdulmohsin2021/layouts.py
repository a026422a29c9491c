"""Tables 2, 3, 6 and 7 of Alabdulmohsin et al. 2021 in the paper's own layout."""

import dataclasses

from experiments.papers.alabdulmohsin2021 import published
from experiments.report.statistics import best, each, percent, seeds_needed, seeds_of
from experiments.report.tables import MISSING, Cell, crossed


def accuracy_table(rows, title, item=None, notes=()):
    """One row a data set and backbone, one column a method; the best of a row is marked.

    Args:
        rows: what `summary` says of each "dataset", "backbone" and "method".
        title: one line.
        item: the table whose numbers stand beside, "Table 2", "Table 6" or "Table 7", or None.
        notes: paragraphs that follow the explanation of the numbers.

    Returns:
        A `Table`. Methods that the paper has come first, in its order; a method without a run of a
        data set and backbone is "-" there.
    """
    rows = best(rows, "dataset", "backbone")
    alone = {place for place, same in each(rows, "dataset", "backbone") if len(same) == 1}
    methods = list(dict.fromkeys([*published.METHODS, *rows["method"]]))
    printed = published.accuracy(item) if item else {}

    def cell(row, key):
        beside = percent(printed[key]) if key in printed else ""
        if row is None:
            return Cell(MISSING, beside)
        text = percent(row.mean, row.deviation)
        return Cell(text, beside, row.best and key[:2] not in alone, "*" * bool(row.significant))

    lines = {"data set": "dataset", "network": "backbone"}
    explained = (*_explained(rows), *notes)
    return crossed(title, rows, lines, "method", methods, cell, notes=explained)


def _explained(rows):
    """What the numbers and the star mean; whether there are enough seeds for a star."""
    if rows.empty:
        return
    most = max(rows["seeds"])
    spread = "" if most == 1 else "mean ± standard deviation over "
    yield (
        f"Test accuracy in %, {spread}{seeds_of(rows)}. * better than BL by the exact "
        "one-sided sign test over seeds, ties dropped, Holm's correction over the methods of a "
        "row, 5 % level."
    )
    compared = rows[rows["gain"].notna()]
    groups = len(list(each(compared, "dataset", "backbone")))
    if groups and most < (needed := seeds_needed(-(-len(compared) // groups))):
        yield f"Too few seeds for a star: it takes at least {needed}."


def significance_tables(rows):
    """One table a backbone: does the method of a column outperform the method of a row?

    Args:
        rows: what `pairwise` says of the methods of each "backbone".

    Returns:
        A list of `Table`: won and lost pairs and the mark, beside it the mark of the paper's
        Table 3.
    """
    marks = published.significance()
    tables = []
    for backbone, members in each(rows, "backbone"):
        found = set(members["better"])
        methods = [m for m in dict.fromkeys((*published.METHODS, *members["better"])) if m in found]

        def cell(row, key, backbone=backbone):
            worse, better = key
            if better == worse:
                return Cell("")
            mark = marks.get((backbone, better, worse), "")
            return Cell(f"{row.wins}-{row.losses}", mark, mark=row.mark) if row else Cell("-", mark)

        ordered = members.sort_values("worse", key=lambda m: m.map(methods.index), kind="stable")
        lines = {"row \\ column": "worse"}
        tables.append(crossed(backbone, ordered, lines, "better", methods, cell))
    if tables:
        tables[-1] = dataclasses.replace(tables[-1], notes=SIGNIFICANCE)
    return tables


SIGNIFICANCE = (
    "Pairs that the method of the column won and lost against the method of the row. * it is "
    "better by the exact one-sided sign test, ties dropped, at the 5 % level; ° it still is after "
    "Holm's correction over the ordered pairs of the network. Beside it the paper's mark, if any.",
)
