"""Which method is best, and on what it depends."""

from typing import Any, NamedTuple

import numpy as np

from keras_reinit.core import check_int

_PARTS = ("features", "accuracy")


class Node(NamedTuple):
    """One node of a `DecisionTree`, and with it the tree below.

    Attributes:
        samples: the number of settings that get here.
        gini: impurity, `1 - sum(shares**2)`.
        shares: {method: share of these settings in which it is best}, the largest first.
        best: the methods to report, a tuple: the most frequent one where `gini <= 0.5`, else all
            that are best at least half as often as that.
        question: what is asked here, such as "architecture is vgg16"; None at a leaf.
        yes: the node for settings where it holds; None at a leaf.
        no: the node for the others; None at a leaf.
    """

    samples: int
    gini: float
    shares: dict
    best: tuple
    question: str | None = None
    yes: Any = None
    no: Any = None


class DecisionTree(NamedTuple):
    """A fitted tree.

    Attributes:
        classifier: the fitted `sklearn.tree.DecisionTreeClassifier`.
        features: the name of each column it was given, a tuple; "architecture is vgg16" for a
            column that is 1 where the feature has that value.
        root: the tree as a `Node`, to read or to draw.
    """

    classifier: Any
    features: tuple
    root: Node


def decision_tree(rows, max_depth=4, min_leaf=7):
    """Fit a tree that predicts the best method of a setting from the setting's features.

    Numbers and booleans are one column each, strings one column a value. A tie goes to the method
    that the row names first: name the baseline first, and a method has to beat it.

    Args:
        rows: list of {"features": {name: number, boolean or string}, "accuracy": {method: float}},
            one a setting; the features' names are the same in every row.
        max_depth: questions on the way to a leaf, at most.
        min_leaf: settings in a leaf, at least.

    Returns:
        A `DecisionTree(classifier, features, root)`.

    Raises:
        ImportError: if scikit-learn is missing.
        ValueError: if there is no row, rows differ in their features, a feature is of two kinds, or
            a row has no accuracy or one that is not finite.

    Example:
        >>> rows = [
        ...     {"features": {"train size": n}, "accuracy": {"BL": 0.5, "LW": 0.9 - 0.04 * n}}
        ...     for n in range(20)
        ... ]
        >>> decision_tree(rows).root.question
        'train size <= 9.5'

    Reference:
        Alabdulmohsin et al. 2021, Section 3.1 and Figure 3.
    """
    try:
        from sklearn.tree import DecisionTreeClassifier
    except ImportError as error:
        raise ImportError(
            "A decision tree needs scikit-learn. Install it with: "
            "pip install keras-reinit[analysis]"
        ) from error
    max_depth, min_leaf = check_int("max_depth", max_depth), check_int("min_leaf", min_leaf)
    columns = _columns(rows)
    table = np.array([[read(row["features"]) for _, _, read in columns] for row in rows], "float64")
    classifier = DecisionTreeClassifier(
        max_depth=max_depth, min_samples_leaf=min_leaf, random_state=0
    )
    classifier.fit(table, [_best(row) for row in rows])
    return DecisionTree(
        classifier, tuple(name for name, _, _ in columns), _node(classifier, columns)
    )


def _best(row):
    accuracy = row["accuracy"]
    if not accuracy or not np.isfinite(list(accuracy.values())).all():
        raise ValueError(
            f"A row needs a finite accuracy of some method. Received: accuracy={accuracy} for "
            f"features={row['features']}"
        )
    return max(accuracy, key=accuracy.__getitem__)  # the first of several


def _columns(rows):
    """(name, whether it is 0 or 1, function of a row's features) for each column."""
    is_list = isinstance(rows, list | tuple) and bool(rows)
    if not is_list or not all(isinstance(row, dict) and {*_PARTS} <= {*row} for row in rows):
        raise ValueError(
            f"A tree needs some rows, each a dict with {_PARTS}. Received: rows={rows!r}"
        )
    names = list(rows[0]["features"])
    columns: list[tuple[str, bool, Any]] = []
    for row in rows:
        if set(row["features"]) != set(names):
            raise ValueError(
                f"Rows have the same features. Received: {sorted(row['features'])} in one row, "
                f"{sorted(names)} in another"
            )
    for name in names:
        values = [row["features"][name] for row in rows]
        if all(isinstance(value, str) for value in values):
            for value in sorted(set(values)):
                columns.append(
                    (f"{name} is {value}", True, lambda f, name=name, value=value: f[name] == value)
                )
        elif all(isinstance(value, bool | int | float | np.number) for value in values):
            binary = all(isinstance(value, bool) for value in values)
            columns.append((name, binary, lambda f, name=name: f[name]))
        else:
            raise ValueError(
                "A feature is a number or boolean in all rows, or a string in all. Received: "
                f"{name}={values}"
            )
    return columns


def _node(classifier, columns, index=0):
    tree = classifier.tree_
    counts = tree.value[index, 0] / tree.value[index, 0].sum()
    by_share = sorted(zip(classifier.classes_, counts, strict=True), key=lambda pair: -pair[1])
    shares = {str(method): float(share) for method, share in by_share if share}
    gini = float(tree.impurity[index])
    largest = max(shares.values())
    least = largest if gini <= 0.5 else largest / 2
    best = tuple(method for method, share in shares.items() if share >= least)
    about = (int(tree.n_node_samples[index]), gini, shares, best)
    left, right = tree.children_left[index], tree.children_right[index]
    if left == right:
        return Node(*about)
    name, binary, _ = columns[tree.feature[index]]
    below, above = _node(classifier, columns, left), _node(classifier, columns, right)
    if binary:
        return Node(*about, name, yes=above, no=below)
    return Node(*about, f"{name} <= {tree.threshold[index]:g}", yes=below, no=above)
