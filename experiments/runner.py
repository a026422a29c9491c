"""Runs what is missing, one after the other or some together, and records what came of it."""

import contextlib
import dataclasses
import errno
import os
import signal
import threading
import time
import traceback
from collections import Counter

from experiments import experiment
from experiments.errors import UsageError
from experiments.store import now

BATCH = 25  # runs that are executed together at most, and lost together by a kill


def check(specs, store, context):
    """Look at all unfinished runs before the first one is begun: can each of them start?

    Args:
        specs: list of specs.
        store: `experiments.store.Store`.
        context: `experiments.experiment.Context`.

    Raises:
        UsageError: if one cannot for want of something that the user must bring, such as a prepared
            data set.
    """
    for spec in _unfinished(specs, store):
        experiment.task(spec).check(spec, context)


def perform(specs, store, context, take_over=False):
    """Run what is missing; several processes given the same store share the work.

    A run that raises is recorded as failed, and the others go on; the next command tries it again.

    Args:
        specs: list of specs, in the order in which they are run.
        store: `experiments.store.Store`.
        context: `experiments.experiment.Context`.
        take_over: also do what another machine began and did not finish.

    Raises:
        UsageError: as `check`, or if the disk is full or the store cannot be written.
        KeyboardInterrupt: on an interrupt, SIGTERM too. The run under way is left undone.
    """
    pending = _unfinished(specs, store)
    if not pending:
        return
    from experiments.progress import Progress

    start = now()
    with _terminable(), Progress(len(specs), len(specs) - len(pending)) as progress:
        context = dataclasses.replace(context, callbacks=(*context.callbacks, progress))
        left = _attempt(pending, store, context, progress, start, take_over)
        while 0 < len(left) < len(pending):  # a process that was at one of them may have died
            pending, left = left, _attempt(left, store, context, progress, start, take_over)


def _unfinished(specs, store):
    return [spec for spec in specs if store.state(spec)[0] != "finished"]


def _attempt(specs, store, context, progress, start, take_over):
    """Run what nobody else does; returns the others."""
    left = []
    for batch in batches(specs):
        claimed = [spec for spec in batch if store.claim(spec, since=start, take_over=take_over)]
        if claimed:
            _run(claimed, store, context)
        for spec in batch:
            if spec in claimed or store.state(spec)[0] == "finished":
                progress.advance()
            else:
                left.append(spec)
    return left


def batches(specs):
    """Runs that are executed together, in the order of the first one of each.

    Together are at most `BATCH` runs of which the task says that they have the same `batch_key`.

    Args:
        specs: list of specs.

    Returns:
        A list of lists of specs.
    """
    made: list = []
    open_batches: dict = {}
    for number, spec in enumerate(specs):
        task = experiment.task(spec)
        key = (task, task.batch_key(spec)) if hasattr(task, "batch_key") else number
        if len(open_batches.get(key, ())) in (0, BATCH):
            open_batches[key] = []
            made.append(open_batches[key])
        open_batches[key].append(spec)
    return made


def _run(specs, store, context):
    """Execute runs that are this process's own, and record what came of each."""
    try:
        start = time.perf_counter()
        results = _results(specs, context)
        seconds = (time.perf_counter() - start) / len(specs)
        for spec, result in zip(specs, results, strict=True):
            store.finish(spec, result, seconds)
    except UsageError:
        _release(specs, store)
        raise
    except Exception as error:
        if _is_full(error):
            _release(specs, store)
            raise UsageError(
                f"The disk is full. Received: {summary(error)}. Expected free room on it. What was "
                "finished is kept: run the same command again."
            ) from error
        if len(specs) > 1:  # each alone: only what cannot go on fails
            try:
                for spec in _unfinished(specs, store):
                    _run([spec], store, context)
            except BaseException:
                _release(specs, store)
                raise
            return
        store.fail(specs[0], f"{summary(error)}\n\n{traceback.format_exc()}")
    except BaseException:
        _release(specs, store)
        raise


def _results(specs, context):
    task = experiment.task(specs[0])
    if len(specs) == 1:
        return [task.execute(specs[0], context)]
    return task.execute_together(specs, context)


def _release(specs, store):
    with contextlib.suppress(UsageError):  # the store is what fails: the claim dies with us
        for spec in specs:
            store.release(spec)


def _is_full(error):
    """Whether a file could not be written, such as a backup, for want of room.

    HDF5 says so in the text of its errors alone.
    """
    text = str(error)
    codes = errno.ENOSPC, errno.EDQUOT
    return any(getattr(error, "errno", None) == code or os.strerror(code) in text for code in codes)


def summary(error):
    """An exception in one line: its type and the first line of its message."""
    lines = str(error).splitlines()
    return f"{type(error).__name__}: {lines[0]}" if lines else type(error).__name__


@contextlib.contextmanager
def _terminable():
    """Let SIGTERM, with which schedulers stop a job, end as an interrupt does."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def account(specs, store, before):
    """What became of the runs, in words.

    Args:
        specs: list of specs.
        store: `experiments.store.Store`.
        before: how many were finished before this command.

    Returns:
        A str of one line, and one more for each failed run and each other process at work; and
        the number of failed runs.
    """
    states = [(spec, *store.state(spec)) for spec in specs]
    counts = Counter(state for _, state, _ in states)
    lines = [f"Runs: {len(specs)}, finished {counts['finished']} ({before} of them before)"]
    lines[0] += "".join(
        f", {word} {counts[state]}"
        for state, word in (("failed", "failed"), ("running", "elsewhere"), ("missing", "left"))
        if counts[state]
    )
    lines += [
        f"- failed: {_short(spec, specs)}: {error.splitlines()[0]}"
        for spec, state, error in states
        if state == "failed"
    ]
    workers = Counter(worker for _, state, worker in states if state == "running")
    lines += [
        f"- {number} run by {worker}; if that machine is gone, --take-over"
        for worker, number in workers.items()
    ]
    return "\n".join(lines), counts["failed"]


def _short(spec, specs):
    """What tells one run from the others, in a line."""
    names = [name for name in spec if any(other.get(name) != spec[name] for other in specs)]
    return ", ".join(f"{name}={spec[name]}" for name in names or spec)
