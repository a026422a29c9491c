"""What a training in rounds writes into every weights file, and how it goes on from there.

The state of a finished epoch is written from the moment that the epoch's metrics are known,
whatever the order of callbacks. So a training that is killed anywhere and resumed takes the same
decisions.
"""

import json
from dataclasses import replace

import h5py

from keras_reinit import keras_private
from keras_reinit.callbacks import optimizer_record
from keras_reinit.callbacks.round_state import RoundState


def identity(callback):
    """The callback and all its arguments, as a str: what a resumed training has to have again."""
    return f"{type(callback).__name__} {json.dumps(callback.get_config(), sort_keys=True)}"


def written(state, identity, is_complete, optimizers):
    """What goes into a file: (a dict for JSON, a list of arrays).

    Args:
        state: `RoundState`, or None before the first epoch.
        identity: of the callback.
        is_complete: whether the metrics of the epoch under way are known.
        optimizers: (what `optimizer_record.at_beginning` gave, what `built_for` gives).
    """
    if state is None:
        return {"complete": False}, []
    known = {"complete": is_complete, "method": identity, "optimizers": optimizers}
    return {**known, **state.as_meta()}, state.best_weights


def read(meta, arrays, identity, model, record, new_rates=None):
    """The `RoundState` that a file holds.

    Args:
        meta: the dict of the file.
        arrays: its list.
        identity: of the callback.
        model: the model in `fit`.
        record: what `optimizer_record.at_beginning` gave.
        new_rates: learning rates to go on with; None for those of the file, which have to be the
            same.

    Raises:
        ValueError: if it was written within an epoch, or by another training.
    """
    if not meta["complete"]:
        raise ValueError(
            "The backup was written before the epoch's metrics were known, and cannot be "
            "resumed exactly. Write one an epoch: `save_freq='epoch'`"
        )
    if meta["method"] != identity:
        raise ValueError(
            "The backup belongs to a training with another method or other arguments. "
            f"Received: {identity}. Expected: {meta['method']}. Use another directory, "
            "or the same arguments"
        )
    before, built = meta["optimizers"]
    optimizer_record.check_same(before, record, rates=new_rates is None)
    optimizer_record.check_built(model, built)
    state = RoundState.of_meta(meta, arrays)
    return state if new_rates is None else replace(state, learning_rate=new_rates)


def check_next(state, epoch):
    """Refuse weights that are not those after the epoch before this one."""
    if epoch != state.epoch + 1:
        raise ValueError(
            f"The weights are those after epoch {state.epoch}, but training goes on with "
            f"epoch {epoch}: the backup was written only in part (a kill inside the write), or "
            "in the middle of an epoch (`save_freq` other than 'epoch'). Training twice in "
            "silence would be wrong. Remove the backup and start again; "
            "keras_reinit.callbacks.Backup survives a kill inside its write"
        )


def check_not_resumed(initial_epoch, epoch, name):
    """Refuse a model that a backup without our state has brought to an epoch.

    Args:
        initial_epoch: that a backup told `fit` to go on with; None without one.
        epoch: the first one.
        name: of the callback.
    """
    if epoch and initial_epoch == epoch:
        raise ValueError(
            f"Training was resumed at epoch {epoch} from a backup without the state of "
            f"{name}. Start again, with the same callbacks from the beginning"
        )


def check_keras_backups(callbacks):
    """Refuse what a kill inside its write has left of a backup of Keras's own.

    Args:
        callbacks: each `keras.callbacks.BackupAndRestore` of the training that begins.

    Raises:
        ValueError: if one of its two files cannot be read.
    """
    for callback in callbacks:
        _check_whole(*keras_private.backup_files(callback))


def _check_whole(weights, metadata, can_fall_back):
    try:
        if weights.exists() and not can_fall_back:
            with h5py.File(weights, "r") as file:
                file.visititems(_read_through)
        if metadata.exists():
            int(json.loads(metadata.read_text())["epoch"])
    except (OSError, RuntimeError, KeyError, TypeError, ValueError) as error:
        raise ValueError(
            f"The backup of Keras's BackupAndRestore in '{weights.parent}' is torn: a kill inside "
            f"its write has left half a file, or it was damaged since ({error}). Nothing was "
            "loaded. Remove the directory and start again; keras_reinit.callbacks.Backup survives "
            "a kill inside its write"
        ) from error


def _read_through(_, item):
    if isinstance(item, h5py.Dataset):
        _ = item[()]
