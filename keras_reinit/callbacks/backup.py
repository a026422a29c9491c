"""A backup of a training that survives a kill at any moment, its own write included."""

import os
import pathlib
import time

import h5py
import keras

from keras_reinit import distribution
from keras_reinit.callbacks.carried import StateInWeights
from keras_reinit.keras_private import set_initial_epoch

_ATTRIBUTE = "_keras_reinit_backup"


@keras.saving.register_keras_serializable(package="keras_reinit")
class Backup(keras.callbacks.Callback):
    """Write the whole training after an epoch, atomically, and go on from it after a kill.

    As `keras.callbacks.BackupAndRestore`, with three differences: weights, optimizer, the positions
    of seed generators and the epoch are *one* file, written beside the old one and then moved over
    it, so that a kill inside the write leaves the old; a backup of another architecture is refused
    with the reason; and the model can be trained again after a resumed training.

    With several workers the first one alone writes the file, and all read it.

    Args:
        backup_dir: directory for the file, for this training alone, which all workers see.
        delete_checkpoint: remove the backup at the end of training.
        interval: seconds that pass at least between two backups, for short epochs; 0 for a backup
            after every epoch. What is trained since the last one is trained again after a kill.

    Raises:
        ValueError: if `backup_dir` is empty or `interval` negative. In `fit`: if the model is not
            built, the backup there is that of another architecture, or workers see different ones.

    Example:
        >>> # The same command again after a kill goes on where it was.
        >>> model.fit(x, y, epochs=100, callbacks=[Backup("run7"), method])
    """

    def __init__(self, backup_dir, delete_checkpoint=True, interval=0.0):
        super().__init__()
        if not backup_dir:
            raise ValueError(f"A backup needs a directory. Received: backup_dir={backup_dir!r}")
        if not interval >= 0:
            raise ValueError(f"`interval` is at least 0 seconds. Received: interval={interval!r}")
        self.backup_dir = str(backup_dir)
        self.delete_checkpoint = delete_checkpoint
        self.interval = interval
        self._file = pathlib.Path(self.backup_dir, "latest.weights.h5")
        self._unfinished = pathlib.Path(self.backup_dir, "unfinished.weights.h5")

    @property
    def next_epoch(self):
        """The epoch, from 0, that a training which starts now goes on with.

        For an input pipeline whose batches depend on the epoch: build it from this epoch on.
        """
        if not self._file.exists():
            return 0
        with h5py.File(self._file, "r") as file:
            return int(file.attrs["epoch"]) + 1

    def get_config(self):
        return {
            "backup_dir": self.backup_dir,
            "delete_checkpoint": self.delete_checkpoint,
            "interval": self.interval,
        }

    def set_model(self, model):
        super().set_model(model)
        self._epoch = -1  # the last one that is over
        self._holder = StateInWeights(self._write, self._read)
        self._holder.attach(model, _ATTRIBUTE)

    def on_train_begin(self, logs=None):
        if not self.model.built:
            raise ValueError(
                f"Model '{self.model.name}' has no weights yet to restore. Build it before `fit`"
            )
        distribution.check_workers_agree(
            self.model,
            "next epoch",
            self.next_epoch,
            f"Give all a `backup_dir` that all see. Here it is '{self.backup_dir}'",
        )
        if self._file.exists():
            if self.model.optimizer is not None and not self.model.optimizer.built:
                self.model.optimizer.build(self.model.trainable_variables)
            self._check_architecture()
            self.model.load_weights(self._file)
            set_initial_epoch(self.model, self._epoch + 1)
        self._holder.listening = False
        self._written = time.monotonic()

    def on_epoch_begin(self, epoch, logs=None):
        set_initial_epoch(self.model, None)  # `fit` has read it; one that breaks off would keep it

    def on_epoch_end(self, epoch, logs=None):
        self._epoch = epoch
        due = time.monotonic() - self._written >= self.interval
        if self.interval and not distribution.from_workers(self.model, due)[0]:
            return
        distribution.save_weights(self.model, self._unfinished)
        if distribution.writes(self.model):
            with h5py.File(self._unfinished, "a") as file:
                file.attrs["architecture"] = self._architecture()
                file.attrs["epoch"] = epoch
            with open(self._unfinished, "rb") as file:
                os.fsync(file.fileno())
            os.replace(self._unfinished, self._file)
        self._written = time.monotonic()

    def on_train_end(self, logs=None):
        set_initial_epoch(self.model, None)
        self._holder.detach(self.model, _ATTRIBUTE)
        if self.delete_checkpoint and distribution.writes(self.model):
            self._file.unlink(missing_ok=True)
            self._unfinished.unlink(missing_ok=True)
            if self._file.parent.exists() and not any(self._file.parent.iterdir()):
                self._file.parent.rmdir()

    def _write(self):
        return {"epoch": self._epoch}, []

    def _read(self, meta, arrays):
        self._epoch = meta["epoch"]

    def _architecture(self):
        return "\n".join(f"{tuple(v.shape)} {v.dtype}" for v in self.model.weights)

    def _check_architecture(self):
        with h5py.File(self._file, "r") as file:
            saved = file.attrs.get("architecture", "")
        own = self._architecture()
        if saved != own:
            pairs = zip((saved + "\n" * own.count("\n")).split("\n"), own.split("\n"), strict=False)
            first = next(((s, o) for s, o in pairs if s != o), ("more weights", "none"))
            raise ValueError(
                f"The backup in '{self.backup_dir}' is that of another architecture. First "
                f"difference: {first[0] or 'nothing'} in the backup, {first[1]} in model "
                f"'{self.model.name}'. Use another directory, or remove this one"
            )
