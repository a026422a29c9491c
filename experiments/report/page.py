"""One page with the tables and figures of all experiments that were run."""

import base64
import io
import itertools
import pathlib
import re

import jinja2
from matplotlib import pyplot as plt

from experiments.engine import files
from experiments.engine.catalogue import names

DOTS_PER_INCH = 200
PIXELS_PER_INCH = 96  # of CSS
_LONGEST_NAME = 60  # characters, each of which may take four of a disk's 255 bytes


def write(found, folder, facts=None):
    """Write `index.html`, which needs no other file and no network, and the figures as PNG files.

    The same arguments give the same bytes.

    Args:
        found: dict {name: (Experiment, records)}; the page has a section for each, in this order.
        folder: where the files go; made where missing.
        facts: dict {label: text} for the top of the page, such as the date and versions.

    Returns:
        The paths of the files written, the page first.

    Raises:
        UsageError: if a file cannot be written.
    """
    folder = pathlib.Path(folder)
    pictures: dict = {}
    sections = [
        _section(name, experiment, records, pictures)
        for name, (experiment, records) in found.items()
    ]
    loader = jinja2.FileSystemLoader(pathlib.Path(__file__).parent)
    environment = jinja2.Environment(
        loader=loader,
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    template = environment.get_template("page.html.j2")
    page = folder / "index.html"
    for file, content in pictures.items():
        files.write(folder / file, content)
    files.write(page, template.render(sections=sections, facts=facts or {}))
    return [page, *(folder / file for file in pictures)]


def _section(name, experiment, records, pictures):
    """What the template shows of one experiment; adds its figures, as PNG bytes, to `pictures`."""
    tables, figures = [], []
    if records:
        tables = [_table(table) for table in experiment.tables(experiment.summarize(records))]
        for title, (caption, draw) in experiment.figures(records).items():
            file = _file_name(f"{name}-{title}", pictures)
            pictures[file], size = picture(draw())
            alternative = f"{experiment.title}: {title.replace('_', ' ')}"
            embedded = base64.b64encode(pictures[file]).decode("ascii")
            figures.append(
                {"caption": caption, "alternative": alternative, "png": embedded, "size": size}
            )
    return {
        "name": name,
        "experiment": experiment,
        "title": experiment.title[:1].upper() + experiment.title[1:],
        "command": f"python -m experiments {'run ' if name in names() else ''}{name}",
        "runs": len(records),
        "seeds": len({record["seed"] for record in records if "seed" in record}),
        "time": _duration(sum(record["seconds"] for record in records)),
        "common": _common(records),
        "tables": tables,
        "figures": figures,
    }


def _file_name(title, others):
    """A name that any disk takes, short, and no other picture's."""
    plain = re.sub(r"[^\w.&+,=-]", "_", title)[:_LONGEST_NAME]
    number = itertools.count(2)
    file = f"{plain}.png"
    while file in others:
        file = f"{plain}-{next(number)}.png"
    return file


def picture(figure):
    """A figure as PNG bytes, and its (width, height) in CSS pixels; closes it."""
    content = io.BytesIO()
    # Without the version of matplotlib, which savefig writes into the file by default.
    figure.savefig(content, format="png", dpi=DOTS_PER_INCH, metadata={"Software": None})
    width, height = figure.get_size_inches() * PIXELS_PER_INCH
    plt.close(figure)
    return content.getvalue(), (round(width), round(height))


def _table(table):
    """What the template shows of a table.

    Where the first of several label columns repeats itself, it becomes headings of groups of rows.
    """
    rows = table.cells()
    labels = [row[0].text for row in rows]
    grouped = table.left > 1 and len(list(itertools.groupby(labels))) < len(labels)
    skipped = int(grouped)
    groups = [
        (label if grouped else None, [row[skipped:] for _, row in members])
        for label, members in itertools.groupby(
            zip(labels, rows, strict=True), key=lambda pair: pair[0] if grouped else None
        )
    ]
    cells = [cell for row in rows for cell in row]
    return {
        "title": table.title,
        "header": table.header[skipped:],
        "left": table.left - skipped,
        "groups": groups,
        "marked": any(cell.mark for cell in cells),
        "best": any(cell.best for cell in cells),
        "published": any(cell.published for cell in cells),
        "notes": _blocks(table.notes),
    }


def _blocks(notes):
    """Notes as a list of (whether it is a list, texts)."""
    for listed, members in itertools.groupby(notes, key=lambda note: note.startswith("- ")):
        yield listed, [note.removeprefix("- ") for note in members]


def _common(records):
    """The plain values that all records share: the setting."""
    if not records:
        return {}
    first, *others = records
    return {
        name: value
        for name, value in first.items()
        if not isinstance(value, list | dict)
        and name != "seconds"
        and all(name in record and record[name] == value for record in others)
    }


def _duration(seconds):
    """A duration in the largest unit of which there is at least one: "1.5 hours"."""
    for unit, length in (("hours", 3600), ("minutes", 60)):
        if seconds >= length:
            return f"{seconds / length:.1f} {unit}"
    return f"{seconds:.1f} seconds"
