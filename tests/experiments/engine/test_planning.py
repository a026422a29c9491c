"""What a plan says follows from counts and measured seconds."""

import dataclasses
import sys
import types

import pytest

from experiments.engine import catalogue, planning
from experiments.engine.planning import Kind
from experiments.engine.run import Run

KINDS = [Kind("a", runs=4, steps=4000, seconds_per_step=0.5), Kind("b", 2, 600, 0.01)]


def test_summary():
    plan = planning.summary(KINDS, finished=3, devices=4, speedup=10)
    assert (plan["finished"], plan["missing"], plan["steps"]) == (3, 6, 4600)
    assert plan["seconds_here"] == 2006
    assert plan["seconds_shared"] == pytest.approx(2006 / 4 / 10)


def test_a_run_is_not_divided():
    assert planning.summary(KINDS, 0, devices=100, speedup=10)["seconds_shared"] == 50


def test_nothing_is_missing():
    plan = planning.summary([], finished=3, devices=2, speedup=1)
    assert (plan["missing"], plan["seconds_here"], plan["seconds_shared"]) == (0, 0, 0)


def test_one_measurement_a_kind(monkeypatch):
    measured = []

    @dataclasses.dataclass(frozen=True)
    class Probe(Run):
        net: str
        size: int
        seed: int

        task = "probe"
        check = result = None
        total_steps = property(lambda self: 100 * self.size)
        step_key = property(lambda self: (self.net, self.size))

        def seconds_per_step(self):
            measured.append(self.seed)
            return self.size / 10

    monkeypatch.setitem(sys.modules, "probe_run", types.SimpleNamespace(Probe=Probe))
    monkeypatch.setitem(catalogue.TASKS, "probe", "probe_run.Probe")
    specs = [
        {"task": "probe", "net": net, "size": 2, "seed": seed}
        for seed in range(3)
        for net in ("scnn", "vgg16")
    ]
    kinds = planning.probe(specs)
    assert kinds == [Kind("probe: scnn 2", 3, 600, 0.2), Kind("probe: vgg16 2", 3, 600, 0.2)]
    assert measured == [0, 0]


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0.2, "less than 1 s"),
        (7, "7 s"),
        (125, "2 min 5 s"),
        (7500, "2 h 5 min"),
        (200_000, "2 d 7 h"),
    ],
)
def test_duration(seconds, text):
    assert planning.duration(seconds) == text
