"""A backup of a training that survives a kill at any moment, its own write included."""

import contextlib
import itertools
import logging
import pathlib
import time
from typing import Any

import keras

from keras_reinit import distribution
from keras_reinit.callbacks import optimizer_record, sealed
from keras_reinit.callbacks.carried import BACKUP, StateInWeights
from keras_reinit.callbacks.order import check_alone
from keras_reinit.core import check_bool, check_number
from keras_reinit.keras_private import set_initial_epoch
from keras_reinit.weights.model_optimizers import (
    learning_rates_of,
    optimizers,
    set_learning_rates,
)

logger = logging.getLogger(__name__)


@keras.saving.register_keras_serializable(package="keras_reinit")
class Backup(keras.callbacks.Callback):
    """Write the whole training after an epoch, atomically, and go on from it after a kill.

    As `keras.callbacks.BackupAndRestore`, with these differences: weights, all optimizers of the
    model, the positions of seed generators and the epoch are *one* file, written beside the old one
    and then moved over it, so that a kill inside the write leaves the old; a checksum tells a file
    of which a byte has changed; a backup of another architecture, optimizer or learning rate is
    refused with the reason; and the model can be trained again after a resumed training, also after
    one that broke off.

    With several workers the first one alone writes the file, and all read it.

    Args:
        backup_dir: directory for the file, for this training alone, which all workers see.
        delete_checkpoint: remove the backup at the end of training.
        interval: seconds that pass at least between two backups, for short epochs; 0 for a backup
            after every epoch. What is trained since the last one is trained again after a kill.
        new_learning_rate: go on with the learning rate (or schedule) that the model is compiled
            with where the backup has another one, which is refused otherwise.

    Raises:
        ValueError: if an argument is out of its range. In `fit`: if the model is not built, the
            backup there is damaged or that of another architecture, optimizer or learning rate, or
            workers see different ones.

    Example:
        >>> # The same command again after a kill goes on where it was.
        >>> model.fit(x, y, epochs=100, callbacks=[Backup("run7"), method])
    """

    def __init__(self, backup_dir, delete_checkpoint=True, interval=0.0, new_learning_rate=False):
        super().__init__()
        if not isinstance(backup_dir, str | pathlib.Path) or not str(backup_dir):
            raise ValueError(f"A backup needs a directory. Received: backup_dir={backup_dir!r}")
        self.backup_dir = str(backup_dir)
        self.delete_checkpoint = check_bool("delete_checkpoint", delete_checkpoint)
        self.interval = check_number("interval", interval)
        self.new_learning_rate = check_bool("new_learning_rate", new_learning_rate)
        self._file = pathlib.Path(self.backup_dir, "latest.weights.h5")

    @property
    def next_epoch(self):
        """The epoch, from 0, that a training which starts now goes on with.

        For an input pipeline whose batches depend on the epoch: build it from this epoch on.
        """
        return sealed.read_facts(self._file)["epoch"] + 1 if self._file.exists() else 0

    def get_config(self):
        return {
            "backup_dir": self.backup_dir,
            "delete_checkpoint": self.delete_checkpoint,
            "interval": self.interval,
            "new_learning_rate": self.new_learning_rate,
        }

    def set_model(self, model):
        super().set_model(model)
        self._epoch = -1  # the last one that is over
        self._record: Any = optimizer_record.at_beginning(model, anew=self.new_learning_rate)
        self._holder = StateInWeights(self._write, self._read)
        self._holder.attach(model, BACKUP)

    def on_train_begin(self, logs=None):
        if not self.model.built:
            raise ValueError(
                f"Model '{self.model.name}' has no weights yet to restore. Build it before `fit`"
            )
        check_alone(self, lambda other: getattr(other, "backup_dir", None) == self.backup_dir)
        distribution.check_workers_agree(
            self.model,
            "next epoch",
            self.next_epoch,
            f"Give all a `backup_dir` that all see. Here it is '{self.backup_dir}'",
        )
        if self._file.exists():
            self._resume(sealed.read_facts(self._file))
        self._holder.listening = False
        self._written = time.monotonic()

    def _resume(self, facts):
        self._check_architecture(facts["architecture"])
        optimizer_record.check_same(facts["optimizers"], self._record, not self.new_learning_rate)
        optimizer_record.build(self.model, facts["built"])
        if self.new_learning_rate:
            self._holder.new_rates = learning_rates_of(optimizers(self.model))
        self.model.load_weights(self._file)
        if self.new_learning_rate:
            set_learning_rates(optimizers(self.model), self._holder.new_rates)
        set_initial_epoch(self.model, self._epoch + 1)

    def on_epoch_begin(self, epoch, logs=None):
        set_initial_epoch(self.model, None)  # `fit` knows it by now, and the next one must not

    def on_epoch_end(self, epoch, logs=None):
        self._epoch = epoch
        due = time.monotonic() - self._written >= self.interval
        if self.interval and not distribution.from_workers(self.model, due)[0]:
            return
        facts = {
            "epoch": epoch,
            "architecture": self._architecture(),
            "optimizers": self._record,
            "built": optimizer_record.built_for(self.model),
        }
        sealed.write(self.model, self._file, facts)
        self._written = time.monotonic()

    def on_train_end(self, logs=None):
        set_initial_epoch(self.model, None)
        optimizer_record.forget(self.model)
        self._holder.detach(self.model, BACKUP)
        if self.delete_checkpoint and distribution.writes(self.model):
            self._remove()

    def _remove(self):
        """Remove the backup, and its directory where it is empty and can be removed."""
        try:
            sealed.remove(self._file)
        except OSError as error:
            logger.warning(
                "The training is finished, and its backup cannot be removed (%s): a next one with "
                "this directory would find it, and end at once. Remove '%s'",
                error,
                self._file,
            )
            return
        with contextlib.suppress(OSError):  # a mount point, or a directory with other files
            self._file.parent.rmdir()

    def _write(self):
        return {"epoch": self._epoch}, []

    def _read(self, meta, arrays):
        self._epoch = meta["epoch"]

    def _architecture(self):
        return [f"{tuple(v.shape)} {v.dtype}" for v in self.model.weights]

    def _check_architecture(self, saved):
        own = self._architecture()
        pairs = itertools.zip_longest(saved, own, fillvalue="nothing")
        first = next(((s, o) for s, o in pairs if s != o), None)
        if first is not None:
            raise ValueError(
                f"The backup in '{self.backup_dir}' is that of another architecture, with "
                f"{len(saved)} weights and not {len(own)}. First difference: {first[0]} in the "
                f"backup, {first[1]} in model '{self.model.name}'. Use another directory, or "
                "remove this one"
            )
