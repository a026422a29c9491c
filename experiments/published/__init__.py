"""The numbers that the papers print, cell by cell; what is missing is said in README.md."""

import csv
import importlib.resources

from experiments.errors import UsageError, unknown

METHODS = ("BL", "WELSR", "DSD", "WELS", "FC", "LW")
ITEMS = ("Table 2", "Table 6", "Table 7")


def accuracy(item):
    """Test accuracies of Alabdulmohsin et al. 2021, Tables 2, 6 and 7.

    Args:
        item: "Table 2" (augmentation), "Table 6" (neither augmentation nor dropout) or "Table 7"
            (augmentation and dropout).

    Returns:
        A dict {(dataset, backbone, method): share in [0, 1]} in the order of the paper, data sets
        by their TFDS names, without the illegible cells.

    Raises:
        UsageError: if the paper has no such table.

    Example:
        >>> accuracy("Table 2")["cifar10", "vgg16", "LW"]
        0.889
    """
    if item not in ITEMS:
        raise UsageError(unknown("table", item, ITEMS))
    return {
        (row["dataset"], row["backbone"], method): _share(row[method])
        for row in _rows(item.lower().replace(" ", ""))
        for method in METHODS
        if row[method]
    }


def synthetic():
    """Table 1: test accuracy on synthetic data, mean and deviation.

    Returns:
        A dict {(method, alpha): (mean, deviation)}, shares in [0, 1].
    """
    return {
        (row["method"], float(row["alpha"])): (_share(row["mean"]), _share(row["deviation"]))
        for row in _rows("table1")
    }


def weight_penalty():
    """Table 4: test accuracy on synthetic data under an L2 penalty.

    Returns:
        A dict {(l2, method): share in [0, 1]} with the methods "BL", "rescaling" and "LW".
    """
    return {
        (float(row["l2"]), method): float(row[method])
        for row in _rows("table4")
        for method in ("BL", "rescaling", "LW")
    }


def significance():
    """Table 3: which method is better than which, for each architecture.

    Returns:
        A dict {(backbone, better, worse): mark}: "*" at the 5 % level, "°" after Holm's correction
        too. Pairs without a mark are not in it.
    """
    return {(row["backbone"], row["better"], row["worse"]): row["mark"] for row in _rows("table3")}


def _rows(table):
    name = f"alabdulmohsin2021_{table}.csv"
    text = importlib.resources.files(__name__).joinpath(name).read_text(encoding="utf-8")
    return list(csv.DictReader(text.splitlines()))


def _share(percent):
    """A printed percentage as a share, without the error of a division: "88.9" is 0.889."""
    return round(float(percent) / 100, 4)
