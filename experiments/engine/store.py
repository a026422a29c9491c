"""The runs that are done, in one SQLite file that several processes may write to at once."""

import contextlib
import datetime
import errno
import hashlib
import json
import os
import pathlib
import platform
import sqlite3
from collections import Counter

import psutil

from experiments.engine.errors import UsageError
from experiments.engine.files import versions

_APPLICATION = 0x6B726578  # marks the file as ours
_SCHEMA = 1
_TABLES = (
    """CREATE TABLE runs (
        spec TEXT PRIMARY KEY,
        status TEXT NOT NULL CHECK (status IN ('running', 'finished', 'failed')),
        result TEXT, error TEXT, seconds REAL,
        started TEXT NOT NULL, ended TEXT,
        host TEXT NOT NULL, pid INTEGER NOT NULL, born TEXT NOT NULL, versions TEXT NOT NULL)""",
    """CREATE TABLE requests (
        experiment TEXT PRIMARY KEY, settings TEXT NOT NULL, asked TEXT NOT NULL)""",
)
_WAIT = 60  # seconds that one process waits for the commit of another
_CLOCK = 5  # seconds by which the system's clock may be set, and a process seem to start later
_RESERVE = 256 * 1024  # bytes kept free for the run that ends while the disk is full
_MINE = "status = 'running' AND host = :host AND pid = :pid AND born = :born"


class Store:
    """Runs by their spec: being run, finished or failed.

    Every change is one transaction that is on disk when the method returns: a kill leaves a run
    done or not done. A run is begun by `claim`, which one process alone can do; the claim of a
    process of this machine that is dead counts for nothing.

    SQLite's rollback journal rather than its write-ahead log: commits are rare, the store is one
    file between them, and it may lie in a network folder.

    Args:
        path: the file; made, with its folder, where there is none.

    Raises:
        UsageError: by every method, if the file is no store, damaged, written by another version,
            or cannot be written. What was finished stays in it.

    Example:
        >>> store = Store("results/runs.sqlite")
        >>> if store.claim(spec):
        ...     store.finish(spec, {"test_accuracy": 0.73}, seconds=0.5)
        >>> store.records([spec])
    """

    def __init__(self, path):
        self.path = pathlib.Path(path)
        self._reserve = self.path.with_name(self.path.name + "-reserve")
        self._identity = {"host": platform.node(), "pid": os.getpid(), "born": _born(os.getpid())}
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise UsageError(self._explanation(_NOT_WRITABLE, error)) from error
        with self._explained():
            self._connection = sqlite3.connect(self.path, timeout=_WAIT, isolation_level=None)
            self._connection.row_factory = sqlite3.Row

        try:
            self._check()
        except UsageError:
            self._connection.close()
            raise

    def __enter__(self):
        return self

    def __exit__(self, *exception):
        self._connection.close()
        with contextlib.suppress(OSError):
            self._reserve.unlink(missing_ok=True)

    # What is known.

    def records(self, specs):
        """The finished runs among some, in their order: `{**spec, **result, "seconds": s}`."""
        found = zip(specs, self.results(specs), strict=True)
        return [{**spec, **each[0], "seconds": round(each[1], 3)} for spec, each in found if each]

    def results(self, specs):
        """What `finish` was given for each: (result, seconds), or None if it is not finished."""
        return [
            (json.loads(row["result"]), row["seconds"])
            if row is not None and row["status"] == "finished"
            else None
            for row in self._rows(specs)
        ]

    def counts(self, specs):
        """How many runs are "finished", "failed", "running" and "missing": a `Counter`."""
        return Counter(state for state, _ in self.states(specs))

    def states(self, specs):
        """What became of each run.

        Returns:
            A list of ("finished", ""), ("failed", its error), ("running", where) or
            ("missing", "").
        """
        return list(map(self._state, self._rows(specs)))

    def requests(self):
        """The settings that each experiment was run with last: {name: dict}, by name."""
        with self._explained():
            rows = self._connection.execute("SELECT * FROM requests ORDER BY experiment").fetchall()
        return {row["experiment"]: json.loads(row["settings"]) for row in rows}

    # What changes it.

    def request(self, experiment, settings):
        """Remember the settings that an experiment is run with, for its report."""
        with self._transaction() as execute:
            values = (experiment, json.dumps(settings), now())
            execute("INSERT OR REPLACE INTO requests VALUES (?, ?, ?)", values)

    def claim(self, spec, since="", take_over=False):
        """Begin a run, unless it is finished or another process is at it.

        Args:
            spec: the run.
            since: a time as `now` tells it; a run that failed later is not begun again.
            take_over: take it from a process of another machine, of which nobody here can know
                whether it lives.

        Returns:
            Whether the run is this process's own now.
        """
        values = {"spec": key(spec), "started": now(), "versions": json.dumps(versions())}
        self._keep_reserve()
        with self._transaction() as execute:
            row = execute("SELECT * FROM runs WHERE spec = :spec", values).fetchone()
            if row is not None and self._is_taken(row, since, take_over):
                return False
            execute(
                "INSERT OR REPLACE INTO runs (spec, status, started, host, pid, born, versions) "
                "VALUES (:spec, 'running', :started, :host, :pid, :born, :versions)",
                values | self._identity,
            )
        return True

    def finish(self, spec, result, seconds):
        """Record the result of a run.

        Raises:
            ValueError: if the result is not JSON, which knows neither NaN nor infinity.
        """
        try:
            text = json.dumps(result, allow_nan=False)
        except (TypeError, ValueError) as error:
            raise ValueError(f"The result is not JSON: {error}. Received: {result}") from error
        values = {"spec": key(spec), "result": text, "seconds": seconds, "ended": now()}
        statement = (
            "UPDATE runs SET status = 'finished', result = :result, error = NULL, "
            "seconds = :seconds, ended = :ended WHERE spec = :spec"
        )
        try:
            self._write(statement, values)
        except UsageError as error:
            if not _is_full(error.__cause__) or not self._reserve.exists():
                raise
            self._reserve.unlink()
            self._write(statement, values)

    def fail(self, spec, error):
        """Record the error, a str, that ended a run; another command runs it again."""
        self._write(
            f"UPDATE runs SET status = 'failed', error = :error, ended = :ended "
            f"WHERE spec = :spec AND {_MINE}",
            {"spec": key(spec), "error": error, "ended": now()} | self._identity,
        )

    def release(self, spec):
        """Forget that this process began a run."""
        self._write(
            f"DELETE FROM runs WHERE spec = :spec AND {_MINE}",
            {"spec": key(spec)} | self._identity,
        )

    # How it is done.

    def _check(self):
        """Make the tables of a new store; refuse what is none, or is damaged."""
        with self._transaction() as execute:
            found = [row["name"] for row in execute("SELECT name FROM sqlite_master")]
            application = execute("PRAGMA application_id").fetchone()[0]
            schema = execute("PRAGMA user_version").fetchone()[0]
            if not found:
                for statement in _TABLES:
                    execute(statement)
                execute(f"PRAGMA application_id = {_APPLICATION}")
                execute(f"PRAGMA user_version = {_SCHEMA}")
            elif application != _APPLICATION:
                raise UsageError(
                    f"Not a store of runs, but another SQLite database. Received: --store "
                    f"{self.path}, with the tables {sorted(found)}. Expected a new file, or one "
                    "that `run` wrote."
                )
            elif schema != _SCHEMA:
                raise UsageError(
                    f"The store was written by another version of this program. Received: --store "
                    f"{self.path}, of format {schema}. Expected format {_SCHEMA}: name another "
                    "file, or use that version; the runs in this one are kept."
                )
            else:
                damage = execute("PRAGMA quick_check(1)").fetchone()[0]
                if damage != "ok":
                    raise UsageError(self._explanation(_DAMAGED, damage))

    def _rows(self, specs):
        """The row of each run, or None, by one question to the file."""
        keys = [key(spec) for spec in specs]
        statement = "SELECT * FROM runs WHERE spec IN (SELECT value FROM json_each(?))"
        with self._explained():
            found = self._connection.execute(statement, (json.dumps(keys),)).fetchall()
        rows = {row["spec"]: row for row in found}
        return [rows.get(each) for each in keys]

    def _state(self, row):
        if row is None or (row["status"] == "running" and not self._alive(row)):
            return "missing", ""
        if row["status"] == "running":
            return "running", f"process {row['pid']} on {row['host']}"
        return row["status"], row["error"] or ""

    def _write(self, statement, values):
        with self._transaction() as execute:
            execute(statement, values)

    @contextlib.contextmanager
    def _transaction(self):
        """One transaction: no other process writes meanwhile; on disk when it ends."""
        with self._explained():
            self._connection.execute("BEGIN IMMEDIATE")
            try:
                yield self._connection.execute
                self._connection.execute("COMMIT")
            except BaseException:
                if self._connection.in_transaction:
                    self._connection.execute("ROLLBACK")
                raise

    @contextlib.contextmanager
    def _explained(self):
        """Errors of the disk as messages that say what to do."""
        try:
            yield
        except sqlite3.DatabaseError as error:
            code = getattr(error, "sqlite_errorcode", 0) & 0xFF
            if code not in _REASONS:
                raise
            raise UsageError(self._explanation(_REASONS[code], error)) from error

    def _explanation(self, reason, error):
        what, expected = reason
        return f"{what} ({error}). Received: --store {self.path}. Expected {expected}"

    def _keep_reserve(self):
        """Before a run, take the room on the disk that its result may need."""
        if self._reserve.exists():
            return
        try:
            self._reserve.write_bytes(os.urandom(_RESERVE))
        except OSError as error:
            with contextlib.suppress(OSError):
                self._reserve.unlink(missing_ok=True)
            full = error.errno in (errno.ENOSPC, errno.EDQUOT)
            raise UsageError(self._explanation(_FULL if full else _NOT_WRITABLE, error)) from error

    def _is_taken(self, row, since, take_over):
        if row["status"] == "running":
            return self._alive(row, take_over)
        return row["status"] == "finished" or (bool(since) and row["ended"] > since)

    def _alive(self, row, take_over=False):
        """Whether the process that began a run may be at it still."""
        if row["host"] != self._identity["host"]:
            return not take_over
        born = _born(row["pid"])
        return born is not None and abs(born - float(row["born"] or 0)) < _CLOCK


def key(spec):
    """The name of a run in the store: its canonical JSON."""
    return json.dumps(spec, sort_keys=True, separators=(",", ":"), allow_nan=False)


def digest(spec):
    """The name of a run's backup: a short text that tells it from all others."""
    return hashlib.sha256(key(spec).encode()).hexdigest()[:16]


_FULL = (
    "The store cannot be written: the disk is full",
    "free room on the disk. What was finished is kept: run the same command again.",
)
_NOT_WRITABLE = (
    "The store cannot be written",
    "a file in a folder that you may write to. What was finished is kept.",
)
_DAMAGED = (
    "The store is damaged, or is no SQLite file",
    "a file that `run` wrote: put a copy of it in its place, or name another file. This one was "
    "not changed.",
)
_HELD = (
    f"Another process held the store for {_WAIT} seconds",
    "a store that nobody keeps locked: run the same command again.",
)
_BROKEN = (
    "The disk refuses to write or read",
    "a disk that works, within your quota. What was finished is kept: run the same command again.",
)
_REASONS = {
    sqlite3.SQLITE_FULL: _FULL,
    sqlite3.SQLITE_IOERR: _BROKEN,
    sqlite3.SQLITE_READONLY: _NOT_WRITABLE,
    sqlite3.SQLITE_CANTOPEN: _NOT_WRITABLE,
    sqlite3.SQLITE_PERM: _NOT_WRITABLE,
    sqlite3.SQLITE_BUSY: _HELD,
    sqlite3.SQLITE_NOTADB: _DAMAGED,
    sqlite3.SQLITE_CORRUPT: _DAMAGED,
}


def _is_full(error):
    return getattr(error, "sqlite_errorcode", 0) & 0xFF == sqlite3.SQLITE_FULL


def _born(pid):
    """When a process started, in seconds, which tells it from a later one of the same number.

    None where it is no more.
    """
    try:
        process = psutil.Process(pid)
        return None if process.status() == psutil.STATUS_ZOMBIE else process.create_time()
    except psutil.NoSuchProcess:
        return None


def now():
    """The time, as text that sorts by time."""
    return datetime.datetime.now(datetime.UTC).isoformat(timespec="microseconds")
