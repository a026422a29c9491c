"""The arithmetic of the benchmarks, their command, record and picture; nothing here is timed."""

import importlib
import itertools
import json
import sys
import types

import pytest

from benchmarks import __main__ as command
from benchmarks.picture import picture
from benchmarks.ratios import arguments, in_turn, ratio, report, verdict
from benchmarks.rounds import rounds_in_place, rounds_rebuilt
from tests.analysis.drawn import draw

FOUND = {"ratio": 1.0, "low": 0.9, "high": 1.2}


def curve(at, over="parameters", ratio=2.0):
    place = {"curve": "speed", "over": over, "at": at}
    return {"ratio": ratio, "low": 0.9 * ratio, "high": 1.1 * ratio, **place}


def test_in_turn_warms_up_and_takes_turns():
    calls = []

    def measure(name, seconds):
        return lambda: calls.append(name) or [seconds]

    assert in_turn(2, a=measure("a", 1.0), b=measure("b", 2.0)) == {"a": [1.0] * 2, "b": [2.0] * 2}
    assert "".join(calls) == "ab" * 3


def test_ratio_is_that_of_lower_quartiles():
    found = ratio([2.0, 2.0, 9.0, 9.0, 9.0], [1.0] * 5, at_most=3)
    assert found["ratio"] == 2
    assert (found["low"], found["high"]) == (2, 9)
    assert found["at_most"] == 3


@pytest.mark.parametrize(
    ("goal", "expected"),
    [
        ({}, ""),
        ({"at_least": 1.0}, "met"),
        ({"at_least": 1.1}, "open"),
        ({"at_least": 1.3}, "missed"),
        ({"at_most": 1.0}, "met"),
        ({"at_most": 0.95}, "open"),
        ({"at_most": 0.8}, "missed"),
    ],
)
def test_verdict(goal, expected):
    assert verdict(FOUND | goal) == expected


def test_report(tmp_path, capsys):
    path = tmp_path / "record.json"
    report("Title", {"a": [0.5]}, {"speed": FOUND | {"at_least": 1.1}}, path)
    printed = capsys.readouterr().out
    assert "500.0 ms  (1 timings)" in printed
    assert "1.000  [0.900, 1.200]  at least 1.1: open" in printed
    written = json.loads(path.read_text())
    assert written["ratios"]["speed"]["low"] == 0.9
    assert {"processor", "cores", "accelerators", "backend", "precision"} <= set(written["machine"])


@pytest.mark.parametrize("name", command.BENCHMARKS)
def test_every_benchmark_can_be_run(name):
    module = importlib.import_module(f"benchmarks.{name}")
    assert f"Command: `python -m benchmarks.{name} " in module.__doc__
    assert callable(module.main)
    assert arguments(module.__doc__, repeats=3).parse_args([]).repeats == 3


@pytest.mark.slow
def test_command(tmp_path, monkeypatch, capsys):
    # `ratios` can be run as a module, too, and writes nothing.
    monkeypatch.setattr(command, "BENCHMARKS", ("ratios", "import_time"))
    monkeypatch.setattr(sys, "argv", ["benchmarks", "--repeats", "1", "--folder", str(tmp_path)])
    with pytest.raises(SystemExit, match="Failed, see above: ratios"):
        command.main()
    (record,) = json.loads((tmp_path / "benchmarks.json").read_text()).items()
    assert record[0] == "import_time"
    assert len(record[1]["seconds"]["import keras"]) == 1
    assert (tmp_path / "benchmarks.png").read_bytes().startswith(b"\x89PNG")


def test_picture_of_ratios():
    records = {
        "a": {"title": "A", "ratios": {"x": FOUND | {"at_least": 1.1}, "y": FOUND}},
        "b": {"title": "B", "ratios": {"z": {"ratio": 50, "low": 40, "high": 60}}},
    }
    figure = picture(records)
    first, second = figure.axes
    assert [axes.get_title(loc="left") for axes in figure.axes] == ["A", "B"]
    assert [text.get_text() for text in first.get_yticklabels()] == ["x", "y"]
    # The first is on top; its goal is marked.
    drawn = [(list(line.get_xdata()), list(line.get_ydata())) for line in first.get_lines()]
    assert ([0.9, 1.2], [0, 0]) in drawn
    assert ([1.1], [0]) in drawn
    assert first.yaxis_inverted()
    assert (first.get_xscale(), second.get_xscale()) == ("linear", "log")
    draw(figure)


def test_picture_of_curves():
    points = [curve(1e6, ratio=3.0), curve(1e5), curve(2, over="replicas")]
    ratios = {str(number): point for number, point in enumerate(points)}
    figure = picture({"growth": {"title": "Growth", "ratios": ratios}})
    left, right = figure.axes
    assert (left.get_xlabel(), right.get_xlabel()) == ("parameters", "replicas")
    line = left.get_lines()[0]
    assert list(line.get_xdata()) == [1e5, 1e6]
    assert list(line.get_ydata()) == [2.0, 3.0]
    draw(figure)


def test_extra_rounds_leave_out_the_first(blobs):
    import keras_reinit as kr
    from benchmarks.fit_overhead import compiled

    def build():
        return kr.backbones.mlp((6,), 3, hidden=(4, 4, 4))

    in_place = rounds_in_place(compiled(kr.ReinitModel(build())), blobs, blobs[0])
    assert len(in_place()) == 2 * 3 - 1  # two iterations of three blocks
    anew = rounds_rebuilt(lambda: compiled(build()), 3, blobs, blobs[0])
    assert len(anew()) == 3


def test_share_of_an_epoch_outside_of_a_callback(blobs, monkeypatch):
    import keras_reinit as kr
    from benchmarks import fit_overhead

    readings = itertools.count()
    clock = types.SimpleNamespace(perf_counter=lambda: next(readings))
    monkeypatch.setattr(fit_overhead, "time", clock)
    model = fit_overhead.compiled(kr.backbones.mlp((6,), 3, hidden=(4,)))
    method = kr.callbacks.ShrinkPerturb(until=kr.rounds.Fixed(epochs=9), rounds=2, seed=0)
    outside = []
    measure = fit_overhead.epoch_timer_of_method(model, blobs, len(blobs[0]), 5, method, outside)
    for _ in range(2):  # each function of the callback is wrapped once
        # An epoch's start, and both ends of its own start, its batch and its end: one lies within.
        assert measure() == [7, 7, 7]
    assert outside == pytest.approx(6 * [4 / 7])
    assert method.training_seed == 0  # it was called
