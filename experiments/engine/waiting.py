"""Results that a store could not take when their runs ended: one file each, beside the store."""

import contextlib
import glob
import json

from experiments.engine import files, rows


def leave(path, values):
    """Write a result beside a store.

    Args:
        path: of the store.
        values: dict, the row of the finished run.

    Returns:
        The path of the file.

    Raises:
        UsageError: if it cannot be written either.
    """
    name = f"{path.name}-waiting-{rows.checksum(values['spec'])}.json"
    file = path.with_name(name)
    files.write_json(file, values | {"checksum": rows.seal(values)})
    return file


def take_in(path, keep):
    """Give a store what waits beside it; what it cannot take, or is not whole, goes on waiting.

    Args:
        path: of the store.
        keep: function of the row of a finished run.
    """
    for file in sorted(path.parent.glob(f"{glob.escape(path.name)}-waiting-*.json")):
        with contextlib.suppress(OSError, ValueError, KeyError, TypeError):
            values = json.loads(file.read_text())
            if rows.fault(values | {"status": "finished"}) is None:
                keep({name: values[name] for name in values if name != "checksum"})
                file.unlink()
