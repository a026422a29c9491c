"""Processes of one command: they share everything, and one that dies costs what it was at."""

import json
import os
import signal
import sys
import types

import pytest

from experiments.engine import processes
from experiments.engine.errors import UsageError
from experiments.engine.experiment import Context
from experiments.engine.store import Store
from experiments.papers.alabdulmohsin2021.image_run import ImageRun
from tests.experiments.engine.test_runner import RUNS, logged, started, wait_until

GROWTH = {"TF_FORCE_GPU_ALLOW_GROWTH": "true"}


def threads(number):
    return dict.fromkeys(processes.THREADS, number)


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        ((2, 8, [], {}), [threads("4")] * 2),
        ((3, 2, [], {}), [threads("1")] * 3),
        (
            (2, 8, [], {"OMP_NUM_THREADS": "9", "HOME": "/"}),
            [{"TF_NUM_INTRAOP_THREADS": "4", "TF_NUM_INTEROP_THREADS": "4"}] * 2,
        ),
        (
            (3, 3, ["4", "7"], {}),
            [threads("1") | GROWTH | {"CUDA_VISIBLE_DEVICES": gpu} for gpu in "474"],
        ),
        ((1, 1, ["0"], threads("2") | GROWTH), [{"CUDA_VISIBLE_DEVICES": "0"}]),
    ],
)
def test_each_has_its_share_of_the_devices(arguments, expected):
    assert processes.shares(*arguments) == expected


@pytest.fixture
def store(tmp_path):
    with Store(tmp_path / "runs.sqlite") as store:
        yield store


@pytest.mark.slow
def test_a_mistake_that_a_worker_finds_ends_the_command(store):
    specs = [ImageRun("digit", "scnn", "BL").spec]
    with pytest.raises(UsageError, match="Received: 'digit'. Did you mean 'digits'?"):
        processes.perform(specs, store, Context(), count=2)
    assert store.counts(specs) == {"missing": 1}


def test_workers_that_cannot_begin_end_the_command(store, monkeypatch, capsys):
    """This process knows a module that no file is of."""
    monkeypatch.setitem(sys.modules, "nowhere", types.ModuleType("nowhere"))
    callback = type("Callback", (), {"__module__": "nowhere"})
    monkeypatch.setattr(sys.modules["nowhere"], "Callback", callback, raising=False)
    specs = [ImageRun("digits", "scnn", "BL", seed).spec for seed in range(5)]
    processes.perform(specs, store, Context(callbacks=(callback,)), count=2)
    assert store.counts(specs) == {"missing": 5}
    died = capsys.readouterr().err.count("A worker died (exit status 1)")
    assert processes.DEATHS <= died <= processes.DEATHS + 1


@pytest.mark.slow
def test_a_worker_that_is_killed(tmp_path):
    """All runs are finished, each once, those of the killed worker by another one."""
    with logged(tmp_path) as connection:
        command = started(tmp_path, "command", "--workers", "2")
        try:
            finished = "SELECT DISTINCT pid FROM log"
            wait_until(lambda: len(connection.execute(finished).fetchall()) == 2)
            ((victim,), *_) = connection.execute("SELECT pid FROM runs WHERE status = 'running'")
            os.kill(victim, signal.SIGKILL)
            assert command.wait(timeout=300) == 0
        finally:
            command.kill()
            command.wait()
        done = [spec for (spec,) in connection.execute("SELECT spec FROM log")]
    assert len(done) == len(set(done)) == RUNS
    printed = (tmp_path / "command.txt").read_text()
    assert "A worker died (SIGKILL); what it was at is done by another one." in printed
    assert f"Runs: {RUNS}, finished {RUNS} (0 of them before)" in printed


@pytest.mark.slow
@pytest.mark.parametrize(
    ("end", "status"), [(signal.SIGINT, 130), (signal.SIGKILL, -signal.SIGKILL)]
)
def test_workers_end_with_the_command(tmp_path, end, status):
    """An interrupt reaches them all, as from a keyboard; a kill, the command alone."""
    with logged(tmp_path) as connection:
        command = started(tmp_path, "command", "--workers", "2")
        try:
            wait_until(lambda: connection.execute("SELECT * FROM log").fetchone())
            send = os.killpg if end == signal.SIGINT else os.kill
            send(command.pid, end)
            assert command.wait(timeout=60) == status
        finally:
            command.kill()
            command.wait()
        with Store(tmp_path / "runs.sqlite") as store:  # which knows who lives
            specs = [json.loads(spec) for (spec,) in connection.execute("SELECT spec FROM runs")]
            wait_until(lambda: not store.counts(specs)["running"])
        ((finished,),) = connection.execute("SELECT count(*) FROM log")
    assert 0 < finished < RUNS
    if end != signal.SIGKILL:
        assert "The same command does the rest." in (tmp_path / "command.txt").read_text()
