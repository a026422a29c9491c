"""The course of a training that has several stages."""

import keras

from experiments.training.lines import Lines

_KINDS = (int, int, float, float)  # stage, epoch, training and held-out accuracy


class Curves(keras.callbacks.Callback):
    """Training and held-out accuracy after every epoch, over a kill and a resumption too.

    Args:
        stages: list of the stages that are over, which grows.
        folder: of the backups, or None. What an earlier process left there is read.
    """

    def __init__(self, stages, folder):
        super().__init__()
        self._stages = stages
        self._lines = Lines(folder and folder / "curves.jsonl", _KINDS, depth=2)
        self._entries = self._lines.read()

    def on_epoch_end(self, epoch, logs=None):
        place = len(self._stages), epoch
        self._entries[place] = [
            round(float(logs[name]), 5) for name in ("accuracy", "val_accuracy")
        ]
        self._lines.write(*place, *self._entries[place])

    def check(self, epochs, stage=0):
        """Raise `BackupLost` if one of the first epochs of a stage is missing."""
        self._lines.check([(stage, epoch) for epoch in range(epochs)], self._entries)

    def columns(self):
        """One list of epochs for each stage: "train_curves" and "accuracy_curves"."""
        courses = [[] for _ in self._stages]
        for (stage, _), entry in sorted(self._entries.items()):
            courses[stage].append(entry)
        return {
            "train_curves": [[train for train, _ in course] for course in courses],
            "accuracy_curves": [[measured for _, measured in course] for course in courses],
        }
