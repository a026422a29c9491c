"""Ray's processes do the runs, this one records them, and one that dies costs what it was at."""

import contextlib
import os
import shutil
import signal
import subprocess
import sys

import psutil
import pytest

from experiments.engine import ray_cluster
from experiments.engine.errors import UsageError
from experiments.engine.experiment import Context
from experiments.engine.store import Store
from experiments.papers.alabdulmohsin2021.image_run import ImageRun
from tests.experiments.engine.test_runner import RUNS, SPECS, logged, started, wait_until
from tests.experiments.engine.test_store import ROOT


@pytest.fixture
def store(tmp_path):
    with Store(tmp_path / "runs.sqlite") as store:
        yield store


def test_without_ray(store, monkeypatch):
    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(UsageError, match=r"Install it with: pip install keras-reinit\[ray\]"):
        ray_cluster.perform(SPECS, store, Context(), count=2)
    assert store.counts(SPECS) == {"missing": 5}


def executing(pid):
    """The descendants of a process that execute a task of Ray."""
    found = []
    for each in psutil.Process(pid).children(recursive=True):
        with contextlib.suppress(psutil.Error):  # ended meanwhile
            if "ray::execute" in " ".join(each.cmdline()):
                found.append(each.pid)
    return found


@pytest.mark.slow
def test_a_worker_that_is_killed(tmp_path):
    """Its runs are executed again; each is finished once, by the command itself."""
    with logged(tmp_path) as connection:
        command = started(tmp_path, "command", "--engine", "ray", "--workers", "2")
        try:
            wait_until(lambda: command.poll() is not None or executing(command.pid))
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
from experiments.engine import ray_cluster
from experiments.engine.experiment import Context
from experiments.engine.store import Store
from experiments.papers.alabdulmohsin2021.image_run import ImageRun

class Death:  # of every process that this is sent to
    def __reduce__(self):
        return eval, ("__import__('os').kill(__import__('os').getpid(), 9)",)

ray_cluster.RETRIES = 1
specs = [ImageRun("digit", "scnn", "BL").spec]
with Store(sys.argv[1]) as store:
    ray_cluster.perform(specs, store, Context(callbacks=(Death(),)), count=1)
    print(*store.states([specs[0]])[0])
    ray_cluster.perform(specs, store, Context(), count=1)
"""


@pytest.mark.slow
def test_a_run_that_kills_every_process_fails_and_a_mistake_ends_the_command(tmp_path):
    path = tmp_path / "runs.sqlite"
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, path], cwd=ROOT, capture_output=True, text=True
    )
    assert "failed WorkerCrashedError: " in done.stdout, done.stderr
    last = done.stderr.strip().splitlines()[-1]
    assert last.startswith(
        "experiments.engine.errors.UsageError: Unknown dataset. Received: 'digit'."
    )
    with Store(path) as store:
        assert store.counts([ImageRun("digit", "scnn", "BL").spec]) == {"missing": 1}


FAR = """
import pathlib, sys, time
import keras

root, folder = map(pathlib.Path, sys.argv[1:])
sys.path.insert(0, str(root))

from experiments.engine import ray_cluster
from experiments.engine.experiment import Context
from experiments.engine.store import Store
from experiments.papers.alabdulmohsin2021.synthetic_run import SyntheticRun

class Places(keras.callbacks.Callback):  # waits for the other process
    def on_train_begin(self, logs=None):
        import os, experiments, keras_reinit
        places = experiments.__file__, keras_reinit.__file__, *sys.path
        (folder / f"{os.getpid()}.txt").write_text("\\n".join(places))
        until = time.monotonic() + 120
        while len(list(folder.glob("*.txt"))) < 2 and time.monotonic() < until:
            time.sleep(0.1)

specs = [SyntheticRun("BL", alpha, 0, 3, 2).spec for alpha in (0.5, 1.0)]
with Store(folder / "runs.sqlite") as store:
    ray_cluster.perform(specs, store, Context(callbacks=(Places(),)), count=2)
    print(store.counts(specs)["finished"])
"""


@pytest.mark.slow
def test_two_workers_that_do_not_have_the_checkout(tmp_path):
    checkout = tmp_path / "checkout"
    for name in ("experiments", "keras_reinit"):
        shutil.copytree(ROOT / name, checkout / name)
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    done = subprocess.run(
        [sys.executable, "-c", FAR, checkout, tmp_path],
        cwd=tmp_path, env=environment, capture_output=True, text=True,
    )  # fmt: skip
    assert done.stdout.split()[-1:] == ["2"], done.stderr
    workers = [file.read_text().splitlines() for file in tmp_path.glob("*.txt")]
    assert len(workers) == 2
    for file, other, *path in workers:
        assert "py_modules_files" in file
        assert "py_modules_files" in other
        assert not any(place.startswith(str(checkout)) for place in path)
