"""Files that other programs read: whole, or as they were before."""

import contextlib
import csv
import functools
import importlib.metadata
import io
import json
import os
import pathlib
import platform

from experiments.engine.errors import UsageError


def write_json(file, content):
    """Write JSON to a file; missing folders are made.

    Args:
        file: path.
        content: JSON values.

    Raises:
        UsageError: if the file cannot be written; the old one is as it was.
    """
    write(file, json.dumps(content, indent=1) + "\n")


def write_csv(file, records):
    """Write records to a file, without those of their entries that are lists.

    Args:
        file: path.
        records: list of dicts; the first one's names are the columns.

    Raises:
        UsageError: if the file cannot be written; the old one is as it was.
    """
    columns = [name for name, value in records[0].items() if not isinstance(value, list)]
    text = io.StringIO()
    writer = csv.DictWriter(text, columns, extrasaction="ignore", lineterminator="\n")
    writer.writeheader()
    writer.writerows(records)
    write(file, text.getvalue())


@functools.cache
def versions():
    """What a run was made with: a dict {program: version}."""
    import keras_reinit

    distributions = importlib.metadata.packages_distributions()  # "tensorflow", "tensorflow_cpu"
    packages = {
        name: importlib.metadata.version(distributions[name][0])
        for name in ("keras", "tensorflow", "numpy")
    }
    return {
        "python": platform.python_version(),
        **packages,
        "keras_reinit": keras_reinit.__version__,
    }


def write(file, content):
    """Write text or bytes to a file; missing folders are made.

    Args:
        file: path.
        content: str or bytes.

    Raises:
        UsageError: if the file cannot be written; the old one is as it was.
    """
    file = pathlib.Path(file)
    if isinstance(content, str):  # a path in it may have bytes that are no UTF-8
        content = content.encode(errors="backslashreplace")
    temporary = file.with_name(file.name + ".part")
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        temporary.write_bytes(content)
        os.replace(temporary, file)
    except OSError as error:
        with contextlib.suppress(OSError):
            temporary.unlink(missing_ok=True)
        raise UsageError(
            f"The file cannot be written ({error.strerror}: {error.filename or temporary}). "
            f"Received: {file}. Expected a file in a folder that you may write to, on a disk with "
            "room."
        ) from error
