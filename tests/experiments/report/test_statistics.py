"""The statistics in the tables."""

import itertools
import json
import math

import pytest
from scipy import stats

from experiments.report.statistics import (
    TESTED,
    best,
    chosen,
    each,
    first,
    frame,
    paired,
    pairwise,
    percent,
    seeds_needed,
    summary,
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


def _record(method, accuracy, **fields):
    return {"method": method, "test_accuracy": accuracy} | fields


def _records(scores):
    """Runs of some methods: {method: {seed: score}}."""
    return [
        _record(method, score, seed=seed)
        for method, by_seed in scores.items()
        for seed, score in by_seed.items()
    ]


def rows_of(scores):
    return summary(_records(scores), ["method"], baseline="BL").to_dict("records")


def test_a_summary_pairs_by_seed():
    baseline, layerwise = rows_of({"BL": {0: 0.5, 1: 0.7}, "LW": {1: 0.8, 0: 0.7, 2: 0.1}})
    assert baseline == {
        "method": "BL",
        "seeds": 2,
        "mean": pytest.approx(0.6),
        "deviation": pytest.approx(0.02**0.5),
        "scores": [0.5, 0.7],
        "gains": [],
        **dict.fromkeys(TESTED),
    }
    assert layerwise["gain"] == pytest.approx(0.15)
    assert layerwise["gains"] == pytest.approx([0.1, 0.2])
    assert (layerwise["wins"], layerwise["losses"], layerwise["p_value"]) == (2, 0, 0.25)


def test_significance_is_corrected_for_the_number_of_methods():
    baseline = dict.fromkeys(range(6), 0.5)
    better = dict.fromkeys(range(6), 0.6)
    alone = rows_of({"BL": baseline, "LW": better})[1]
    assert (alone["p_holm"], alone["significant"]) == (2**-6, True)
    many = rows_of({"BL": baseline} | {f"method {i}": better for i in range(4)})
    assert (many[1]["p_holm"], many[1]["significant"]) == (4 * 2**-6, False)


def test_without_a_baseline_there_is_no_gain():
    assert rows_of({"LW": {0: 0.5}})[0]["gain"] is None


def test_a_summary_of_nothing_has_its_columns():
    rows = summary([], ("dataset", "method"), steps=sum)
    assert rows.empty
    assert list(rows)[:4] == ["dataset", "method", "steps", "seeds"]


def test_runs_of_one_seed_count_once_and_values_stay_as_they_are():
    records = [
        _record("LW", score, seed=0, width=width, steps=steps, decay=None)
        for score, width, steps in ((0.5, 1, 3), (0.7, 2, 4))
    ]
    columns = {"width": first, "decay": first, "steps": sum, "most": ("steps", max)}
    (row,) = summary(records, ["method"], **columns).to_dict("records")
    assert (row["seeds"], row["mean"], row["deviation"]) == (1, pytest.approx(0.6), None)
    assert [row[name] for name in columns] == [1, None, 7, 4]
    assert json.loads(json.dumps(row)) == row


def test_the_best_setting_is_chosen_by_its_mean_and_the_first_of_equals():
    records = [
        _record(method, 0.1, seed=seed, rate=rate, validation_accuracy=score)
        for method, rates in (("BL", (0.5, 0.6, 0.6)), ("LW", (None,)))
        for rate, score in enumerate(rates)
        for seed in range(2)
    ]
    runs = chosen(records, ["method"], ["rate"], runs=("seed", len))
    assert runs[["method", "rate", "settings", "runs"]].values.tolist() == [
        *[["BL", 1, 3, 6]] * 2,
        *[["LW", 0, 1, 2]] * 2,
    ]
    assert chosen([], ["method"], ["rate"]).empty


def test_the_best_of_each_place_may_be_several_and_is_never_none():
    rows = frame(
        {"place": place, "mean": mean}
        for place, mean in (("a", 0.5), ("b", 0.7), ("a", 0.5), ("b", None), ("c", None))
    )
    assert best(rows, "place")["best"].tolist() == [True, True, True, False, False]
    assert best(rows, "place", of=min)["best"].tolist() == [True, True, True, False, False]
    assert best(rows)["best"].tolist() == [False, True, False, False, False]


def test_groups_come_in_the_order_of_the_rows():
    rows = [{"a": 2, "b": "x"}, {"a": 1, "b": "x"}, {"a": 2, "b": "y"}]
    assert [(value, len(same)) for value, same in each(rows, "a")] == [(2, 2), (1, 1)]
    assert [value for value, _ in each(rows, "b", "a")] == [("x", 2), ("x", 1), ("y", 2)]
    assert [len(same) for _, same in each(rows)] == [3]
    assert list(each([], "a")) == list(each([])) == []


def test_seeds_needed_for_significance():
    assert seeds_needed(1) == 5
    assert seeds_needed(6) == 7


def test_paired_averages_runs_that_no_key_tells_apart():
    records = [_record("LW", 0.5, dataset="a", seed=0), _record("LW", 0.7, dataset="a", seed=1)]
    assert paired(records, ["dataset", "seed"]) == {"LW": {("a", 0): 0.5, ("a", 1): 0.7}}
    assert paired(records, ["dataset"]) == {"LW": {("a",): pytest.approx(0.6)}}


def _pairs(scores):
    return pairwise(_records(scores), ["method"], ["seed"]).to_dict("records")


def test_pairwise_by_hand():
    """A beats B on 8 of 9 runs that differ (one tie); C is nowhere but on a run of its own."""
    a = dict(enumerate([0.9] * 8 + [0.1, 0.5]))
    b = dict.fromkeys(range(10), 0.5)
    rows = {(row["better"], row["worse"]): row for row in _pairs({"A": a, "B": b, "C": {99: 1}})}
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
    rows = _pairs({"A": dict.fromkeys(range(5), 1.0), "B": dict.fromkeys(range(5), 0.5)})
    assert [(row["p_value"], row["p_holm"], row["mark"]) for row in rows] == [
        (1 / 32, 2 / 32, "*"),
        (1.0, 1.0, ""),
    ]


def test_pairwise_against_scipy(rng):
    scores = {
        method: dict(enumerate(rng.integers(0, 8, 40) + shift))
        for method, shift in zip("ABCD", (0, 1, 2, 4), strict=True)
    }
    rows = _pairs(scores)
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


def test_a_summary_compares_within_a_place():
    records = [
        _record(method, accuracy + 0.01 * seed, dataset=dataset, backbone="scnn", seed=seed)
        for dataset, shift in (("a", 0.1), ("b", -0.1))
        for method, accuracy in (("BL", 0.5), ("LW", 0.5 + shift))
        for seed in range(5)
    ]
    found = summary(records, ("dataset", "backbone", "method"), baseline="BL").to_dict("records")
    rows = {(row["dataset"], row["method"]): row for row in found}
    assert rows["a", "LW"]["backbone"] == "scnn"
    assert rows["a", "LW"]["gain"] == pytest.approx(0.1)
    assert rows["a", "LW"]["significant"]
    assert rows["b", "LW"]["gain"] == pytest.approx(-0.1)
    assert not rows["b", "LW"]["significant"]


def test_pairs_are_pooled_over_data_sets_and_backbones_kept_apart():
    records = [
        _record(method, accuracy, dataset=dataset, backbone=backbone, seed=0)
        for backbone, better in (("scnn", "LW"), ("vgg16", "BL"))
        for dataset in range(6)
        for method, accuracy in (("BL", 0.5), ("LW", 0.6 if better == "LW" else 0.4))
    ]
    found = pairwise(records, ("backbone", "method"), ["dataset"]).to_dict("records")
    rows = {(row["backbone"], row["better"]): row for row in found}
    assert (rows["scnn", "LW"]["wins"], rows["scnn", "LW"]["mark"]) == (6, "°")
    assert (rows["vgg16", "BL"]["wins"], rows["vgg16", "LW"]["wins"]) == (6, 0)
