"""What is damaged in a store, and how it is set aside."""

import contextlib
import dataclasses
import itertools
import os
import pathlib
import sqlite3

from experiments.engine import database, rows, salvage
from experiments.engine.errors import UsageError

_PREFERRED = ("running", "failed", "finished")  # of two rows of one run, the later of these
_NEVER_NULL = {"started", "host", "pid", "born", "versions"}  # which no result depends on
_LOCKED = (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED)


@dataclasses.dataclass(frozen=True)
class Findings:
    """What a store holds.

    Args:
        faults: list of texts, what is damaged; empty for a store that is whole.
        runs: rows of `runs` that are as they were written, dicts with their "checksum".
        requests: those of `requests`, likewise.
    """

    faults: list
    runs: list
    requests: list

    @property
    def finished(self):
        """The number of finished runs."""
        return sum(row["status"] == "finished" for row in self.runs)


def examine(path):
    """Look at every row of a store.

    Args:
        path: the file; it is not changed.

    Returns:
        `Findings`.

    Raises:
        UsageError: if there is no such file, it cannot be read, another process keeps it locked, or
            nothing in it is of a store.
    """
    path = pathlib.Path(path)
    content = _read(path)
    with _locked(path) as connection:
        return _found(path, content, connection)


def repair(path):
    """Put a store of all that is whole into the place of a damaged one, which is kept beside it.

    Processes that have the store open go on with the new one.

    Args:
        path: the file.

    Returns:
        `Findings` of the damaged store, and the path that it has now; None if it was whole.

    Raises:
        UsageError: as `examine`, or if the folder cannot be written. The file is as it was then.
    """
    path = pathlib.Path(path)
    content = _read(path)
    new, kept = path.with_name(path.name + "-repaired"), _free_name(path)
    with _locked(path) as connection:
        found = _found(path, content, connection)
        if not found.faults:
            return found, None
        try:
            _write(new, found)
            _copy(content, kept)
            _set_aside(path.with_name(path.name + "-journal"), kept)
            os.replace(new, path)
            _flush(path.parent)
        except (OSError, sqlite3.Error) as error:
            new.unlink(missing_ok=True)
            kept.unlink(missing_ok=True)
            raise UsageError(
                f"The store cannot be repaired ({error}). Received: --store {path}. Expected a "
                "folder that you may write to, on a disk with room for a second file of its size."
            ) from error
    return found, kept


def _read(path):
    try:
        return path.read_bytes()
    except OSError as error:
        raise UsageError(
            f"The store cannot be read ({error.strerror}). Received: --store {path}. Expected the "
            "file that `run` wrote to."
        ) from error


@contextlib.contextmanager
def _locked(path):
    """A connection that alone may write; None to a file that SQLite cannot open at all."""
    try:
        connection = database.connect(path)
    except sqlite3.Error:
        yield None
        return
    with contextlib.closing(connection):
        usable = True
        try:
            connection.execute("BEGIN IMMEDIATE")
        except database.ERRORS as error:
            if getattr(error, "sqlite_errorcode", 0) & 0xFF in _LOCKED:
                raise UsageError(
                    f"Another process holds the store. Received: --store {path}. Expected one that "
                    "nobody keeps locked."
                ) from error
            usable = False
        yield connection if usable else None


def _found(path, content, connection):
    faults = ["SQLite cannot open the file"]
    if connection is not None:
        try:
            return _judged(_asked(connection), [])
        except database.ERRORS as error:
            faults = [str(error)]
    contents = {content}
    if connection is not None:
        with contextlib.suppress(*database.ERRORS):  # with what was written since it was read
            contents.add(connection.serialize())
    found = _judged([record for each in contents for record in salvage.records(each)], faults)
    if not (found.runs or found.requests or len(found.faults) > len(faults)):
        raise UsageError(
            f"Nothing in the file is of a store. Received: --store {path}, {faults[0]}. Expected "
            "a file that `run` wrote, or a new one. This one was not changed."
        )
    return found


def _asked(connection):
    """The rows of a file that SQLite can read to the end, as `salvage.records`.

    Raises:
        sqlite3.DatabaseError: if it cannot.
    """
    execute = connection.execute
    marks = [execute(f"PRAGMA {name}").fetchone()[0] for name in ("application_id", "user_version")]
    if marks != [database.APPLICATION, database.SCHEMA]:
        raise sqlite3.DatabaseError(f"it is marked as {marks[0]:#x}, format {marks[1]}")
    database.complete(execute)
    faults = database.file_faults(execute)
    if faults:
        raise sqlite3.DatabaseError("; ".join(faults))
    return [
        (table, dict(row))
        for table in ("runs", "requests", "checksums")
        for row in execute(f"SELECT * FROM {table}")
    ]


def _judged(records, faults):
    """What is whole among rows, what can be mended, and what is damaged.

    Of several rows of one name the one counts that came last.

    Args:
        records: as `salvage.records` gives them.
        faults: what is known to be damaged.
    """
    seals: dict = {}
    for table, row in records:
        if table == "checksums" and isinstance(row["checksum"], str):
            seals.setdefault(row["name"], []).append(row["checksum"])
    runs, damaged = _whole(records, "runs", "spec", rows.fault, seals)
    requests, others = _whole(records, "requests", "experiment", rows.request_fault, seals)
    unsealed = [row for row in runs.values() if row["checksum"] is None]
    left = [(name, each) for name in seals if name not in runs for each in seals[name]]
    left += [(row["spec"], each) for row, _ in damaged for each in seals.get(row["spec"], ())]
    told = []
    for row, why in [*damaged, *((row, "its spec is that of another run") for row in unsealed)]:
        mended = rows.mended(row, left)
        if mended is not None:
            if runs.get(row["spec"]) is row:
                del runs[row["spec"]]
            runs[mended["spec"]] = mended
            told.append(f"the run {row['spec']}: {why}; it was mended")
        elif row["spec"] not in runs:
            told.append(f"the run {row['spec']}: {why}")
    told += [f"the request of {row['experiment']}: {why}" for row, why in others]
    told = list(dict.fromkeys([*faults, *told]))
    return Findings(told, list(runs.values()), list(requests.values()))


def _whole(records, table, name, fault, seals):
    """The rows of a table that are whole, by name, and (row, what is wrong) of the others."""
    whole: dict = {}
    damaged = []
    for row in (row for each, row in records if each == table):
        sealed = [row | {"checksum": each} for each in seals.get(row[name], [None])]
        intact = next((each for each in sealed if fault(each) is None), None)
        if intact is None:
            damaged.append((sealed[0], fault(sealed[0])))
        elif _counts_more(intact, whole.get(row[name])):
            whole[row[name]] = intact
    return whole, damaged


def _counts_more(row, other):
    if other is None:
        return True
    if "status" not in row:
        return row["asked"] >= other["asked"]
    return _rank(row) >= _rank(other)


def _rank(row):
    return _PREFERRED.index(row["status"]), row["started"]


def _write(path, found):
    """A new store of the rows that are whole."""
    path.unlink(missing_ok=True)
    with contextlib.closing(database.connect(path)) as connection:
        connection.execute("BEGIN IMMEDIATE")
        database.make_tables(connection.execute)
        for table, own in (("runs", found.runs), ("requests", found.requests)):
            columns = rows.TABLES[table]
            places = ", ".join(f":{name}" for name in columns)
            filled = [
                row | {name: row[name] or "" for name in _NEVER_NULL & row.keys()} for row in own
            ]
            connection.executemany(f"INSERT INTO {table} VALUES ({places})", filled)
            sealed = [(row[columns[0]], row["checksum"]) for row in own if row["checksum"]]
            connection.executemany("INSERT INTO checksums VALUES (?, ?)", sealed)
        connection.execute("COMMIT")


def _filled(row):
    return {name: "" for name in _NEVER_NULL & row.keys() if row[name] is None}


def _free_name(path):
    """Where the damaged file goes: beside the store, under a name that is free."""
    numbers = itertools.count(1)
    names = (path.with_name(f"{path.name}-damaged-{number}") for number in numbers)
    return next(name for name in names if not name.exists())


def _copy(content, path):
    path.write_bytes(content)
    _flush(path)


def _set_aside(journal, kept):
    """Move what SQLite would take for the journal of the new file."""
    if journal.exists():
        os.replace(journal, kept.with_name(kept.name + "-journal"))


def _flush(path):
    """Let a file, or the names in a folder, be on the disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
