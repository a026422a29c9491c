"""The picture of a search shows every trial that has a score, and what each does not have."""

import numpy as np
import pytest

from keras_reinit.analysis import plots
from tests.analysis.drawn import draw, texts

ROWS = [
    {"method": "S&P", "rounds": 4, "shrink": 0.4, "rate": 0.01, "score": 0.9},
    {"method": "BL", "rounds": None, "shrink": None, "rate": 0.0001, "score": 0.8},
    {"method": "FC", "rounds": 2, "shrink": None, "rate": 0.001, "score": 0.85},
    {"method": "LW", "rounds": 3, "shrink": None, "rate": 0.001, "score": None},
]
NAMES = ["method", "rounds", "iterations", "shrink", "rate"]


def trials(axes):
    """The heights of the lines that cross all axes, in the order in which they are drawn."""
    return [line for line in axes.get_lines() if len(line.get_xdata()) > 2]


def test_parallel_coordinates():
    figure = plots.parallel_coordinates(ROWS, NAMES, "digits")
    (axes,) = figure.axes
    lines = trials(axes)
    heights = np.array([line.get_ydata() for line in lines])
    assert heights[:, -1] == pytest.approx([0, 0.5, 1])  # the score, the best on top
    assert heights[:, 0] == pytest.approx([0, 0.5, 1])  # BL, FC, S&P
    assert heights[:, 3] == pytest.approx([0, 0.5, 1])  # a logarithmic axis
    assert heights[0, 1] == heights[0, 2] == heights[1, 2] < 0
    widths = [line.get_linewidth() for line in lines]
    assert widths[2] > widths[1] == widths[0]
    shown = texts(axes)
    assert {"method", "rounds", "shrink", "rate", "score", "BL", "FC", "S&P", "-"} <= set(shown)
    assert not {"iterations", "LW"} & set(shown)
    draw(figure)


def test_a_lower_score_can_be_the_better_one():
    figure = plots.parallel_coordinates(ROWS, NAMES, "digits", higher_is_better=False)
    assert [line.get_ydata()[-1] for line in trials(figure.axes[0])] == pytest.approx([1, 0.5, 0])


def test_of_several_best_trials_the_first_stands_out():
    rows = [row | {"score": 0.9} for row in ROWS[:3]]
    *others, best = trials(plots.parallel_coordinates(rows, NAMES, "digits").axes[0])
    assert best.get_ydata()[0] == 1  # S&P, by the alphabet
    assert all(best.get_linewidth() > line.get_linewidth() for line in others)


def test_one_trial_is_a_picture():
    draw(plots.parallel_coordinates(ROWS[:1], NAMES, "digits"))


def test_a_search_without_a_score_has_no_picture():
    with pytest.raises(ValueError, match="nothing to draw"):
        plots.parallel_coordinates(ROWS[-1:], NAMES, "digits")
