"""Ray's processes do the runs, this one records them, and one that dies costs what it was at."""

import os
import pathlib
import signal
import subprocess
import sys

import pytest

from experiments import cluster
from experiments.errors import UsageError
from experiments.experiment import Context
from experiments.store import Store
from experiments.tasks.images import ImageRun
from tests.experiments.test_runner import RUNS, SPECS, logged, started, wait_until
from tests.experiments.test_store import ROOT


@pytest.fixture
def store(tmp_path):
    with Store(tmp_path / "runs.sqlite") as store:
        yield store


def test_without_ray(store, monkeypatch):
    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(UsageError, match=r"Install it with: pip install keras-reinit\[ray\]"):
        cluster.perform(SPECS, store, Context(), count=2)
    assert store.states(SPECS) == {"missing": 5}


def executing(pid):
    """The descendants of a process that execute a task of Ray."""
    parents = {}
    for file in pathlib.Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = file.read_text().rpartition(")")[2].split()
            title = file.with_name("cmdline").read_text()
        except OSError:  # ended meanwhile
            continue
        parents[int(file.parent.name)] = int(fields[1]), title

    def descends(each):
        return each == pid or (each in parents and descends(parents[each][0]))

    return [each for each in parents if "ray::execute" in parents[each][1] and descends(each)]


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="finds Ray's processes in /proc")
def test_a_worker_that_is_killed(tmp_path):
    """Its runs are executed again; each is finished once, by the command itself."""
    with logged(tmp_path) as connection:
        command = started(tmp_path, "command", "--engine", "ray", "--workers", "2")
        try:
            wait_until(lambda: executing(command.pid) or command.poll() is not None)
            victim = executing(command.pid)[0]
            os.kill(victim, signal.SIGKILL)
            assert command.wait(timeout=300) == 0, (tmp_path / "command.txt").read_text()
        finally:
            command.send_signal(signal.SIGINT)
            command.wait()
        done = connection.execute("SELECT spec, pid FROM log").fetchall()
    assert len(done) == len({spec for spec, _ in done}) == RUNS
    assert {pid for _, pid in done} == {command.pid}
    printed = (tmp_path / "command.txt").read_text()
    assert f"Runs: {RUNS}, finished {RUNS} (0 of them before)" in printed


PROGRAM = """
import os, sys
from experiments import cluster
from experiments.experiment import Context
from experiments.store import Store
from experiments.tasks.images import ImageRun

class Death:  # of every process that this is sent to
    def __reduce__(self):
        return eval, ("__import__('os').kill(__import__('os').getpid(), 9)",)

cluster.RETRIES = 1
specs = [ImageRun("digit", "scnn", "BL").spec]
with Store(sys.argv[1]) as store:
    cluster.perform(specs, store, Context(callbacks=(Death(),)), count=1)
    print(*store.state(specs[0]))
    cluster.perform(specs, store, Context(), count=1)
"""


@pytest.mark.slow
def test_a_run_that_kills_every_process_fails_and_a_mistake_ends_the_command(tmp_path):
    path = tmp_path / "runs.sqlite"
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, path], cwd=ROOT, capture_output=True, text=True
    )
    assert "failed WorkerCrashedError: " in done.stdout, done.stderr
    last = done.stderr.strip().splitlines()[-1]
    assert last.startswith("experiments.errors.UsageError: Unknown dataset. Received: 'digit'.")
    with Store(path) as store:
        assert store.states([ImageRun("digit", "scnn", "BL").spec]) == {"missing": 1}
