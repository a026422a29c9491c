"""Finished runs on disk: an interrupt loses none of them."""

import csv
import importlib.metadata
import io
import json
import os
import pathlib
import platform


class RunLog:
    """Collects the records of runs and keeps a JSON and a CSV file up to date.

    Each file is replaced as a whole (temporary file, then `os.replace`) after every run, so that
    it is complete and readable whenever the process dies.

    Args:
        summarize: from a list of records to the rows of the summary.
        header: dict that is written before the runs, such as the settings.
        json_files: paths, each gets the header, the runs and the summary.
        csv_file: path or None; holds the entries of a record that are not lists.

    Example:
        >>> log = RunLog(summarize, {"experiment": "synthetic_table1"}, ["table1.json"])
        >>> log.add({"method": "LW", "seed": 0, "test_accuracy": 0.73})
    """

    def __init__(self, summarize, header, json_files=(), csv_file=None):
        self.runs = []
        self._summarize = summarize
        self._header = {**header, "versions": _versions()}
        self._json_files, self._csv_file = json_files, csv_file

    def add(self, record):
        """Append one record and write the files."""
        self.runs.append(record)
        content = {**self._header, "runs": self.runs, "summary": self._summarize(self.runs)}
        for file in self._json_files:
            write_json(file, content)
        if self._csv_file:
            _replace(self._csv_file, _csv(self.runs))


def write_json(file, content):
    """Write JSON to a file, whole or not at all; missing folders are made."""
    _replace(file, json.dumps(content, indent=1) + "\n")


def _csv(runs):
    columns = [name for name, value in runs[0].items() if not isinstance(value, list)]
    text = io.StringIO()
    writer = csv.DictWriter(text, columns, extrasaction="ignore", lineterminator="\n")
    writer.writeheader()
    writer.writerows(runs)
    return text.getvalue()


def _replace(file, text):
    file = pathlib.Path(file)
    file.parent.mkdir(parents=True, exist_ok=True)
    temporary = file.with_name(file.name + ".part")
    temporary.write_text(text)
    os.replace(temporary, file)


def _versions():
    packages = {name: importlib.metadata.version(name) for name in ("keras", "tensorflow", "numpy")}
    return {"python": platform.python_version(), **packages}
