"""Reads the numbers that a paper prints."""

import csv
import pathlib


def rows(module, table):
    """The rows of a table.

    Args:
        module: `__file__` of the paper's `published`, beside which the CSV files are.
        table: name of the file, without its end.

    Returns:
        A list of dicts of str.
    """
    text = pathlib.Path(module).with_name(f"{table}.csv").read_text(encoding="utf-8")
    return list(csv.DictReader(text.splitlines()))


def share(percent):
    """A printed percentage as a share, without the error of a division; None for "".

    Example:
        >>> share("88.9")
        0.889
    """
    return round(float(percent) / 100, 6) if percent else None
