"""Names in pictures are drawn as they stand, whatever characters they have."""

import pytest

from keras_reinit.analysis import decision_tree, plots
from tests.analysis.drawn import draw

NAMES = [
    "$a_{$",
    "folder:/data/$HOME",
    "$$",
    r"\$x",
    "a^b_c & <d> %e #f",
    r"\frac{",
    "${}",
]
RUNS = [[0.1, 0.2], [0.2, 0.3]]
PICTURES = {
    "bars": lambda n: plots.bars([{"method": n, "mean": 0.8, "deviation": 0.1}], n),
    "budgets": lambda n: plots.budgets({n: {n: {1: [0.1], 100: [0.2]}, "BL": {1: [0.1]}}}),
    "clouds": lambda n: plots.clouds({n: {n: [(1, 2)], "warm": [(2, 3)]}}, n, n),
    "gains": lambda n: plots.gains({n: {n: {"BL": 0.1, n: 0.2, "LW": 0.2}}}),
    "gradient_norms": lambda n: plots.gradient_norms(
        {n: {"epochs": [0, 1], "old": RUNS, "new": RUNS}}
    ),
    "heat_maps": lambda n: plots.heat_maps({n: {(0.1, 0.1): 0.2, (0.2, 0.1): 0.3}}, n, n),
    "learning_curves": lambda n: plots.learning_curves(
        {n: [[(1, 0.1)]], "BL": [[(1, 0.2)]]}, [], n
    ),
    "lines": lambda n: plots.lines({n: {n: {1: [0.1]}, "warm": {2: [0.1]}}}, n, n, log=True),
    "margins": lambda n: plots.margins({n: {"BL": [0.1, 0.2], n: [0.1, 0.3]}}),
    "parallel_coordinates": lambda n: plots.parallel_coordinates(
        [{n: n, "score": 0.1}, {n: "b", "score": 0.2}], [n], n
    ),
    "per_round": lambda n: plots.per_round({n: {n: RUNS, "LW": RUNS}}),
    "scatter": lambda n: plots.scatter({n: {n: [(0.1, 0.2)], "b": [(0.2, 0.3)]}}, n, n),
    "sharpness": lambda n: plots.sharpness(
        {n: {each: {"sigmas": [0.1], "accuracy": [0.1], "loss": [0.2]} for each in ("BL", n)}}
    ),
    "shrinking": lambda n: plots.shrinking({n: {n: {"shrink": [0.1, 0.2], "accuracy": RUNS}}}),
    "stages": lambda n: plots.stages(
        {n: {each: {"x": [1, 2], "accuracy": RUNS, "seconds": RUNS} for each in ("warm", n)}}, n
    ),
    "training_speed": lambda n: plots.training_speed({n: {n: [0.1, 0.2], "last": [0.2, 0.3]}}),
    "decision_tree": lambda n: plots.decision_tree(
        decision_tree([{"features": {n: v}, "accuracy": {n: v, "BL": 0.5}} for v in (0, 1) * 20])
    ),
    "weight_sizes": lambda n: plots.weight_sizes({n: [0.9, 1.1], "LW": [1.0, 1.2]}),
}


def test_every_picture_is_here():
    assert sorted(PICTURES) == sorted(plots.__all__)


@pytest.mark.parametrize("picture", PICTURES)
def test_any_name_can_be_drawn(picture):
    for name in NAMES:
        draw(PICTURES[picture](name))


@pytest.mark.parametrize("name", NAMES)
def test_a_name_is_drawn_as_it_stands(name):
    (axes,) = plots.learning_curves({"BL": [[(1, 0.2)]]}, [], name).axes
    shown, is_formula = axes.title._preprocess_math(axes.get_title(loc="left"))
    assert (shown, is_formula) == (name, False)
