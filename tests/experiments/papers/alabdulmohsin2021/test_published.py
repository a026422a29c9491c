"""The papers' numbers, against what was read from the paper by eye."""

import collections

import pytest

from experiments.engine.errors import UsageError
from experiments.papers.alabdulmohsin2021 import published
from experiments.report.statistics import pairwise

BACKBONES = ("scnn", "vgg16", "mobilenet", "resnet50")


@pytest.mark.parametrize(
    ("item", "missing"),
    [
        (
            "Table 2",
            {("oxford_iiit_pet", "resnet50", "DSD"), ("oxford_iiit_pet", "resnet50", "LW")}
            | {("mnist_corrupted", backbone, "DSD") for backbone in BACKBONES},
        ),
        ("Table 6", set()),
        (
            "Table 7",
            {("oxford_iiit_pet", "resnet50", method) for method in published.METHODS}
            | {("mnist_corrupted", backbone, "FC") for backbone in BACKBONES},
        ),
    ],
)
def test_only_the_illegible_cells_are_left_out(item, missing):
    found = published.accuracy(item)
    datasets = {dataset for dataset, _, _ in published.accuracy("Table 6")}
    every = {(d, b, m) for d in datasets for b in BACKBONES for m in published.METHODS}
    assert len(datasets) == 12
    assert every - found.keys() == missing
    assert found.keys() <= every
    assert all(0.01 < share < 0.999 for share in found.values())


@pytest.mark.parametrize(
    ("item", "dataset", "backbone", "row"),
    [
        ("Table 2", "oxford_iiit_pet", "mobilenet", (27.7, 24.1, 23.2, 24.3, 23.5, 41.7)),
        ("Table 2", "fashion_mnist", "vgg16", (90.7, 92.3, 91.5, 92.3, 92.1, 92.8)),
        ("Table 2", "cassava", "resnet50", (46.5, 79.2, 82.9, 82.6, 77.6, 73.9)),
        ("Table 2", "cifar100", "resnet50", (59.9, 60.0, 61.8, 62.1, 60.3, 60.7)),
        ("Table 6", "stanford_dogs", "vgg16", (11.4, 11.8, 10.7, 10.3, 24.2, 19.1)),
        ("Table 6", "cmaterdb", "vgg16", (97.8, 97.2, 97.5, 97.5, 97.7, 99.0)),
        ("Table 6", "cifar100", "mobilenet", (44.7, 46.1, 54.3, 44.3, 42.0, 50.9)),
        ("Table 7", "stanford_dogs", "scnn", (8.4, 8.9, 7.6, 8.0, 9.6, 9.1)),
        ("Table 7", "stanford_dogs", "resnet50", (30.7, 33.3, 33.1, 33.8, 34.5, 40.1)),
        ("Table 7", "caltech_birds2010", "mobilenet", (2.5, 9.6, 5.1, 6.3, 8.4, 9.0)),
    ],
)
def test_rows_read_by_eye(item, dataset, backbone, row):
    found = published.accuracy(item)
    shares = [found[dataset, backbone, method] for method in published.METHODS]
    assert [100 * share for share in shares] == pytest.approx(row, abs=1e-9)


@pytest.mark.parametrize(
    ("item", "dataset", "method", "total"),
    [  # columns of four architectures, added by hand
        ("Table 2", "cifar10", "LW", 349.9),
        ("Table 2", "cars196", "FC", 101.4),
        ("Table 6", "cassava", "WELS", 242.2),
        ("Table 6", "oxford_iiit_pet", "BL", 67.3),
        ("Table 7", "cmaterdb", "DSD", 392.5),
        ("Table 7", "caltech101", "WELSR", 212.3),
    ],
)
def test_column_totals(item, dataset, method, total):
    found = published.accuracy(item)
    shares = [found[dataset, backbone, method] for backbone in BACKBONES]
    assert 100 * sum(shares) == pytest.approx(total, abs=1e-6)


def test_unknown_table_names_the_nearest():
    with pytest.raises(UsageError, match="Received: 'Table 8'. Did you mean 'Table"):
        published.accuracy("Table 8")


def test_synthetic_tables():
    table = published.synthetic()
    assert len(table) == 17
    assert ("BL", 0.5) not in table
    assert table["LW", 1.0] == (0.723, 0.036)
    assert table["WELS", 2.0] == (0.968, 0.001)
    penalties = published.weight_penalty()
    assert len(penalties) == 18
    assert penalties[0.01, "rescaling"] == 0.89
    assert penalties[0.005, "LW"] == 0.82
    assert penalties[0.0, "BL"] == 0.19


def test_significance_marks():
    marks = published.significance()
    assert collections.Counter(marks.values()) == {"°": 30, "*": 5}
    per_backbone = collections.Counter(backbone for backbone, _, _ in marks)
    assert per_backbone == {"scnn": 9, "vgg16": 11, "mobilenet": 7, "resnet50": 8}
    assert all((backbone, "LW", "BL") in marks for backbone in BACKBONES)
    assert not any(worse == "LW" for _, _, worse in marks)


def test_the_accuracies_bear_out_the_marks():
    """Tables 2, 6 and 7 hold half of the runs behind Table 3: nothing may point the other way."""
    records = [
        {"item": item, "dataset": d, "backbone": b, "method": m, "test_accuracy": share}
        for item in published.ITEMS
        for (d, b, m), share in published.accuracy(item).items()
    ]
    rows = pairwise(records, ["backbone", "method"], ["item", "dataset"]).to_dict("records")
    found = {(row["backbone"], row["better"], row["worse"]): row for row in rows}
    marks = published.significance()
    assert len(found) == 4 * 6 * 5
    for key, mark in marks.items():
        assert found[key]["wins"] > found[key]["losses"], key
        assert found[key]["p_value"] <= 0.06 or mark == "*", key
    for backbone in BACKBONES:
        assert found[backbone, "LW", "BL"]["mark"] == marks[backbone, "LW", "BL"] == "°"
