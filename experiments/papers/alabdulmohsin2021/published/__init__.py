"""The numbers that the papers print, cell by cell; what is missing is said in README.md."""

from experiments.engine.errors import UsageError, unknown
from experiments.report.published import rows, share
from keras_reinit.methods.table import of_paper

METHODS = of_paper("alabdulmohsin2021")
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
        (row["dataset"], row["backbone"], method): share(row[method])
        for row in rows(__file__, item.lower().replace(" ", ""))
        for method in METHODS
        if row[method]
    }


def synthetic():
    """Table 1: test accuracy on synthetic data, mean and deviation.

    Returns:
        A dict {(method, alpha): (mean, deviation)}, shares in [0, 1].
    """
    return {
        (row["method"], float(row["alpha"])): (share(row["mean"]), share(row["deviation"]))
        for row in rows(__file__, "table1")
    }


def weight_penalty():
    """Table 4: test accuracy on synthetic data under an L2 penalty.

    Returns:
        A dict {(l2, method): share in [0, 1]} with the methods "BL", "rescaling" and "LW".
    """
    return {
        (float(row["l2"]), method): float(row[method])
        for row in rows(__file__, "table4")
        for method in ("BL", "rescaling", "LW")
    }


def significance():
    """Table 3: which method is better than which, for each architecture.

    Returns:
        A dict {(backbone, better, worse): mark}: "*" at the 5 % level, "°" after Holm's correction
        too. Pairs without a mark are not in it.
    """
    return {
        (row["backbone"], row["better"], row["worse"]): row["mark"]
        for row in rows(__file__, "table3")
    }
