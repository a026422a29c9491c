"""The table of the page "What it works on": `python -m tests.property.works_on` writes it anew."""

import pathlib

import keras_reinit as kr
from tests.property.architectures import KINDS, PARTS, refusal

PAGE = pathlib.Path(__file__).parents[2] / "docs" / "works_on.md"
BEGIN, END = "<!-- table: begin -->\n", "<!-- table: end -->\n"


def table():
    """One row for each kind of network, one column for each method, in Markdown."""
    letters = list(kr.methods.METHODS)
    lines = ["| network | " + " | ".join(letters) + " |", "|---" * (len(letters) + 1) + "|"]
    for kind in KINDS:
        cells = ["refused" if refusal(kind, each) else "works" for each in letters]
        lines.append(f"| {kind} | " + " | ".join(cells) + " |")
    parts = ", ".join(PARTS)
    return "\n".join(lines) + f"\n\nEach made of these, alone and mixed: {parts}.\n"


def with_table(text):
    before, _, rest = text.partition(BEGIN)
    return before + BEGIN + "\n" + table() + "\n" + END + rest.partition(END)[2]


if __name__ == "__main__":
    PAGE.write_text(with_table(PAGE.read_text()))
