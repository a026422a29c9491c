"""The runs that are done, in one SQLite file that several processes may write to at once."""

import contextlib
import datetime
import json
from collections import Counter

from experiments.engine import owners, rows, waiting
from experiments.engine.database import REQUESTS, RUNS, Database, is_full
from experiments.engine.errors import UsageError
from experiments.engine.files import versions
from experiments.engine.rows import key

_MINE = "status = 'running' AND host = :host AND pid = :pid AND born = :born"
_FINISHED = """
    INSERT INTO runs (spec, status, result, seconds, started, ended, host, pid, born, versions)
    VALUES (
        :spec, 'finished', :result, :seconds, :started, :ended, :host, :pid, :born, :versions)
    ON CONFLICT (spec) DO UPDATE SET
        status = 'finished', result = :result, error = NULL, seconds = :seconds, ended = :ended,
        host = :host, pid = :pid, born = :born, versions = :versions
    WHERE status != 'finished'
"""
_SEALED = "INSERT OR REPLACE INTO checksums VALUES (:name, :checksum)"


class Store:
    """Runs by their spec: being run, finished or failed.

    Every change is one transaction that is on disk when the method returns: a kill leaves a run
    done or not done. A run is begun by `claim`, which one process alone can do; the claim of a
    process of this machine that is dead counts for nothing. What is finished stays: a result has a
    checksum, and no method removes or replaces it.

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
        self._identity = owners.identity()
        self._database = Database(path)
        self.path = self._database.path
        waiting.take_in(self.path, self._keep)

    def __enter__(self):
        return self

    def __exit__(self, *exception):
        with contextlib.suppress(UsageError):
            if not self._others_are_at_work():
                self._database.free_reserve()
        self._database.close()

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
        found = self._database.ask(f"{REQUESTS} ORDER BY experiment")
        for row in found:
            self._refuse_damage(f"the request of {row['experiment']}", rows.request_fault(row))
        return {row["experiment"]: json.loads(row["settings"]) for row in found}

    # What changes it.

    def request(self, experiment, settings):
        """Remember the settings that an experiment is run with, for its report."""
        text = json.dumps(settings)
        with self._database.transaction() as execute:
            execute("INSERT OR REPLACE INTO requests VALUES (?, ?, ?)", (experiment, text, now()))
            execute(_SEALED, {"name": experiment, "checksum": rows.checksum(experiment, text)})

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
        self._database.keep_reserve()
        with self._database.transaction() as execute:
            row = execute(f"{RUNS} WHERE spec = :spec", values).fetchone()
            if row is not None and self._is_taken(self._whole(dict(row)), since, take_over):
                return False
            execute(
                "INSERT OR REPLACE INTO runs (spec, status, started, host, pid, born, versions) "
                "VALUES (:spec, 'running', :started, :host, :pid, :born, :versions)",
                values | self._identity,
            )
        return True

    def finish(self, spec, result, seconds):
        """Record the result of a run, whoever else began it meanwhile, or gave it up.

        Where another process has finished it, its result stays. A result that the store cannot
        take, such as one that is locked, is left in a file beside it, for the next `Store`.

        Raises:
            ValueError: if the result is not JSON, which knows neither NaN nor infinity.
        """
        try:
            text = json.dumps(result, allow_nan=False)
        except (TypeError, ValueError) as error:
            raise ValueError(f"The result is not JSON: {error}. Received: {result}") from error
        values = {"spec": key(spec), "result": text, "seconds": float(seconds)}
        values |= {"started": now(-seconds), "ended": now(), "versions": json.dumps(versions())}
        values |= self._identity
        try:
            self._keep(values)
        except UsageError as error:
            if is_full(error) and self._database.free_reserve():
                self._keep(values)
                return
            try:
                file = waiting.leave(self.path, values)
            except UsageError:  # of this disk, too
                raise error from None
            where = f"{file}, from where the next command takes it"
            raise UsageError(f"{error} The result of this run is in {where}.") from error

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

    def _rows(self, specs):
        """The row of each run, or None, by one question to the file."""
        keys = [key(spec) for spec in specs]
        statement = f"{RUNS} WHERE spec IN (SELECT value FROM json_each(?))"
        found = self._database.ask(statement, (json.dumps(keys),))
        by_key = {row["spec"]: self._whole(row) for row in found}
        return [by_key.get(each) for each in keys]

    def _whole(self, row):
        """The row, if it is as it was written."""
        self._refuse_damage(f"the run {row['spec']}", rows.fault(row))
        return row

    def _refuse_damage(self, what, fault):
        if fault:
            raise self._database.explained_damage(f"{what}: {fault}")

    def _state(self, row):
        if row is None or (row["status"] == "running" and not owners.alive(row, self._identity)):
            return "missing", ""
        if row["status"] == "running":
            return "running", f"process {row['pid']} on {row['host']}"
        return row["status"], row["error"] or ""

    def _keep(self, values):
        with self._database.transaction() as execute:
            if execute(_FINISHED, values).rowcount:
                execute(_SEALED, {"name": values["spec"], "checksum": rows.seal(values)})

    def _write(self, statement, values):
        with self._database.transaction() as execute:
            execute(statement, values)

    def _is_taken(self, row, since, take_over):
        if row["status"] == "running":
            return owners.alive(row, self._identity, take_over)
        return row["status"] == "finished" or (bool(since) and row["ended"] > since)

    def _others_are_at_work(self):
        began = self._database.ask("SELECT * FROM runs WHERE status = 'running'")
        own = self._identity
        return any(row["pid"] != own["pid"] and owners.alive(row, own) for row in began)


def now(later=0.0):
    """The time, or that some seconds later, as text that sorts by time."""
    time = datetime.datetime.now(datetime.UTC) + datetime.timedelta(seconds=later)
    return time.isoformat(timespec="microseconds")
