"""The course of a training that has several stages."""

import json

import keras


class Curves(keras.callbacks.Callback):
    """Training and held-out accuracy after every epoch, over a kill and a resumption too.

    Args:
        stages: list of the stages that are over, which grows.
        folder: of the backups, or None. What an earlier process left there is read.
    """

    def __init__(self, stages, folder):
        super().__init__()
        self._stages = stages
        self._file = None if folder is None else folder / "curves.jsonl"
        self._entries = {}
        if self._file is not None and self._file.exists():
            lines = self._file.read_text().split("\n")
            for entry in (json.loads(line) for line in lines if line.endswith("]")):
                self._entries[tuple(entry[:2])] = entry[2:]

    def on_epoch_end(self, epoch, logs=None):
        place = len(self._stages), epoch
        self._entries[place] = [round(logs[name], 5) for name in ("accuracy", "val_accuracy")]
        if self._file is not None:
            self._file.parent.mkdir(parents=True, exist_ok=True)
            with open(self._file, "a") as file:  # a torn line before this one stays alone
                file.write("\n" + json.dumps([*place, *self._entries[place]]))

    def columns(self):
        """One list of epochs for each stage: "train_curves" and "accuracy_curves"."""
        courses = [[] for _ in self._stages]
        for (stage, _), entry in sorted(self._entries.items()):
            courses[stage].append(entry)
        return {
            "train_curves": [[train for train, _ in course] for course in courses],
            "accuracy_curves": [[measured for _, measured in course] for course in courses],
        }
