"""That all workers of a training do the same."""

import zlib

from keras_reinit import distribution


def check_seed(model, seed):
    """Refuse several workers without a seed that all have."""
    if seed is None and distribution.worker_count(model) > 1:
        raise ValueError(
            "With several workers each would draw a seed of its own and their weights would "
            "drift apart. Received: seed=None. Expected an int"
        )


def check_beginning(model, identity, epoch):
    """That all workers begin the same training, from the same epoch and weights.

    Args:
        model: the model in `fit`.
        identity: str, of the method and its arguments.
        epoch: int, the first one.
    """
    if distribution.worker_count(model) == 1:
        return
    distribution.check_workers_agree(
        model,
        "method's CRC",
        zlib.crc32(identity.encode()),
        f"Give all the same method, seed and other arguments included: here {identity}",
    )
    distribution.check_workers_agree(
        model,
        "epoch",
        epoch,
        "Each was resumed from a backup of its own: give all one directory that all see, with "
        "keras_reinit.callbacks.Backup, of which the first worker writes the file",
    )
    check_weights(model)


def check_weights(model):
    """That all workers have the same weights, bit for bit."""
    if distribution.worker_count(model) > 1:
        distribution.check_workers_agree(
            model,
            "weights' CRC",
            distribution.digest(model.trainable_variables),
            "A callback on one of them must have changed weights in its own way, by a random "
            "state of its own, say: seed all alike",
        )
