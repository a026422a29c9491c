"""A run that breaks off where `tests.killed.kill_run` kills its process, at a tenth of the cost."""

import keras
import pytest

from experiments.engine import catalogue
from experiments.engine.experiment import Context
from experiments.training import protocol


class BreakOff(keras.callbacks.Callback):
    def __init__(self, last):
        super().__init__()
        self._last = last

    def on_epoch_end(self, epoch, logs=None):
        if epoch == self._last:
            raise RuntimeError(f"broken off in epoch {epoch}")


def break_run(spec, folder, epoch):
    """Execute a run and break it off at the end of an epoch, before its backup.

    The rest is that of another network: one that broke off is forgotten.

    Args:
        spec: of the run.
        folder: of the backups, one after each epoch.
        epoch: the last one.
    """
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(protocol, "BACKUP_SECONDS", 0)
        with pytest.raises(RuntimeError, match=f"broken off in epoch {epoch}"):
            catalogue.run(spec).execute(Context(backups=folder, callbacks=(BreakOff(epoch),)))
    assert list(folder.iterdir())
