"""The store: what is finished stays, whatever happens to processes, files and disks."""

import contextlib
import os
import pathlib
import resource
import sqlite3
import subprocess
import sys
import tempfile

import pytest

from experiments.engine.errors import UsageError
from experiments.engine.rows import key
from experiments.engine.store import Store, now

ROOT = pathlib.Path(__file__).parents[3]
SPECS = [{"task": "t", "method": method, "seed": 0} for method in ("BL", "LW", "FC")]


@pytest.fixture
def file(tmp_path):
    return tmp_path / "runs.sqlite"


@pytest.fixture
def store(file):
    with Store(file) as store:
        yield store


def finish(store, spec, **result):
    assert store.claim(spec)
    store.finish(spec, result or {"test_accuracy": 0.5, "curve": [1, 2]}, seconds=0.25)


def test_records_are_spec_and_result_in_the_order_asked_for(store, file):
    for spec in (SPECS[2], SPECS[0]):
        finish(store, spec, test_accuracy=0.5, curve=[[1, 0.25]])
    with Store(file) as again:
        assert again.records(SPECS) == [
            {**spec, "test_accuracy": 0.5, "curve": [[1, 0.25]], "seconds": 0.25}
            for spec in (SPECS[0], SPECS[2])
        ]
        assert again.counts(SPECS) == {"finished": 2, "missing": 1}
    row = sqlite3.connect(file).execute("SELECT host, pid, versions FROM runs").fetchone()
    assert row[1] == os.getpid()
    assert '"keras_reinit"' in row[2]


def test_the_order_of_a_spec_does_not_matter():
    assert key({"a": 1, "b": None}) == key({"b": None, "a": 1}) == '{"a":1,"b":null}'


def test_one_claim_a_run(store, file):
    with Store(file) as other:
        assert store.claim(SPECS[0])
        assert not other.claim(SPECS[0])
        assert other.states([SPECS[0]])[0][0] == "running"
        store.finish(SPECS[0], {}, 0.0)
        assert not other.claim(SPECS[0])
        assert not store.claim(SPECS[0])


def test_a_failed_run_is_begun_again_by_a_later_command_only(store):
    before = now()
    assert store.claim(SPECS[0], since=before)
    store.fail(SPECS[0], "ValueError: no\n\nTraceback")
    assert store.states([SPECS[0]])[0] == ("failed", "ValueError: no\n\nTraceback")
    assert not store.claim(SPECS[0], since=before)
    assert store.claim(SPECS[0], since=now())


def test_a_released_run_is_missing(store):
    store.claim(SPECS[0])
    store.release(SPECS[0])
    assert store.counts(SPECS) == {"missing": 3}
    finish(store, SPECS[1])
    store.release(SPECS[1])
    assert store.states([SPECS[1]])[0][0] == "finished"


@pytest.fixture
def other(store, file):
    """The store as another machine has it open."""
    with Store(file) as other:
        other._identity = {**other._identity, "host": "another machine"}
        yield other


@pytest.mark.parametrize("gives_up", ["release", "fail", "nothing", "claim again"])
def test_a_run_that_was_taken_over_is_kept_when_the_first_finishes_it(store, other, gives_up):
    assert store.claim(SPECS[0])
    assert other.claim(SPECS[0], take_over=True)
    if gives_up == "fail":
        other.fail(SPECS[0], "ValueError: no")
    elif gives_up != "nothing":
        other.release(SPECS[0])
    if gives_up == "claim again":
        assert other.claim(SPECS[0])
    store.finish(SPECS[0], {"test_accuracy": 0.9}, 3600.0)
    for each in (store, other):
        assert each.results([SPECS[0]]) == [({"test_accuracy": 0.9}, 3600.0)]
        assert not each.claim(SPECS[0], take_over=True)
    other.fail(SPECS[0], "too late")
    other.release(SPECS[0])
    assert store.counts([SPECS[0]]) == {"finished": 1}


def test_of_two_results_the_first_stays(store, other):
    assert store.claim(SPECS[0])
    assert other.claim(SPECS[0], take_over=True)
    other.finish(SPECS[0], {"test_accuracy": 0.8}, 1.0)
    store.finish(SPECS[0], {"test_accuracy": 0.9}, 2.0)
    assert store.results([SPECS[0]]) == [({"test_accuracy": 0.8}, 1.0)]
    with Store(store.path) as again:  # its checksum is that of the first
        assert again.results([SPECS[0]]) == [({"test_accuracy": 0.8}, 1.0)]


def test_a_process_that_ends_leaves_the_room_that_another_one_needs(store, file):
    assert store.claim(SPECS[0])
    program = (
        "import sys; from experiments.engine.store import Store; Store(sys.argv[1]).__exit__()"
    )
    subprocess.run([sys.executable, "-c", program, file], cwd=ROOT, check=True)
    assert file.with_name("runs.sqlite-reserve").exists()
    store.finish(SPECS[0], {}, 1.0)
    subprocess.run([sys.executable, "-c", program, file], cwd=ROOT, check=True)
    assert not file.with_name("runs.sqlite-reserve").exists()


def test_the_claim_of_a_dead_process_counts_for_nothing(store, file):
    program = "import sys; from experiments.engine.store import Store; import os, signal; " + (
        "assert Store(sys.argv[1]).claim({'task': 't', 'method': 'BL', 'seed': 0}); "
        "os.kill(os.getpid(), signal.SIGKILL)"
    )
    done = subprocess.run([sys.executable, "-c", program, file], cwd=ROOT, check=False)
    assert done.returncode == -9
    assert store.states([SPECS[0]])[0] == ("missing", "")
    assert store.claim(SPECS[0])


@pytest.mark.parametrize(("field", "other"), [("born", "1.5"), ("born", ""), ("host", "other")])
def test_whose_claim_it_is(store, file, field, other):
    """Another process of the same number is dead to us; another machine cannot be asked."""
    store.claim(SPECS[0])
    with contextlib.closing(sqlite3.connect(file)) as connection, connection:
        connection.execute(f"UPDATE runs SET {field} = ?", (other,))
    if field == "host":
        assert store.states([SPECS[0]])[0][1] == f"process {os.getpid()} on other"
        assert not store.claim(SPECS[0])
    assert store.claim(SPECS[0], take_over=field == "host")


@pytest.mark.parametrize("value", [float("nan"), float("inf"), object()])
def test_a_result_that_is_no_json_is_refused(store, value):
    store.claim(SPECS[0])
    with pytest.raises(ValueError, match="The result is not JSON.*Received: {'loss'"):
        store.finish(SPECS[0], {"loss": value}, 0.0)
    assert store.states([SPECS[0]])[0][0] == "running"


def test_the_last_request_is_kept(store, file):
    store.request("table2", {"seeds": 3})
    store.request("table2", {"seeds": 5, "method": ["BL"]})
    with Store(file) as again:
        assert again.requests() == {"table2": {"seeds": 5, "method": ["BL"]}}


def test_a_store_of_an_older_version_is_read_and_written(store, file):
    finish(store, SPECS[0])
    with contextlib.closing(sqlite3.connect(file)) as connection, connection:
        connection.execute("DROP TABLE checksums")
    with Store(file) as again:
        finish(again, SPECS[1])
        assert len(again.records(SPECS)) == 2
    with contextlib.closing(sqlite3.connect(file)) as connection:
        assert connection.execute("SELECT count(*) FROM checksums").fetchone() == (1,)


def refused(file, *parts):
    with pytest.raises(UsageError) as caught:
        Store(file)
    for part in (*parts, f"Received: --store {file}", "Expected"):
        assert part in str(caught.value)


def test_not_a_database(file):
    file.write_text("no database, but long enough to be looked at as one " * 100)
    content = file.read_bytes()
    refused(file, "damaged, or is no SQLite file")
    assert file.read_bytes() == content


def test_another_database(file):
    with contextlib.closing(sqlite3.connect(file)) as connection, connection:
        connection.execute("CREATE TABLE addresses (name TEXT)")
    refused(file, "another SQLite database", "addresses")


def test_another_version(store, file):
    with contextlib.closing(sqlite3.connect(file)) as connection:
        connection.execute("PRAGMA user_version = 7")
    refused(file, "another version", "of format 7", "Expected format 1")


def damaged(store, file):
    """Many finished runs, and zeros in the middle of them."""
    specs = [{"task": "t", "seed": seed} for seed in range(500)]
    finish(store, specs[0])
    with contextlib.closing(sqlite3.connect(file)) as connection, connection:
        columns = "status, result, seconds, started, ended, host, pid, born, versions"
        copy = f"INSERT INTO runs (spec, {columns}) SELECT ?, {columns} FROM runs WHERE spec = ?"
        connection.executemany(copy, [(key(spec), key(specs[0])) for spec in specs[1:]])
    with open(file, "r+b") as content:
        content.seek(file.stat().st_size // 2 // 4096 * 4096)
        content.write(bytes(2 * 4096))
    return specs


def test_a_damaged_file(store, file):
    damaged(store, file)
    refused(file, "damaged")


def test_a_truncated_file(store, file):
    damaged(store, file)
    os.truncate(file, 5000)
    refused(file, "damaged")


def test_a_folder_that_is_a_file(tmp_path):
    (tmp_path / "results").write_text("")
    refused(tmp_path / "results" / "runs.sqlite", "cannot be written")


@contextlib.contextmanager
def ordinary_user():
    """Permissions mean nothing to root."""
    if os.geteuid():
        yield
        return
    os.seteuid(65534)
    try:
        yield
    finally:
        os.seteuid(0)


@pytest.mark.parametrize("old", [False, True])
def test_a_folder_that_is_read_only(old):
    with tempfile.TemporaryDirectory() as folder:
        file = pathlib.Path(folder) / "runs.sqlite"
        with Store(file) as store:
            finish(store, SPECS[0])
        if old:
            with contextlib.closing(sqlite3.connect(file)) as connection, connection:
                connection.execute("DROP TABLE checksums")
        os.chmod(file, 0o444)
        os.chmod(folder, 0o555)
        try:
            with ordinary_user():
                refused(pathlib.Path(folder) / "new.sqlite", "cannot be written")
                with Store(file) as store:  # a report needs no more
                    assert len(store.records(SPECS)) == 1
                    with pytest.raises(UsageError, match="cannot be written"):
                        store.claim(SPECS[1])
        finally:
            os.chmod(folder, 0o755)


@contextlib.contextmanager
def file_limit(size):
    """The system refuses to let a file of this process grow beyond a size."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def test_a_disk_that_refuses_keeps_what_was_finished(store, file):
    finish(store, SPECS[0])
    store.claim(SPECS[1])
    with (
        file_limit(file.stat().st_size),
        pytest.raises(UsageError, match="What was finished is kept"),
    ):
        store.finish(SPECS[1], {"curve": list(range(100_000))}, 1.0)
    assert store.counts(SPECS) == {"finished": 1, "running": 1, "missing": 1}
    store.finish(SPECS[1], {"curve": [1]}, 1.0)
    assert [record["method"] for record in store.records(SPECS)] == ["BL", "LW"]


def test_a_result_that_the_store_cannot_take_waits_beside_it(store, file, monkeypatch):
    monkeypatch.setattr("experiments.engine.database._WAIT", 0.01)
    with Store(file) as locked_out:
        assert locked_out.claim(SPECS[0])
        with contextlib.closing(sqlite3.connect(file, isolation_level=None)) as connection:
            connection.execute("BEGIN EXCLUSIVE")
            with pytest.raises(UsageError, match="held the store.*The result of this run is in"):
                locked_out.finish(SPECS[0], {"test_accuracy": 0.9}, 3600.0)
            connection.execute("ROLLBACK")
    (waiting,) = file.parent.glob("*-waiting-*")
    content = waiting.read_text()
    waiting.write_text(content.replace("0.9", "0.8"))  # not whole: it is left alone
    with Store(file) as again:
        assert again.results([SPECS[0]]) == [None]
    waiting.write_text(content)
    with Store(file) as again:
        assert again.results([SPECS[0]]) == [({"test_accuracy": 0.9}, 3600.0)]
    assert not waiting.exists()


@pytest.fixture
def small_disk(tmp_path):
    """A file system of 1 MiB."""
    folder = tmp_path / "disk"
    folder.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", str(folder)]
    if os.geteuid() or subprocess.run(command, capture_output=True, check=False).returncode:
        pytest.skip("needs to mount a file system")
    yield folder
    subprocess.run(["umount", str(folder)], check=True)


def fill(folder):
    with contextlib.suppress(OSError), open(folder / "filler", "ab", buffering=0) as filler:
        while True:
            filler.write(bytes(4096))


def test_a_run_that_ends_on_a_full_disk_is_kept_and_no_other_begun(small_disk):
    with Store(small_disk / "runs.sqlite") as store:
        finish(store, SPECS[0])
        assert store.claim(SPECS[1])
        fill(small_disk)
        store.finish(SPECS[1], {"curve": list(range(20_000))}, 1.0)
        fill(small_disk)
        with pytest.raises(UsageError, match="the disk is full.*Expected free room"):
            store.claim(SPECS[2])
        assert store.counts(SPECS) == {"finished": 2, "missing": 1}
        (small_disk / "filler").unlink()
        finish(store, SPECS[2])
    with Store(small_disk / "runs.sqlite") as again:
        assert len(again.records(SPECS)) == 3
    assert [path.name for path in small_disk.iterdir()] == ["runs.sqlite"]


def test_a_new_store_on_a_full_disk(small_disk):
    fill(small_disk)
    refused(small_disk / "runs.sqlite", "full")


def test_one_question_for_many_runs(store):
    specs = [{"task": "probe", "seed": seed} for seed in range(20_000)]
    assert store.claim(specs[7])
    store.finish(specs[7], {"score": 0.5}, 1.0)
    questions = []
    store._database._connection.set_trace_callback(questions.append)
    assert store.counts(specs) == {"missing": 19_999, "finished": 1}
    assert [record["seed"] for record in store.records(specs)] == [7]
    assert len(questions) == 2


def test_the_clock_may_be_set_while_a_run_goes_on(store, file):
    store.claim(SPECS[0])
    with contextlib.closing(sqlite3.connect(file)) as connection, connection:
        connection.execute("UPDATE runs SET born = born + 2")
    assert not store.claim(SPECS[0])
