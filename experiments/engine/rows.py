"""The rows of a store: what they are called, and whether they are as they were written."""

import hashlib
import json
import math
import zlib

TABLES = {
    "runs": (
        "spec", "status", "result", "error", "seconds", "started", "ended", "host", "pid", "born",
        "versions",
    ),
    "requests": ("experiment", "settings", "asked"),
    "checksums": ("name", "checksum"),
}  # fmt: skip
_TEXTS = ("started", "host", "born", "versions")
_LARGEST_PID = 2**31


def key(spec):
    """The name of a run in the store: its canonical JSON."""
    return json.dumps(spec, sort_keys=True, separators=(",", ":"), allow_nan=False)


def digest(spec):
    """The name of a run's backup: a short text that tells it from all others."""
    return hashlib.sha256(key(spec).encode()).hexdigest()[:16]


def checksum(*values):
    """A short text that differs where one of some texts or numbers does."""
    return f"{zlib.crc32(json.dumps(values).encode()):08x}"


def seal(row):
    """The checksum of a finished run: a dict with "spec", "result" and "seconds"."""
    return checksum(row["spec"], row["result"], float(row["seconds"]))


def mended(row, seals):
    """The finished row that a checksum says a damaged one was, or None.

    Only its spec, its status or the checksum may be damaged: a result is as it was, or lost.

    Args:
        row: as `fault` takes it.
        seals: list of (spec, checksum).
    """
    for name, seal_of_it in seals:
        each = row | {"spec": name, "status": "finished", "checksum": seal_of_it}
        if fault(each) is None:
            return each
        bare = each | {"checksum": None}
        if name == row["spec"] and fault(bare) is None and _differ_in_one(seal(bare), seal_of_it):
            return each | {"checksum": seal(bare)}
    return None


def fault(row):
    """What is wrong with a row of `runs`, in words, or None.

    Args:
        row: dict of its columns and "checksum"; None for one of an old store.
    """
    if _parsed(row["spec"], canonical=True) is None:
        return "its spec is not one that was written"
    if row["status"] == "finished":
        return _fault_of_result(row)
    for name in _TEXTS:
        if not isinstance(row[name], str):
            return f"its {name} is no text"
    if row["status"] == "failed":
        texts = all(isinstance(row[name], str) for name in ("error", "ended"))
        return None if texts else "it failed, and its error or its end is no text"
    if row["status"] != "running":
        return f"its status is {row['status']!r}"
    if not (isinstance(row["pid"], int) and 0 < row["pid"] < _LARGEST_PID):
        return f"its process has the number {row['pid']!r}"
    return None if _is_number(row["born"] or "0") else "its process was born at no time"


def _fault_of_result(row):
    if not isinstance(row["result"], str):
        return "its result is no text"
    if not isinstance(row["seconds"], int | float) or not math.isfinite(row["seconds"]):
        return "its seconds are no number"
    if row["checksum"] is not None:
        return None if row["checksum"] == seal(row) else "its checksum is that of another result"
    return "its result is not JSON" if _parsed(row["result"]) is None else None


def request_fault(row):
    """What is wrong with a row of `requests`, in words, or None; as `fault`."""
    if not (isinstance(row["experiment"], str) and isinstance(row["asked"], str)):
        return "its experiment or its time is no text"
    if _parsed(row["settings"]) is None:
        return "its settings are not JSON"
    if row["checksum"] not in (None, checksum(row["experiment"], row["settings"])):
        return "its checksum is that of other settings"
    return None


def _differ_in_one(text, other):
    """As no two checksums of different results do, but for one in many millions."""
    return len(text) == len(other) and sum(a != b for a, b in zip(text, other, strict=True)) == 1


def _parsed(text, canonical=False):
    """The dict that a text is the JSON of, or None."""
    try:
        found = json.loads(text)
        return found if isinstance(found, dict) and not (canonical and key(found) != text) else None
    except (TypeError, ValueError, RecursionError):
        return None


def _is_number(text):
    try:
        return math.isfinite(float(text))
    except ValueError:
        return False
