"""What a training in rounds writes into every weights file, and how it goes on from there.

The state of a finished epoch is written from the moment that the epoch's metrics are known,
whatever the order of callbacks. So a training that is killed anywhere and resumed takes the same
decisions.
"""

import json

from keras_reinit import keras_private
from keras_reinit.callbacks.round_state import RoundState


def identity(callback):
    """The callback and all its arguments, as a str: what a resumed training has to have again."""
    return f"{type(callback).__name__} {json.dumps(callback.get_config(), sort_keys=True)}"


def written(state, identity, is_complete):
    """What goes into a file: (a dict for JSON, a list of arrays)."""
    if state is None:
        return {"complete": False}, []
    return {"complete": is_complete, "method": identity, **state.as_meta()}, state.best_weights


def read(meta, arrays, identity):
    """The `RoundState` that a file holds.

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
    return RoundState.of_meta(meta, arrays)


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


def check_not_resumed(model, epoch, name):
    """Refuse a model that a backup without our state has brought to an epoch."""
    if epoch and keras_private.initial_epoch(model) == epoch:
        raise ValueError(
            f"Training was resumed at epoch {epoch} from a backup without the state of "
            f"{name}. Start again, with the same callbacks from the beginning"
        )
