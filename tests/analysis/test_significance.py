"""The sign test and Holm's correction against values worked by hand."""

import math

import pytest

from keras_reinit.analysis import holm, sign_test


def test_all_wins():
    assert sign_test([2, 3, 4, 5, 6, 7, 8, 9], [1] * 8) == (8, 0, 0, 2**-8)


def test_ties_are_dropped():
    test = sign_test([2, 1, 1, 0, 2], [1, 1, 1, 1, 1])
    assert (test.wins, test.losses, test.ties) == (2, 1, 2)
    assert test.p_value == pytest.approx((math.comb(3, 2) + math.comb(3, 3)) / 8)


def test_it_is_one_sided():
    scores, lower = [5, 6, 7, 8], [1, 2, 3, 4]
    assert sign_test(scores, lower).p_value == 1 / 16
    assert sign_test(lower, scores).p_value == 1


def test_only_ties():
    assert sign_test([1, 2], [1, 2]) == (0, 0, 2, 1.0)


@pytest.mark.parametrize(
    ("treatment", "control", "message"),
    [
        ([1, 2], [1], "not paired. Received: `treatment`"),
        ([1, math.nan], [1, 2], "finite numbers. Received: treatment="),
    ],
)
def test_bad_scores(treatment, control, message):
    with pytest.raises(ValueError, match=message):
        sign_test(treatment, control)


def test_holm_by_hand():
    # Sorted: 0.01 * 4, 0.013 * 3, 0.03 * 2, 0.2 * 1, and never less than the one before.
    assert holm([0.03, 0.01, 0.2, 0.013]) == pytest.approx([0.06, 0.04, 0.2, 0.04])


def test_holm_never_exceeds_one_and_takes_nothing():
    assert holm([0.6, 0.7]) == [1.0, 1.0]
    assert holm([]) == []


@pytest.mark.parametrize("p", [-0.1, 1.1, math.nan])
def test_holm_refuses_what_is_no_probability(p):
    with pytest.raises(ValueError, match="at most 1. Received: p_values="):
        holm([0.5, p])
