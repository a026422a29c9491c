"""What is written down in the course of a training, for the process that goes on after a kill."""

import json
import os

from experiments.engine.errors import BackupLost


class Lines:
    """A file with one line an entry, each on the disk before the method returns.

    So it is there before any backup that is written later, after a power cut too. A line that a
    kill has torn, or that was damaged, counts for nothing.

    Args:
        file: path, or None to write nothing down.
        kinds: the types of what a line holds: first the ints that tell it from the others, such as
            its epoch, then its values, such as `(int, dict)`.
        depth: how many these ints are.
    """

    def __init__(self, file, kinds, depth=1):
        self._file, self._kinds, self._depth = file, kinds, depth

    def read(self):
        """What was written: a dict {place: values}, tuples; of two of one place the later."""
        if self._file is None or not self._file.exists():
            return {}
        found = map(self._parsed, self._file.read_text(errors="replace").split("\n"))
        return {line[: self._depth]: line[self._depth :] for line in found if line}

    def write(self, *line):
        """Add a line: its place and its values."""
        if self._file is None:
            return
        self._file.parent.mkdir(parents=True, exist_ok=True)
        with open(self._file, "a") as file:
            file.write("\n" + json.dumps(line))  # a torn line before it stays alone
            file.flush()
            os.fsync(file.fileno())

    def check(self, places, found):
        """Raise `BackupLost` if the line of a place is missing from what was read."""
        missing = [place for place in places if place not in found]
        if missing:
            raise BackupLost(
                "the journal lacks epochs that are in the backup. Received: "
                f"{self._file}, without {missing[0][-1]}. Expected one line an epoch; a power cut "
                "may cost the last ones."
            )

    def _parsed(self, text):
        """A line as a tuple, or None if it is not whole."""
        try:
            line = json.loads(text)
        except (ValueError, RecursionError):
            return None
        whole = isinstance(line, list) and len(line) == len(self._kinds)
        return tuple(line) if whole and all(map(isinstance, line, self._kinds)) else None
