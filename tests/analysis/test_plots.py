"""What pictures show: the values, names and scales; and that each can be drawn."""

import subprocess
import sys

import matplotlib
import numpy as np
import pytest

from keras_reinit.analysis import decision_tree, plots
from keras_reinit.analysis.plots.style import LOOKS, in_order, styles
from tests.analysis.drawn import draw, legend_of, lines, texts


def error_bars(axes):
    """{label: (x values, y values, lengths of the bars)}."""
    bars = {}
    for container in axes.containers:
        line, _, (bar,) = container.lines
        ends = [segment[:, 1] for segment in bar.get_segments()]
        bars[container.get_label()] = (
            line.get_xdata().tolist(),
            line.get_ydata().tolist(),
            [float(end[-1] - end[0]) / 2 for end in ends],
        )
    return bars


def test_learning_curves():
    curves = {"BL": [[(1, 0.5), (2, 0.6)], [(1, 0.7), (2, 0.8)]], "LW": [[(1, 0.1), (2, 0.9)]]}
    figure = plots.learning_curves(curves, [1.5], "digits")
    (axes,) = figure.axes
    found = lines(axes)
    assert found["BL"] == pytest.approx([60, 70])
    assert found["LW"] == pytest.approx([10, 90])
    assert axes.get_title(loc="left") == "digits"
    assert list(axes.get_lines()[0].get_xdata()) == [1.5, 1.5]
    draw(figure)


def test_bars():
    rows = [
        {"method": "BL", "mean": 0.8, "deviation": None},
        {"method": "LW", "mean": 0.85, "deviation": 0.02, "significant": True},
    ]
    figure = plots.bars(rows, "digits")
    (axes,) = figure.axes
    assert [patch.get_height() for patch in axes.patches] == pytest.approx([80, 85])
    assert texts(axes) == ["80.0", "85.0*"]
    assert [label.get_text() for label in axes.get_xticklabels()] == ["BL", "LW"]
    assert axes.get_title(loc="left").startswith("digits\n")
    draw(figure)


def test_scatter():
    panels = {
        "vgg16": {"augmentation": [(0.5, 0.7), (0.6, 0.65)], "none": [(0.4, 0.41)]},
        "mobilenet": {"none": [(0.3, 0.3)]},
    }
    figure = plots.scatter(panels, x="BL", y="FC")
    first, second = figure.axes
    assert first.collections[0].get_offsets().tolist() == [[50, 70], [60, 65]]
    assert first.get_xlim() == first.get_ylim()
    assert first.get_ylabel() == "test accuracy of FC [%]"
    assert second.get_ylabel() == ""
    assert second.get_title(loc="left") == "mobilenet"
    assert figure.get_supxlabel() == "test accuracy of BL [%]"
    assert legend_of(figure) == ["augmentation", "none"]
    draw(figure)


def test_budgets():
    panels = {
        "scnn": {
            "LW": {100: [0.5, 0.7], 1000: [0.8, 0.8]},
            "BL": {1000: [0.6], 100: [0.4]},
        }
    }
    figure = plots.budgets(panels)
    (axes,) = figure.axes
    bars = error_bars(axes)
    assert bars["LW"][1] == pytest.approx([60, 80])
    assert bars["LW"][2] == pytest.approx([np.std([50, 70], ddof=1), 0])
    assert bars["BL"][1:] == ([40, 60], [0, 0])
    assert bars["LW"][0] == pytest.approx([100, 1000], rel=0.05)  # apart, to be told from BL's
    assert bars["LW"][0][0] != bars["BL"][0][0]
    assert axes.get_xscale() == "log"
    assert [label.get_text() for label in axes.get_xticklabels()] == ["100", "1k"]
    assert axes.get_xlabel() == "steps per round"
    assert legend_of(figure) == ["BL", "LW"]
    draw(figure)


def test_sharpness():
    change = {
        "sigmas": [0.01, 0.1],
        "accuracy": [[-0.1, -0.3], [-0.5, -0.5]],
        "loss": [[1.0, 3.0], [np.inf, np.inf]],
    }
    figure = plots.sharpness({"scnn": {"LW": change, "BL": change}, "vgg16": {"LW": change}})
    accuracy, _, loss, _ = figure.axes
    assert error_bars(accuracy)["LW"][:2] == ([0.01, 0.1], pytest.approx([-20, -50]))
    assert error_bars(accuracy)["LW"][2] == pytest.approx([np.std([10, 30], ddof=1), 0])
    assert error_bars(loss)["LW"][:2] == ([0.01], [2])
    assert accuracy.get_xscale() == "log"
    assert (accuracy.get_title(loc="left"), loss.get_title(loc="left")) == ("scnn", "")
    assert "accuracy [points]" in accuracy.get_ylabel()
    assert "loss [nats]" in loss.get_ylabel()
    draw(figure)


def test_sharpness_without_noise_has_a_linear_axis():
    change = {"sigmas": [0.0, 0.1], "accuracy": [[0.0], [-0.5]], "loss": [[0.0], [1.0]]}
    figure = plots.sharpness({"scnn": {"LW": change}})
    assert figure.axes[0].get_xscale() == "linear"
    draw(figure)


def test_margins_are_the_smallest_and_sorted():
    panels = {"scnn": {"LW": [0.9, 0.3, 0.5], "BL": [0.1, 0.01, 0.7], "FC": [0.2, 0.2, 0.1]}}
    figure = plots.margins(panels, count=2)
    above, below = figure.axes
    assert lines(above) == {"LW": [0.3, 0.5], "BL": [0.01, 0.1], "FC": [0.1, 0.2]}
    assert lines(below) == {"LW": [0.3, 0.5], "BL": [0.01, 0.1]}
    assert (above.get_yscale(), below.get_yscale()) == ("log", "linear")
    assert legend_of(figure) == ["BL", "FC", "LW"]
    draw(figure)


def test_negative_margins_are_shown(rng):
    panels = {"scnn": {"LW": rng.uniform(-0.5, 1, 50)}, "vgg16": {"LW": rng.uniform(0, 1, 50)}}
    figure = plots.margins(panels)
    above, other = figure.axes[:2]
    assert above.get_yscale() == other.get_yscale() == "symlog"
    assert above.get_ylim() == other.get_ylim()
    assert above.get_ylim()[0] < panels["scnn"]["LW"].min()
    assert {0.0, 1.0, -0.1} <= set(above.get_yticks())
    draw(figure)


def test_only_negative_margins():
    draw(plots.margins({"scnn": {"BL": [-0.5, -0.1]}}))


def test_weight_sizes():
    ratios = {"LW": [0.9, 1.1, 1.0], "FC": [1.5], "DSD": [1.2, 1.2]}
    figure = plots.weight_sizes(ratios)
    (axes,) = figure.axes
    named = {line.get_label(): line for line in axes.get_lines()}
    curve = named["LW: 1.00 ± 0.10"]
    x, density = curve.get_xdata(), curve.get_ydata()
    assert x[density.argmax()] == pytest.approx(1)
    assert np.trapezoid(density, x) == pytest.approx(1, abs=0.01)
    assert named["FC: 1.50"].get_xdata() == [1.5]
    assert named["DSD: 1.20"].get_xdata().tolist() == [1.2, 1.2]
    draw(figure)


def test_training_speed():
    panels = {"cifar10": {"first": [0.2, 0.9], "middle": [0.5], "last": [0.9, 1.0, 1.0]}}
    figure = plots.training_speed(panels)
    (axes,) = figure.axes
    assert lines(axes)["round: last"] == [90, 100, 100]
    assert legend_of(figure) == ["round: first", "round: middle", "round: last"]
    assert axes.get_xlabel() == "epoch of the round"
    draw(figure)


def test_per_round_means_over_the_runs_that_go_on():
    figure = plots.per_round({"cifar10": {"LW": [[0.6, 0.7, 0.9], [0.4, 0.5]], "frozen": [[0.3]]}})
    (axes,) = figure.axes
    assert lines(axes)["LW"] == pytest.approx([50, 60, 90])
    assert lines(axes)["frozen"] == pytest.approx([30])
    band = axes.collections[0].get_paths()[0].vertices[:, 1]
    assert band.max() == pytest.approx(90)
    assert band.min() == pytest.approx(50 - np.std([60, 40], ddof=1))
    draw(figure)


def test_gains():
    table = {
        "digits": {"scnn": {"BL": 0.8, "LW": 0.85, "FC": 0.79}, "vgg16": {"BL": 0.5, "LW": 0.6}},
        "letters": {"scnn": {"BL": 0.5, "LW": 0.4}, "vgg16": {"LW": 0.6}},
    }
    figure = plots.gains(table)
    scnn, vgg16 = figure.axes
    points = {line.get_label(): line for line in scnn.get_lines()}
    assert points["LW"].get_xdata() == pytest.approx([5, -10])
    assert points["FC"].get_xdata() == pytest.approx([-1])
    assert points["LW"].get_ydata().tolist() == [0, 1]
    assert [label.get_text() for label in scnn.get_yticklabels()] == ["digits", "letters"]
    assert scnn.get_ylim()[0] > scnn.get_ylim()[1]  # the first data set on top
    assert lines(vgg16) == {"LW": [0]}  # no baseline for letters
    draw(figure)


def test_gains_of_one_network_on_one_set():
    draw(plots.gains({"digits": {"scnn": {"BL": 0.8, "FC": 0.82, "LW": 0.85}}}))


def rows_of(pairs):
    return [
        {"features": {"size": size, "augmentation": size % 2 == 0}, "accuracy": {best: 0.9}}
        for size, best in pairs
    ]


def test_decision_tree():
    tree = decision_tree(rows_of((n, "LW" if n < 20 else "FC") for n in range(40)))
    figure = plots.decision_tree(tree)
    (axes,) = figure.axes
    assert "size\n≤ 19.5?\nn=40, Gini 0.50" in texts(axes)
    assert {"LW\nn=20\nGini 0.00", "FC\nn=20\nGini 0.00", "yes", "no"} <= set(texts(axes))
    places = {text.get_text(): text.get_position()[0] for text in axes.texts}
    assert places["yes"] < places["no"]
    assert places["LW\nn=20\nGini 0.00"] < places["FC\nn=20\nGini 0.00"]
    draw(figure)


def test_a_question_that_changes_nothing_is_not_drawn():
    pairs = [(n, "LW" if n % 10 or n >= 20 else "FC") for n in range(40)]
    tree = decision_tree(rows_of(pairs), min_leaf=10)
    assert tree.root.question is not None
    (axes,) = plots.decision_tree(tree).axes
    assert texts(axes) == ["LW\nn=40\nGini 0.09"]


def test_every_method_differs_in_each_way():
    for part in ("color", "line", "marker", "hatch"):
        assert len({str(getattr(style, part)) for style in LOOKS.values()}) == len(LOOKS)


def test_other_names_differ_too():
    looks = styles(["LW", "frozen", "no normalization", "no rescaling"])
    assert looks["LW"] == LOOKS["LW"]
    assert len({style.marker for style in looks.values()}) == 4
    assert len({style.color for style in looks.values()}) == 4


def test_known_methods_come_first_and_in_order():
    assert in_order({"a": {"x": 0, "LW": 0}, "b": {"BL": 0, "y": 0}}) == ["BL", "LW", "x", "y"]


@pytest.mark.parametrize("plot", [plots.budgets, plots.weight_sizes, plots.margins, plots.gains])
def test_nothing_to_draw(plot):
    with pytest.raises(ValueError, match="nothing to draw"):
        plot({})


def test_the_callers_settings_stay():
    before = dict(matplotlib.rcParams)
    plots.weight_sizes({"LW": [1.0, 1.1]})
    assert dict(matplotlib.rcParams) == before


def test_the_package_does_not_import_matplotlib_and_the_plots_name_the_extra():
    program = """
import sys
import keras
optional = {"matplotlib", "sklearn", "scipy"}
before = optional & set(sys.modules)
import keras_reinit
assert optional & set(sys.modules) == before
sys.modules["matplotlib"] = None
try:
    import keras_reinit.analysis.plots
except ImportError as error:
    assert "pip install keras-reinit[analysis]" in str(error), error
else:
    raise AssertionError("imported without matplotlib")
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
