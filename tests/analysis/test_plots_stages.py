"""Pictures of streams of data: the values, bands, shades and names; and that each can be drawn."""

import numpy as np
import pytest

from keras_reinit.analysis import plots
from tests.analysis.drawn import draw, legend_of, lines, texts


def band(axes, index=0):
    """Lowest and highest value of a band at each of its places."""
    corners = axes.collections[index].get_paths()[0].vertices
    return {
        x: (corners[corners[:, 0] == x, 1].min(), corners[corners[:, 0] == x, 1].max())
        for x in sorted(set(corners[:, 0]))
    }


def arm(accuracy, seconds):
    return {"x": [1000, 2000], "accuracy": accuracy, "seconds": seconds}


def test_stages():
    start = arm([[0.3, 0.4], [0.5, 0.6]], [[2.0, 4.0], [2.0, 6.0]])
    panels = {
        "mlp": {"shrink 0.6": start, "warm": start, "random": start},
        "resnet18": {"random": arm([[0.5, 0.7]], [[9.0, 9.0]])},
    }
    figure = plots.stages(panels)
    accuracy, time, _, other = figure.axes
    assert lines(accuracy)["warm"] == pytest.approx([40, 50])
    assert lines(time)["random"] == pytest.approx([2, 5])
    assert band(accuracy)[1000] == pytest.approx((40 - np.sqrt(200), 40 + np.sqrt(200)))
    assert band(other)[2000] == pytest.approx((9, 9))
    assert [axes.get_title(loc="left") for axes in figure.axes] == ["mlp", "", "resnet18", ""]
    assert accuracy.get_ylabel() == "accuracy [%]"
    assert time.get_ylabel() == "time of a stage [s]"
    assert time.get_ylim()[0] == 0
    assert other.get_xlabel() == "training examples"
    assert legend_of(figure) == ["random", "warm", "shrink 0.6"]
    draw(figure)


def test_starts_differ_in_each_way():
    names = ["warm", "random", *(f"shrink {factor}" for factor in (1.0, 0.8, 0.6, 0.4, 0.2, 0.0))]
    figure = plots.stages({"mlp": {name: arm([[0.3, 0.4]], [[1, 2]]) for name in names}})
    drawn = figure.axes[0].get_lines()
    for part in ("get_color", "get_marker"):
        assert len({getattr(line, part)() for line in drawn}) == len(names)


def test_heat_maps():
    accuracy = {(1.0, 0.0): 63.74, (0.2, 0.1): 80.2, (0.2, 0.0): None}
    time = {(1.0, 0.0): 130.4, (0.2, 0.1): 0.0}
    figure = plots.heat_maps({"accuracy [%]": accuracy, "time [s]": time}, "noise", "shrink")
    left, right = figure.axes
    # Pure warm start in the upper right corner; cells without a number are blank.
    shades = left.images[0].get_array()
    assert shades.mask.tolist() == [[True, False], [False, True]]
    assert {(t.get_position(), t.get_text()) for t in left.texts} == {
        ((1, 0), "63.7"),
        ((0, 1), "80.2"),
    }
    assert texts(right) == ["130", "0"]
    assert [label.get_text() for label in left.get_xticklabels()] == ["0.1", "0"]
    assert [label.get_text() for label in left.get_yticklabels()] == ["1", "0.2"]
    assert (left.get_ylabel(), figure.get_supxlabel()) == ("shrink", "noise")
    draw(figure)


def test_numbers_of_a_heat_map_can_be_read_on_their_shade():
    figure = plots.heat_maps({"": {(1.0, 0.0): 1.0, (0.5, 0.0): 2.0}}, "noise", "shrink")
    (axes,) = figure.axes
    assert {text.get_text(): text.get_color() for text in axes.texts} == {
        "1.00": "white",
        "2.00": "black",
    }


def test_heat_maps_can_share_their_shades():
    panels = {"a": {(1.0, 0.0): 1.0, (0.5, 0.0): 2.0}, "b": {(1.0, 0.0): None, (0.5, 0.0): 4.0}}
    for alike, limits in ((True, [(1, 4)] * 2), (False, [(1, 2), (4, 4)])):
        figure = plots.heat_maps(panels, "noise", "shrink", alike=alike)
        assert [axes.images[0].get_clim() for axes in figure.axes] == limits


def test_a_heat_map_of_one_number():
    draw(plots.heat_maps({"accuracy [%]": {(1.0, 0.0): 63.7}}, "noise", "shrink"))


def test_gradient_norms():
    warm = {"epochs": [0, 1], "old": [[0.1, 0.3], [0.3, 0.5]], "new": [[2.0, 1.0], [4.0, 1.0]]}
    figure = plots.gradient_norms({"warm": warm, "shrink 0.4": warm})
    first, second = figure.axes
    assert lines(first)["old examples"] == pytest.approx([0.2, 0.4])
    assert lines(first)["new examples"] == pytest.approx([3, 1])
    assert first.get_yscale() == "log"
    assert first.get_ylim() == second.get_ylim()
    assert legend_of(figure) == ["old examples", "new examples"]
    draw(figure)


def test_shrinking():
    runs = {"shrink": [0.5, 1.0], "accuracy": [[0.2, 0.4], [0.3, 0.5]]}
    figure = plots.shrinking({"cifar10": {"mlp": runs, "resnet18": runs}})
    (axes,) = figure.axes
    assert lines(axes)["mlp"] == pytest.approx([25, 45])
    assert axes.get_ylim()[0] == 0
    assert legend_of(figure) == ["mlp", "resnet18"]
    draw(figure)


@pytest.mark.parametrize("plot", [plots.stages, plots.gradient_norms, plots.shrinking])
def test_nothing_to_draw(plot):
    with pytest.raises(ValueError, match="nothing to draw"):
        plot({})
