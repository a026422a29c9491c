"""The SQLite file of a store: its tables, its transactions, and what its errors mean."""

import contextlib
import errno
import os
import pathlib
import sqlite3
from typing import Any

from experiments.engine import rows
from experiments.engine.errors import UsageError

APPLICATION = 0x6B726578  # marks the file as ours
SCHEMA = 1
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
# Of finished runs by their spec, of requests by their experiment. Old stores have none.
_CHECKSUMS = "TABLE checksums (name TEXT PRIMARY KEY, checksum TEXT NOT NULL)"
RUNS = "SELECT runs.*, checksum FROM runs LEFT JOIN checksums ON name = spec"
REQUESTS = "SELECT requests.*, checksum FROM requests LEFT JOIN checksums ON name = experiment"
# What Python's sqlite3 raises where a file is damaged; the second, where a name in it is.
ERRORS = (sqlite3.DatabaseError, UnicodeDecodeError)
_WAIT = 60  # seconds that one process waits for the commit of another
_RESERVE = 256 * 1024  # bytes kept free for the run that ends while the disk is full


class Database:
    """The file, opened; found whole, or refused.

    Where another file has come into its place, such as a copy or a repaired one, that one is opened
    before the next question.

    Args:
        path: the file; made, with its folder, where there is none.

    Raises:
        UsageError: by every method, if the file is no store, damaged, written by another version,
            or cannot be written.
    """

    def __init__(self, path):
        self.path = pathlib.Path(path)
        self._reserve = self.path.with_name(self.path.name + "-reserve")
        self._connection: Any = None
        self._place = None
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise UsageError(self._explanation(_NOT_WRITABLE, error)) from error
        self._open()

    def close(self):
        """Close the file."""
        self._connection.close()

    def ask(self, statement, values=()):
        """The rows that answer a question, as dicts."""
        with self._explained():
            if self._has_moved():
                self._open()
            return [dict(row) for row in self._connection.execute(statement, values)]

    def explained_damage(self, what):
        """A `UsageError` that says what is damaged and how to go on."""
        return UsageError(self._explanation(_DAMAGED, what))

    @contextlib.contextmanager
    def transaction(self):
        """One transaction: no other process writes meanwhile; on disk when it ends."""
        with self._explained():
            self._connection.execute("BEGIN IMMEDIATE")
            if self._has_moved():
                self._open()
                self._connection.execute("BEGIN IMMEDIATE")
            try:
                yield self._connection.execute
                self._connection.execute("COMMIT")
            except BaseException:
                if self._connection.in_transaction:
                    self._connection.execute("ROLLBACK")
                raise

    def keep_reserve(self):
        """Before a run, take the room on the disk that its result may need."""
        if self._reserve.exists():
            return
        try:
            self._reserve.write_bytes(os.urandom(_RESERVE))
        except OSError as error:
            self.free_reserve()
            full = error.errno in (errno.ENOSPC, errno.EDQUOT)
            raise UsageError(self._explanation(_FULL if full else _NOT_WRITABLE, error)) from error

    def free_reserve(self):
        """Give back that room; whether there was some."""
        try:
            self._reserve.unlink()
        except OSError:
            return False
        return True

    def _open(self):
        if self._connection is not None:
            self._connection.close()
        with self._explained():
            self._connection = connect(self.path)
            self._place = _place(self.path)
        try:
            self._check()
        except BaseException:
            self._connection.close()
            raise

    def _has_moved(self):
        return _place(self.path) != self._place

    def _check(self):
        """Make the tables of a new store; refuse what is none, or is damaged."""
        with self.transaction() as execute:
            found = [row["name"] for row in execute("SELECT name FROM sqlite_master")]
            application = execute("PRAGMA application_id").fetchone()[0]
            schema = execute("PRAGMA user_version").fetchone()[0]
            if not found:
                make_tables(execute)
            elif application != APPLICATION:
                raise UsageError(
                    f"Not a store of runs, but another SQLite database. Received: --store "
                    f"{self.path}, with the tables {sorted(found)}. Expected a new file, or one "
                    "that `run` wrote."
                )
            elif schema != SCHEMA:
                raise UsageError(
                    f"The store was written by another version of this program. Received: --store "
                    f"{self.path}, of format {schema}. Expected format {SCHEMA}: name another "
                    "file, or use that version; the runs in this one are kept."
                )
            else:
                complete(execute)
                faults = file_faults(execute) or row_faults(execute)
                if faults:
                    more = f", and {len(faults) - 1} more" if len(faults) > 1 else ""
                    raise self.explained_damage(faults[0] + more)

    @contextlib.contextmanager
    def _explained(self):
        """Errors of the disk as messages that say what to do."""
        try:
            yield
        except sqlite3.ProgrammingError:
            raise
        except ERRORS as error:
            code = getattr(error, "sqlite_errorcode", 0) & 0xFF
            reason = _REASONS.get(code, _DAMAGED)
            raise UsageError(self._explanation(reason, error)) from error

    def _explanation(self, reason, error):
        what, expected = reason
        expected = expected.format(path=self.path)
        return f"{what} ({error}). Received: --store {self.path}. Expected {expected}"


def connect(path):
    """A connection to a file, in which a damaged text is a text, too."""
    connection = sqlite3.connect(path, timeout=_WAIT, isolation_level=None)
    connection.row_factory = sqlite3.Row
    connection.text_factory = lambda content: content.decode(errors="backslashreplace")
    return connection


def make_tables(execute):
    """Make an empty file a store."""
    for statement in (*_TABLES, f"CREATE {_CHECKSUMS}"):
        execute(statement)
    execute(f"PRAGMA application_id = {APPLICATION}")
    execute(f"PRAGMA user_version = {SCHEMA}")


def file_faults(execute):
    """What SQLite itself finds wrong with a file: a list of texts."""
    found = [text for (text,) in execute("PRAGMA integrity_check(10)") if text != "ok"]
    for table, columns in rows.TABLES.items():
        names = tuple(row["name"] for row in execute(f"PRAGMA table_info({table})"))
        if names != columns:
            found.append(f"the table {table} has the columns {', '.join(names) or 'of no table'}")
    return found


def row_faults(execute):
    """Which rows are damaged: a list of texts."""
    runs = ((row["spec"], rows.fault(row)) for row in map(dict, execute(RUNS)))
    requests = (
        (row["experiment"], rows.request_fault(row)) for row in map(dict, execute(REQUESTS))
    )
    return [
        *(f"the run {name}: {why}" for name, why in runs if why),
        *(f"the request of {name}: {why}" for name, why in requests if why),
    ]


def is_full(error):
    """Whether a `UsageError` is that of a full disk."""
    return getattr(error.__cause__, "sqlite_errorcode", 0) & 0xFF == sqlite3.SQLITE_FULL


def complete(execute):
    """Give an old store checksums; one that cannot be written has none, as long as it is open."""
    if execute("SELECT * FROM sqlite_master WHERE name = 'checksums'").fetchone():
        return
    try:
        execute(f"CREATE {_CHECKSUMS}")
    except sqlite3.OperationalError as error:
        if error.sqlite_errorcode & 0xFF != sqlite3.SQLITE_READONLY:
            raise
        execute(f"CREATE TEMP {_CHECKSUMS}")


def _place(path):
    """What tells a file from another one in its place."""
    try:
        found = os.stat(path)
    except OSError:
        return None
    return found.st_dev, found.st_ino


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
    "a file that `run` wrote. This one was not changed: `python -m experiments store check "
    "--store {path} --repair` sets aside what is damaged and keeps the rest, or put a copy of the "
    "file in its place.",
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
}
