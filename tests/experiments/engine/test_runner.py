"""Runs are done once, whoever does them, and one that fails does not stop the others."""

import contextlib
import dataclasses
import errno
import os
import signal
import sqlite3
import subprocess
import sys
import time
import types

import pytest

from experiments.engine import catalogue, runner
from experiments.engine.errors import UsageError
from experiments.engine.experiment import Context
from experiments.engine.run import Run
from experiments.engine.store import Store
from tests.experiments.engine.test_store import ROOT

SPECS = [{"task": "probe", "seed": seed} for seed in range(5)]


@pytest.fixture
def task(monkeypatch):
    """A class of runs that take no time; `acts` and `lacking` say what happens to which seed."""

    @dataclasses.dataclass(frozen=True)
    class Probe(Run):
        seed: int

        task = "probe"
        executed, acts, lacking = [], {}, []
        total_steps = step_key = seconds_per_step = None

        def check(self, context):
            if self.seed in self.lacking:
                raise UsageError(f"not prepared: {self.seed}")

        def result(self, context, folder):
            self.executed.append(self.seed)
            if self.seed in self.acts:
                return self.acts[self.seed]()
            return {"score": self.seed / 10}

    monkeypatch.setitem(sys.modules, "probe_run", types.SimpleNamespace(Probe=Probe))
    monkeypatch.setitem(catalogue.TASKS, "probe", "probe_run.Probe")
    return Probe


def execute_by(task, batch_key, together):
    """Let runs of one `batch_key` be executed by a function of a list of seeds."""

    def execute_together(runs, context):
        if len(runs) == 1:
            return [runs[0].execute(context)]
        return together([run.seed for run in runs])

    task.batch_key = property(batch_key)
    task.execute_together = staticmethod(execute_together)


@pytest.fixture
def store(tmp_path):
    with Store(tmp_path / "runs.sqlite") as store:
        yield store


def fails(error):
    def act():
        raise error

    return act


def test_only_what_is_missing_is_run_in_order(task, store):
    runner.perform(SPECS[1:3], store, Context())
    runner.perform(SPECS, store, Context())
    runner.perform(SPECS, store, Context())
    assert task.executed == [1, 2, 0, 3, 4]
    assert [record["score"] for record in store.records(SPECS)] == [0, 0.1, 0.2, 0.3, 0.4]
    assert all(record["seconds"] >= 0 for record in store.records(SPECS))


def test_a_failed_run_does_not_stop_the_others_and_is_tried_again(task, store):
    task.acts = {1: fails(ValueError("diverged\nat step 3")), 3: lambda: {"loss": float("nan")}}
    runner.perform(SPECS, store, Context())
    assert task.executed == [0, 1, 2, 3, 4]
    assert store.counts(SPECS) == {"finished": 3, "failed": 2}
    error = store.states([SPECS[1]])[0][1]
    assert error.startswith("ValueError: diverged\n\nTraceback")
    assert "at step 3" in error
    text, failed = runner.account(SPECS, store, before=0)
    assert failed == 2
    assert text.splitlines()[:2] == [
        "Runs: 5, finished 3 (0 of them before), failed 2",
        "- failed: seed=1: ValueError: diverged",
    ]
    assert "seed=3: ValueError: The result is not JSON" in text
    task.acts = {}
    runner.perform(SPECS, store, Context())
    assert task.executed[5:] == [1, 3]
    assert store.counts(SPECS) == {"finished": 5}


@pytest.mark.parametrize("error", [UsageError("not prepared"), KeyboardInterrupt()])
def test_what_ends_the_command_leaves_its_run_undone(task, store, error):
    task.acts = {2: fails(error)}
    with pytest.raises(type(error)):
        runner.perform(SPECS, store, Context())
    assert task.executed == [0, 1, 2]
    assert store.counts(SPECS) == {"finished": 2, "missing": 3}


def test_what_is_lacking_is_said_before_the_first_run(task, store):
    task.lacking = [1, 3]
    with pytest.raises(UsageError, match="not prepared: 1"):
        runner.check(SPECS, store, Context())
    assert store.claim(SPECS[1])
    store.finish(SPECS[1], {"score": 0.1}, 1.0)
    with pytest.raises(UsageError, match="not prepared: 3"):
        runner.check(SPECS, store, Context())
    runner.check(SPECS[:3], store, Context())
    assert task.executed == []


@pytest.mark.parametrize(
    "error",
    [
        OSError(errno.ENOSPC, "No space left on device"),
        RuntimeError("file write failed: errno = 28, error message = 'No space left on device'"),
    ],
)
def test_a_full_disk_ends_the_command(task, store, error):
    task.acts = {2: fails(error)}
    with pytest.raises(UsageError, match="The disk is full.*Received.*Expected free room"):
        runner.perform(SPECS, store, Context())
    assert task.executed == [0, 1, 2]
    assert store.counts(SPECS) == {"finished": 2, "missing": 3}


def test_a_single_failed_run_is_told_in_full(task, store):
    task.acts = {1: fails(ValueError("diverged"))}
    runner.perform(SPECS[1:2], store, Context())
    text, _ = runner.account(SPECS[1:2], store, before=0)
    assert text.splitlines()[1] == "- failed: task=probe, seed=1: ValueError: diverged"


def test_sigterm_ends_as_an_interrupt_does(task, store):
    before = signal.getsignal(signal.SIGTERM)
    task.acts = {1: lambda: os.kill(os.getpid(), signal.SIGTERM)}
    with pytest.raises(KeyboardInterrupt):
        runner.perform(SPECS, store, Context())
    assert store.counts(SPECS) == {"finished": 1, "missing": 4}
    assert signal.getsignal(signal.SIGTERM) is before


def test_what_another_process_does_is_left_to_it(task, store, tmp_path):
    with Store(tmp_path / "runs.sqlite") as other:
        other.claim(SPECS[0])
        runner.perform(SPECS, store, Context())
        assert task.executed == [1, 2, 3, 4]
        text, failed = runner.account(SPECS, store, before=0)
        assert "finished 4 (0 of them before), elsewhere 1" in text
        assert f"- 1 run by process {os.getpid()} on " in text
        assert failed == 0


def test_a_run_that_another_process_gives_up_meanwhile_is_done(task, store, tmp_path):
    with Store(tmp_path / "runs.sqlite") as other:
        other.claim(SPECS[0])
        task.acts = {4: lambda: other.release(SPECS[0]) or {}}
        runner.perform(SPECS, store, Context())
    assert task.executed == [1, 2, 3, 4, 0]


def test_runs_that_are_executed_together(task, store, monkeypatch):
    """In the order of the first ones; where together fails, each has its own fate."""
    together = []

    def execute_together(seeds):
        together.append(seeds)
        if 3 in seeds:
            raise ValueError("one of them diverged")
        return [{"score": seed / 10} for seed in seeds]

    execute_by(task, lambda run: run.seed % 2, execute_together)
    task.acts = {3: fails(ValueError("diverged"))}
    monkeypatch.setattr(runner, "BATCH", 2)
    runner.perform(SPECS, store, Context())
    assert together == [[0, 2], [1, 3]]
    assert task.executed == [1, 3, 4]
    assert store.counts(SPECS) == {"finished": 4, "failed": 1}
    assert [record["score"] for record in store.records(SPECS)] == [0, 0.1, 0.2, 0.4]
    assert store.states([SPECS[3]])[0][1].startswith("ValueError: diverged")


@pytest.mark.parametrize("error", [UsageError("not prepared"), KeyboardInterrupt()])
@pytest.mark.parametrize("is_together", [True, False])
def test_what_ends_the_command_leaves_its_batch_undone(task, store, error, is_together):
    execute_by(task, lambda run: 0, lambda seeds: fails(error if is_together else ValueError())())
    task.acts = {2: fails(error)}
    with pytest.raises(type(error)):
        runner.perform(SPECS, store, Context())
    assert task.executed == ([] if is_together else [0, 1, 2])
    assert store.counts(SPECS)["missing"] == (5 if is_together else 3)


def test_a_result_that_cannot_be_kept_fails_alone(task, store):
    scores = {2: float("nan")}
    execute_by(task, lambda run: 0, lambda seeds: [{"score": scores.get(s, 1.0)} for s in seeds])
    task.acts = {2: lambda: {"score": float("nan")}}
    runner.perform(SPECS, store, Context())
    assert task.executed == [2, 3, 4]
    assert store.counts(SPECS) == {"finished": 4, "failed": 1}


def test_progress_counts_what_was_done_before(task, store, capsys):
    from experiments.engine.progress import Progress

    with Progress(runs=8, done=6) as progress:
        progress.set_params({"epochs": 4})
        progress.on_train_begin()
        for epoch in (0, 1, 2, 3, 0):  # a run may consist of several trainings
            progress.on_epoch_end(epoch)
        assert progress._bar.n == 7
        progress.advance()
        assert progress._bar.n == 7
        progress.on_epoch_end(1)
        assert progress._bar.n == 7.5
    assert "7/8 runs" in capsys.readouterr().err


def test_results_after_one_that_the_store_refuses_are_kept(task, store, monkeypatch):
    execute_by(task, lambda run: 0, lambda seeds: [{"score": seed} for seed in seeds])
    finish, refused = store.finish, []

    def finish_but_once(spec, *result):
        if spec == SPECS[1] and not refused:
            refused.append(spec)
            raise UsageError("held by another process")
        finish(spec, *result)

    monkeypatch.setattr(store, "finish", finish_but_once)
    with pytest.raises(UsageError, match="held by another process"):
        runner.perform(SPECS, store, Context())
    assert store.counts(SPECS) == {"finished": 4, "missing": 1}


COMMAND = ["run", "synthetic_table4", "--l2", "0", ".01", ".02", ".05", ".1", "--seeds", "2"]
RUNS = 3 * 5 * 2


def started(folder, name, *options):
    """The command as a process, at the head of a group of its own."""
    command = [sys.executable, "-m", "experiments", *COMMAND, *options]
    with open(folder / f"{name}.txt", "w") as log:
        return subprocess.Popen(
            [*command, "--store", folder / "runs.sqlite"],
            cwd=ROOT,
            env={**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3"},
            stdout=log,
            stderr=log,
            start_new_session=True,
        )


def wait_until(condition):
    for _ in range(2400):
        if condition():
            return
        time.sleep(0.05)
    raise AssertionError("It did not come to pass in two minutes.")


@contextlib.contextmanager
def logged(folder):
    """A connection to a new store in which a table `log` tells who finished what."""
    Store(folder / "runs.sqlite").__exit__()
    connection = sqlite3.connect(folder / "runs.sqlite", timeout=60, isolation_level=None)
    connection.execute("CREATE TABLE log (spec TEXT, pid INTEGER)")
    connection.execute(
        "CREATE TRIGGER logged AFTER UPDATE ON runs WHEN new.status = 'finished' "
        "BEGIN INSERT INTO log VALUES (new.spec, new.pid); END"
    )
    with contextlib.closing(connection):
        yield connection


@pytest.mark.slow
def test_two_processes_one_of_them_killed(tmp_path):
    """Every run is finished exactly once, by two processes, and the killed ones by the other."""
    with logged(tmp_path) as connection:

        def by(process):
            query = "SELECT spec FROM log WHERE pid = ?"
            return [spec for (spec,) in connection.execute(query, (process.pid,))]

        first, second = started(tmp_path, "first"), started(tmp_path, "second")
        try:
            wait_until(lambda: (by(first) and by(second)) or second.poll() is not None)
            first.kill()
            first.wait()
            finished = by(first)
            assert second.wait(timeout=120) == 0
            done = [spec for (spec,) in connection.execute("SELECT spec FROM log")]
            assert len(done) == len(set(done)) == RUNS
            assert by(first) == finished
            states = connection.execute("SELECT DISTINCT status FROM runs").fetchall()
            assert states == [("finished",)]
            printed = (tmp_path / "second.txt").read_text()
            assert f"Runs: {RUNS}, finished {RUNS} (0 of them before)" in printed
        finally:
            for process in (first, second):
                process.kill()
                process.wait()
