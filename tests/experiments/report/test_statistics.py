"""The statistics in the tables."""

import itertools
import math

import pytest
from scipy import stats

from experiments.report.statistics import (
    against_baseline,
    by_backbone,
    by_cell,
    paired,
    pairwise,
    percent,
    seeds_needed,
)


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        ((0.5149, 0.0421), "51.5 ± 4.2"),
        ((0.5149,), "51.5"),
        ((None,), "-"),
        ((0.02, 0.01, True), "+2.0 ± 1.0"),
    ],
)
def test_percent(arguments, text):
    assert percent(*arguments) == text


def test_against_baseline_pairs_by_seed():
    rows = against_baseline({"BL": {0: 0.5, 1: 0.7}, "LW": {1: 0.8, 0: 0.7, 2: 0.1}})
    baseline, layerwise = rows
    assert baseline == {
        "method": "BL",
        "seeds": 2,
        "mean": pytest.approx(0.6),
        "deviation": pytest.approx(0.02**0.5),
    }
    assert layerwise["gain"] == pytest.approx(0.15)
    assert (layerwise["wins"], layerwise["losses"], layerwise["p_value"]) == (2, 0, 0.25)


def test_significance_is_corrected_for_the_number_of_methods():
    baseline = dict.fromkeys(range(6), 0.5)
    better = dict.fromkeys(range(6), 0.6)
    alone = against_baseline({"BL": baseline, "LW": better})[1]
    assert (alone["p_holm"], alone["significant"]) == (2**-6, True)
    many = against_baseline({"BL": baseline} | {f"method {i}": better for i in range(4)})
    assert (many[1]["p_holm"], many[1]["significant"]) == (4 * 2**-6, False)


def test_without_a_baseline_there_is_no_gain():
    assert "gain" not in against_baseline({"LW": {0: 0.5}})[0]


def test_seeds_needed_for_significance():
    assert seeds_needed(1) == 5
    assert seeds_needed(6) == 7


def _record(method, accuracy, **fields):
    return {"method": method, "test_accuracy": accuracy} | fields


def test_paired_averages_runs_that_no_key_tells_apart():
    records = [_record("LW", 0.5, dataset="a", seed=0), _record("LW", 0.7, dataset="a", seed=1)]
    assert paired(records, ["dataset", "seed"]) == {"LW": {("a", 0): 0.5, ("a", 1): 0.7}}
    assert paired(records, ["dataset"]) == {"LW": {("a",): pytest.approx(0.6)}}


def test_pairwise_by_hand():
    """A beats B on 8 of 9 runs that differ (one tie); C is nowhere but on a run of its own."""
    a = dict(enumerate([0.9] * 8 + [0.1, 0.5]))
    b = dict.fromkeys(range(10), 0.5)
    rows = {(row["better"], row["worse"]): row for row in pairwise({"A": a, "B": b, "C": {99: 1}})}
    assert list(rows) == [("A", "B"), ("B", "A")]
    won = rows["A", "B"]
    assert (won["wins"], won["losses"], won["ties"]) == (8, 1, 1)
    assert won["p_value"] == pytest.approx((9 + 1) / 2**9)  # P(B(9, 1/2) >= 8)
    assert won["p_holm"] == pytest.approx(2 * 10 / 2**9)  # two ordered pairs
    assert won["mark"] == "°"
    lost = rows["B", "A"]
    assert lost["p_value"] == pytest.approx(1 - 1 / 2**9)
    assert (lost["p_holm"], lost["mark"]) == (pytest.approx(1 - 1 / 2**9), "")


def test_pairwise_marks_what_holm_does_not_confirm():
    rows = pairwise({"A": dict.fromkeys(range(5), 1.0), "B": dict.fromkeys(range(5), 0.5)})
    assert [(row["p_value"], row["p_holm"], row["mark"]) for row in rows] == [
        (1 / 32, 2 / 32, "*"),
        (1.0, 1.0, ""),
    ]


def test_pairwise_against_scipy(rng):
    scores = {
        method: dict(enumerate(rng.integers(0, 8, 40) + shift))
        for method, shift in zip("ABCD", (0, 1, 2, 4), strict=True)
    }
    rows = pairwise(scores)
    expected = {}
    for better, worse in itertools.permutations("ABCD", 2):
        wins = sum(scores[better][key] > scores[worse][key] for key in range(40))
        losses = sum(scores[better][key] < scores[worse][key] for key in range(40))
        expected[better, worse] = float(stats.binom.sf(wins - 1, wins + losses, 0.5))
    assert {(row["better"], row["worse"]): row["p_value"] for row in rows} == pytest.approx(
        expected
    )
    largest = 0.0
    for rank, row in enumerate(sorted(rows, key=lambda row: row["p_value"])):
        largest = max(largest, min(1.0, (12 - rank) * row["p_value"]))
        assert math.isclose(row["p_holm"], largest)
    assert {row["mark"] for row in rows} >= {"°", ""}


def test_by_cell_compares_within_a_data_set_and_backbone():
    records = [
        _record(method, accuracy + 0.01 * seed, dataset=dataset, backbone="scnn", seed=seed)
        for dataset, shift in (("a", 0.1), ("b", -0.1))
        for method, accuracy in (("BL", 0.5), ("LW", 0.5 + shift))
        for seed in range(5)
    ]
    rows = {(row["dataset"], row["method"]): row for row in by_cell(records)}
    assert rows["a", "LW"]["backbone"] == "scnn"
    assert rows["a", "LW"]["gain"] == pytest.approx(0.1)
    assert rows["a", "LW"]["significant"]
    assert rows["b", "LW"]["gain"] == pytest.approx(-0.1)
    assert not rows["b", "LW"]["significant"]


def test_by_backbone_pools_data_sets_and_keeps_backbones_apart():
    records = [
        _record(method, accuracy, dataset=dataset, backbone=backbone, seed=0)
        for backbone, better in (("scnn", "LW"), ("vgg16", "BL"))
        for dataset in range(6)
        for method, accuracy in (("BL", 0.5), ("LW", 0.6 if better == "LW" else 0.4))
    ]
    rows = {(row["backbone"], row["better"]): row for row in by_backbone(records, ["dataset"])}
    assert (rows["scnn", "LW"]["wins"], rows["scnn", "LW"]["mark"]) == (6, "°")
    assert (rows["vgg16", "BL"]["wins"], rows["vgg16", "LW"]["wins"]) == (6, 0)
