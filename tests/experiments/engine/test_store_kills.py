"""Writers of a store that are killed at any moment: no finished run is lost, none is done twice."""

import contextlib
import json
import random
import resource
import sqlite3
import subprocess
import sys
import time

import pytest

from experiments.engine import damage
from experiments.engine.errors import UsageError
from experiments.engine.store import Store
from tests.experiments.engine.test_store import ROOT, file_limit

RUNS = 40
SPECS = [{"task": "t", "seed": seed} for seed in range(RUNS)]
WRITER = """
import sys, time
from experiments.engine.store import Store

path, log, pause = sys.argv[1], sys.argv[2], float(sys.argv[3])
print(flush=True)
with Store(path) as store:
    for seed in range(int(sys.argv[4])):
        spec = {"task": "t", "seed": seed}
        if store.claim(spec):
            with open(log, "a") as lines:
                lines.write(f"begun {seed}\\n")
            time.sleep(pause)
            store.finish(spec, {"seed": seed, "curve": [seed / 7] * 400 * (seed % 3)}, 1.0)
            with open(log, "a") as lines:
                lines.write(f"finished {seed}\\n")
"""


def result(seed):
    return {"seed": seed, "curve": [seed / 7] * 400 * (seed % 3)}


class Writers:
    """Processes that share a store."""

    def __init__(self, folder):
        self.store, self.log = folder / "runs.sqlite", folder / "log.txt"
        self.log.touch()

    def begin(self, pause=0.001):
        command = [sys.executable, "-c", WRITER, self.store, self.log, str(pause), str(RUNS)]
        process = subprocess.Popen(list(map(str, command)), cwd=ROOT, stdout=subprocess.PIPE)
        process.stdout.readline()
        return process

    def told(self, what):
        """The seeds that the log says this of, in their order; a torn line counts for nothing."""
        lines = (line.split() for line in self.log.read_text().splitlines())
        return [int(line[1]) for line in lines if line[0] == what]


def kill_writers(folder, kills, rng):
    """Kill writers so often, two at a time; returns the numbers of lost and doubled runs."""
    lost = doubled = done = 0
    while done < kills:
        for each in folder.iterdir():
            each.unlink()
        writers = Writers(folder)
        before: set = set()
        while len(before) < RUNS and done < kills:
            begun = len(writers.told("begun"))
            for process in [writers.begin(), writers.begin()]:
                time.sleep(rng.uniform(0, 0.1))
                process.kill()
                process.wait()
                process.stdout.close()
                done += 1
            with Store(writers.store) as store:
                found = store.results(SPECS)
                for seed, each in enumerate(found):
                    assert each in (None, (result(seed), 1.0))
                now = {seed for seed, each in enumerate(found) if each}
                assert store.counts(SPECS)["running"] == 0
            lost += len(before - now) + len(set(writers.told("finished")) - now)
            doubled += len(before.intersection(writers.told("begun")[begun:]))
            before = now
        ended = writers.told("finished")
        doubled += len(ended) - len(set(ended))
        with contextlib.closing(sqlite3.connect(writers.store)) as connection:
            (rows,) = connection.execute("SELECT count(*) FROM runs").fetchone()
        assert rows <= RUNS
        assert not damage.examine(writers.store).faults
    return lost, doubled


def test_kills(tmp_path):
    assert kill_writers(tmp_path, 5, random.Random(0)) == (0, 0)


@pytest.mark.slow
def test_200_kills(tmp_path):
    assert kill_writers(tmp_path, 200, random.Random(1)) == (0, 0)


def test_a_kill_in_the_middle_of_a_commit(tmp_path):
    """The journal that SQLite left is rolled back by whoever comes next."""
    file = tmp_path / "runs.sqlite"
    with Store(file) as store:
        for seed in range(5):
            assert store.claim(SPECS[seed])
            store.finish(SPECS[seed], result(seed), 1.0)
    program = """
import os, signal, sqlite3, sys
connection = sqlite3.connect(sys.argv[1], isolation_level=None)
connection.execute("PRAGMA cache_size = 1")
connection.execute("BEGIN IMMEDIATE")
connection.execute("UPDATE runs SET result = printf('%.9000c', 'x'), status = 'failed'")
os.kill(os.getpid(), signal.SIGKILL)
"""
    done = subprocess.run([sys.executable, "-c", program, file], check=False)
    assert done.returncode == -9
    assert (tmp_path / "runs.sqlite-journal").stat().st_size
    with Store(file) as store:
        assert store.results(SPECS[:5]) == [(result(seed), 1.0) for seed in range(5)]


def test_a_disk_that_fills_up_at_any_size_loses_nothing(tmp_path):
    """What `finish` has returned from is there; what it refused can be finished later."""
    file = tmp_path / "runs.sqlite"
    with Store(file) as store:
        done, refused = [], 0
        for seed, spec in enumerate(SPECS):
            assert store.claim(spec)
            room = file.stat().st_size + random.Random(seed).choice([-4096, 0, 100, 4096, 2**20])
            try:
                with file_limit(room):
                    store.finish(spec, result(seed), 1.0)
            except UsageError as error:
                refused += f"--store {file}" in str(error)
                store.finish(spec, result(seed), 1.0)
            done.append(seed)
            assert [each[0] for each in store.results(SPECS[: seed + 1])] == list(map(result, done))
        assert refused > 5
    assert not damage.examine(file).faults


def test_a_repair_on_a_full_disk_leaves_the_store_as_it_was(tmp_path):
    file = tmp_path / "runs.sqlite"
    with Store(file) as store:
        for seed in range(10):
            assert store.claim(SPECS[seed])
            store.finish(SPECS[seed], result(seed), 1.0)
    with contextlib.closing(sqlite3.connect(file)) as connection, connection:
        connection.execute("UPDATE runs SET result = 'x' WHERE rowid = 3")
    content = file.read_bytes()
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    for limit in (0, 4096, len(content) - 4096):
        with file_limit(limit), pytest.raises(UsageError, match=f"--store {file}"):
            damage.repair(file)
        assert file.read_bytes() == content
        assert [each.name for each in tmp_path.iterdir()] == ["runs.sqlite"]
    assert resource.getrlimit(resource.RLIMIT_FSIZE) == (soft, hard)
    damage.repair(file)
    with Store(file) as store:
        assert store.counts(SPECS[:10]) == {"finished": 9, "missing": 1}


def test_a_store_of_many_runs_is_opened_and_repaired_in_seconds(tmp_path):
    file = tmp_path / "runs.sqlite"
    Store(file).__exit__()
    with contextlib.closing(sqlite3.connect(file)) as connection, connection:
        connection.executemany(
            "INSERT INTO runs VALUES (?, 'finished', ?, NULL, 1.0, '', '', '', 1, '', '')",
            [
                (json.dumps({"seed": seed}, separators=(",", ":")), json.dumps(result(seed % 3)))
                for seed in range(3000)
            ],
        )
    content = bytearray(file.read_bytes())
    content[2 * 4096 : 2 * 4096 + 8] = bytes(8)
    file.write_bytes(content)
    found, kept = damage.repair(file)
    assert kept
    assert found.finished >= 2999
