"""Which process has begun a run, and whether it may be at it still."""

import os
import platform

import psutil

_CLOCK = 5  # seconds by which the system's clock may be set, and a process seem to start later


def identity():
    """What tells this process from all others: the columns "host", "pid" and "born" of a row."""
    return {"host": platform.node(), "pid": os.getpid(), "born": _born(os.getpid())}


def alive(row, own, take_over=False):
    """Whether the process that began a run may be at it still.

    Args:
        row: of the run.
        own: the identity of this process.
        take_over: take those of other machines, of which nobody here can know, for dead.
    """
    if row["host"] != own["host"]:
        return not take_over
    born = _born(row["pid"])
    return born is not None and abs(born - float(row["born"] or 0)) < _CLOCK


def _born(pid):
    """When a process started, in seconds, which tells it from a later one of the same number.

    None where it is no more.
    """
    try:
        process = psutil.Process(pid)
        return None if process.status() == psutil.STATUS_ZOMBIE else process.create_time()
    except psutil.NoSuchProcess:
        return None
