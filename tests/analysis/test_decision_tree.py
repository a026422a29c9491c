"""Trees whose questions are known, and what their leaves report."""

import builtins

import numpy as np
import pytest

from keras_reinit.analysis import decision_tree


def setting(best, **features):
    return {"features": features, "accuracy": {"BL": 0.5, "FC": 0.4, "LW": 0.3, best: 0.9}}


def leaves(node):
    return [node] if node.question is None else leaves(node.yes) + leaves(node.no)


def test_strings_numbers_and_booleans():
    """LW on small sets; on large ones FC with augmentation, and without it BL on vgg16."""
    rows = [
        setting(
            "LW" if size < 10_000 else "FC" if augmented else "BL" if network == "vgg16" else "LW",
            size=size,
            augmentation=augmented,
            architecture=network,
        )
        for size in (1000, 2000, 3000, 20_000, 50_000)
        for augmented in (False, True)
        for network in ("scnn", "vgg16")
        for _ in range(7)
    ]
    tree = decision_tree(rows)
    assert tree.features == (
        "size",
        "augmentation",
        "architecture is scnn",
        "architecture is vgg16",
    )
    root = tree.root
    assert (root.question, root.samples) == ("size <= 11500", len(rows))
    assert root.yes.best == ("LW",)
    assert root.yes.gini == 0
    assert root.no.question == "augmentation"
    assert root.no.yes.best == ("FC",)
    last = root.no.no
    assert last.question in ("architecture is scnn", "architecture is vgg16")
    vgg16, scnn = (last.yes, last.no) if "vgg16" in last.question else (last.no, last.yes)
    assert (vgg16.best, scnn.best) == (("BL",), ("LW",))
    assert vgg16.samples == scnn.samples == 14
    assert sum(leaf.samples for leaf in leaves(root)) == len(rows)
    assert tree.classifier.predict([[500, 1, 0, 1]]) == ["LW"]


def test_leaves_are_not_small_and_not_deep(rng):
    rows = [
        setting(rng.choice(["BL", "FC", "LW"]), a=float(a), b=float(b))
        for a, b in rng.random((90, 2))
    ]
    tree = decision_tree(rows)
    assert min(leaf.samples for leaf in leaves(tree.root)) >= 7
    assert tree.classifier.get_depth() == 4
    assert min(leaf.samples for leaf in leaves(decision_tree(rows, min_leaf=20).root)) >= 20
    assert decision_tree(rows, max_depth=1).root.yes.question is None


def test_an_impure_leaf_reports_the_top_methods():
    """Shares .5, .3, .2: Gini is .62, and .2 is less than half of .5."""
    best = ["LW"] * 5 + ["FC"] * 3 + ["BL"] * 2
    root = decision_tree([setting(each, size=1) for each in best]).root
    assert root.question is None
    assert root.gini == pytest.approx(1 - 0.25 - 0.09 - 0.04)
    assert root.shares == pytest.approx({"LW": 0.5, "FC": 0.3, "BL": 0.2})
    assert root.best == ("LW", "FC")


def test_a_pure_leaf_reports_one_method():
    """Shares .7, .3: Gini is .42."""
    root = decision_tree([setting(each, size=1) for each in ["LW"] * 7 + ["FC"] * 3]).root
    assert root.best == ("LW",)


def test_a_tie_goes_to_the_method_named_first():
    row = {"features": {"size": 1}, "accuracy": {"BL": 0.5, "LW": 0.5, "FC": 0.4}}
    assert decision_tree([row] * 3).root.best == ("BL",)


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ([], "needs some rows"),
        ([setting("LW", a=1), setting("LW", b=1)], "the same features. Received: \\['b'\\]"),
        ([setting("LW", a=1), setting("LW", a="x")], "Received: a=\\[1, 'x'\\]"),
        ([setting("LW", a=None)], "Received: a=\\[None\\]"),
        ([{"features": {"a": 1}, "accuracy": {}}], "finite accuracy"),
        ([{"features": {"a": 1}, "accuracy": {"LW": np.nan}}], "finite accuracy"),
    ],
)
def test_bad_rows(rows, message):
    with pytest.raises(ValueError, match=message):
        decision_tree(rows)


def test_without_scikit_learn_the_error_names_the_extra(monkeypatch):
    plain_import = builtins.__import__

    def no_sklearn(name, *rest, **named):
        if name.startswith("sklearn"):
            raise ModuleNotFoundError(name)
        return plain_import(name, *rest, **named)

    monkeypatch.setattr(builtins, "__import__", no_sklearn)
    with pytest.raises(ImportError, match=r"pip install keras-reinit\[analysis\]"):
        decision_tree([setting("LW", a=1)])
