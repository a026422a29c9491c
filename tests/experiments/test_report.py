"""Tables and the statistics in them."""

import pytest

from experiments.report import against_baseline, percent, seeds_needed, table


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


def test_table_lines_up():
    assert table(["method", "test"], [["BL", "9.0"], ["WELSR", "10.0"]]).splitlines() == [
        "method  test",
        "------------",
        "BL       9.0",
        "WELSR   10.0",
    ]


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
