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

from experiments.engine import catalogue, folders
from experiments.engine.errors import UsageError
from experiments.engine.store import now

BATCH = 25  # runs that are executed together at most, and lost together by a kill


def check(specs, store, context):
    """Look at all unfinished runs before the first one is begun: can each of them start?

    Args:
        specs: list of specs.
        store: `experiments.engine.store.Store`.
        context: `experiments.engine.experiment.Context`.

    Raises:
        UsageError: if one cannot for want of something that the user must bring, such as a prepared
            data set.
    """
    for spec in unfinished(specs, store):
        catalogue.run(spec).check(context)


def perform(specs, store, context, take_over=False):
    """Run what is missing in this process.

    A run that raises is recorded as failed, and the others go on; the next command tries it again.

    Args:
        specs: list of specs, in the order in which they are run.
        store: `experiments.engine.store.Store`.
        context: `experiments.engine.experiment.Context`.
        take_over: also do what another machine began and did not finish.

    Raises:
        UsageError: as `check`, or if the disk is full or the store cannot be written.
        KeyboardInterrupt: on an interrupt, SIGTERM too. The run under way is left undone.
    """
    pending = unfinished(specs, store)
    if not pending:
        return
    from experiments.engine.progress import Progress

    with terminable(), Progress(len(specs), len(specs) - len(pending)) as progress:
        context = dataclasses.replace(context, callbacks=(*context.callbacks, progress))
        share(pending, store, context, now(), take_over, progress.advance)


def share(specs, store, context, since, take_over=False, advance=lambda: None):
    """Run what nobody else does; several processes given the same store share the work.

    Args:
        specs: list of specs, none of them finished when this began.
        store: `experiments.engine.store.Store`.
        context: `experiments.engine.experiment.Context`.
        since: a time as `store.now` tells it; what failed later is not run again.
        take_over: as `perform`.
        advance: function that is called for every run that is done, by whomever.

    Raises:
        UsageError: as `perform`.
    """
    left = _attempt(specs, store, context, since, take_over, advance)
    while 0 < len(left) < len(specs):  # a process that was at one of them may have died
        specs, left = left, _attempt(left, store, context, since, take_over, advance)


def unfinished(specs, store):
    """The specs of the runs that are still to be done, in their order."""
    states = store.states(specs)
    return [spec for spec, (state, _) in zip(specs, states, strict=True) if state != "finished"]


def _attempt(specs, store, context, since, take_over, advance):
    """Run what nobody else does; returns the others."""
    left = []
    for batch in batches(specs):
        claimed = [spec for spec in batch if store.claim(spec, since, take_over)]
        if claimed:
            _run(claimed, store, context)
        for spec, (state, _) in zip(batch, store.states(batch), strict=True):
            if spec in claimed or state == "finished":
                advance()
            else:
                left.append(spec)
    return left


def batches(specs):
    """Runs that are executed together, in the order of the first one of each.

    Together are at most `BATCH` runs of one class that have the same `batch_key`.

    Args:
        specs: list of specs.

    Returns:
        A list of lists of specs.
    """
    made: list = []
    open_batches: dict = {}
    for number, spec in enumerate(specs):
        run = catalogue.run(spec)
        key = number if run.batch_key is None else (type(run), run.batch_key)
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
        _finish(specs, results, seconds, store)
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
                for spec in unfinished(specs, store):
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
    runs = [catalogue.run(spec) for spec in specs]
    for run, spec in zip(runs, specs, strict=True):
        _check_images(run, spec)
    with context.place(specs[0]):
        return type(runs[0]).execute_together(runs, context)


def _finish(specs, results, seconds, store):
    """Record all results, also after one that the store could not take."""
    refusals = []
    for spec, result in zip(specs, results, strict=True):
        try:
            store.finish(spec, result, seconds)
        except UsageError as error:
            refusals.append(error)
    if refusals:
        raise refusals[0]


def _check_images(run, spec):
    """Raise `UsageError` if this process sees other images in a folder than who asked for a run."""
    here = folders.digests(spec)
    differing = [name for name in here if here[name] != spec.get(name)]
    if differing:
        name = spec[differing[0].removesuffix("_digest")]
        raise UsageError(
            f"The folder has other images than when the command began, or than on the machine that "
            f"began it. Received: '{name}', {differing[0]} {here[differing[0]]} instead of "
            f"{spec.get(differing[0])}. Expected the same files: start the command again."
        )


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
def terminable():
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
        store: `experiments.engine.store.Store`.
        before: how many were finished before this command.

    Returns:
        A str of one line, and one more for each failed run and each other process at work; and
        the number of runs that failed, or that nobody is at.
    """
    states = store.states(specs)
    counts = Counter(state for state, _ in states)
    lines = [f"Runs: {len(specs)}, finished {counts['finished']} ({before} of them before)"]
    lines[0] += "".join(
        f", {word} {counts[state]}"
        for state, word in (("failed", "failed"), ("running", "elsewhere"), ("missing", "left"))
        if counts[state]
    )
    lines += [
        f"- failed: {_short(spec, specs)}: {error.splitlines()[0]}"
        for spec, (state, error) in zip(specs, states, strict=True)
        if state == "failed"
    ]
    workers = Counter(worker for state, worker in states if state == "running")
    lines += [
        f"- {number} run by {worker}; if that machine is gone, --take-over"
        for worker, number in workers.items()
    ]
    return "\n".join(lines), counts["failed"] + counts["missing"]


def _short(spec, specs):
    """What tells one run from the others, in a line."""
    names = [name for name in spec if any(other.get(name) != spec[name] for other in specs)]
    return ", ".join(f"{name}={spec[name]}" for name in names or spec)
