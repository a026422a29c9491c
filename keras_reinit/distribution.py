"""Training on several devices or machines with `tf.distribute`.

What Keras cannot do there is worked around, or refused with the reason, in this file alone.
"""

import contextlib
import functools
import json
import os
import pathlib
import tempfile
import zlib
from typing import Any

import keras
import numpy as np

from keras_reinit.core import check_choice
from keras_reinit.keras_private import is_without_strategy, joins_by_collectives

__all__ = ["is_chief", "strategy"]


def strategy(kind, devices=None, address=None):
    """The strategy in whose scope a model is made and compiled; `fit` is called as ever.

    `global batch = the batch of fit = replicas * batch of a replica`

    "mirrored" copies the model to the devices of this machine. "multiworker" trains on several
    machines, each of which runs the same program with a `TF_CONFIG` of its own; its `fit` and
    `evaluate` are mended for Keras 3, where they fail with several workers. "tpu" trains on a TPU
    by the same code, which was never run on one.

    All workers need the same seeds, by `keras.utils.set_random_seed` too, or each shuffles and
    draws for itself. Replicas average their means, so that a batch which they do not share evenly,
    often the last, weighs its examples unequally. `BatchNormalization` keeps statistics for each
    replica unless `synchronized=True`.

    For checkpoints use `keras_reinit.callbacks.Backup` with a directory that all workers see: the
    first one writes, all read. Keras's callbacks do not know of workers and all write: give
    `ModelCheckpoint` a scratch directory on all but the first (`is_chief`), and `BackupAndRestore`
    a directory for each; a kill that leaves these with different epochs is then refused by methods.

    Args:
        kind: "mirrored", "multiworker" or "tpu".
        devices: of "mirrored", such as ["GPU:0", "GPU:1"]; None for all GPUs.
        address: of the TPU; None for that of the environment.

    Returns:
        A `tf.distribute.Strategy`.

    Raises:
        ValueError: if the kind is unknown, an argument belongs to another, or `TF_CONFIG` names no
            workers.
        RuntimeError: if the backend is not TensorFlow.

    Example:
        >>> with strategy("mirrored").scope():
        ...     model = build()
        ...     model.compile("adam", "mse")
        >>> model.fit(x, y, batch_size=256, callbacks=[method])
    """
    check_choice("kind", kind, ("mirrored", "multiworker", "tpu"))  # Keras has no others
    if devices is not None and kind != "mirrored":
        raise ValueError(f"`devices` is for 'mirrored'. Received: {kind=}, {devices=}")
    if address is not None and kind != "tpu":
        raise ValueError(f"`address` is for 'tpu'. Received: {kind=}, {address=}")
    if keras.backend.backend() != "tensorflow":
        raise RuntimeError(
            f"tf.distribute needs the TensorFlow backend. Received: {keras.backend.backend()}. "
            "Expected KERAS_BACKEND=tensorflow, or keras.distribution for JAX"
        )
    return {"mirrored": _mirrored, "multiworker": _multiworker, "tpu": _tpu}[kind](
        devices if kind == "mirrored" else address
    )


def is_chief():
    """Whether this process is the one that writes files: the first worker, or the only one.

    Returns:
        A bool, from `TF_CONFIG`; on JAX, from the process's index.

    Example:
        >>> folder = "checkpoints" if is_chief() else tempfile.mkdtemp()
    """
    if keras.backend.backend() == "jax":
        import jax

        return jax.process_index() == 0
    config = json.loads(os.environ.get("TF_CONFIG") or "{}")
    task = config.get("task", {})
    first = "chief" if config.get("cluster", {}).get("chief") else "worker"
    return not task or (task.get("type"), int(task.get("index", 0))) == (first, 0)


def _mirrored(devices):
    import tensorflow as tf

    if devices is None:
        devices = [f"GPU:{i}" for i in range(len(tf.config.list_logical_devices("GPU")))]
    devices = devices or ["CPU:0"]
    # On CPUs the default is a collective, which a second strategy in the process breaks.
    on_gpu = all("GPU" in device.upper() for device in devices)
    joined_by = None if on_gpu else tf.distribute.ReductionToOneDevice()
    return _mended("MirroredStrategy")(devices, joined_by)


def _multiworker(_):
    config = json.loads(os.environ.get("TF_CONFIG") or "{}")
    if not (config.get("cluster", {}).get("worker") and config.get("task")):
        raise ValueError(
            "Without TF_CONFIG each process would train alone, in silence. Received: TF_CONFIG="
            f"{os.environ.get('TF_CONFIG')}. Expected in the environment of the first of two "
            'workers, and with "index": 1 in that of the second: {"cluster": {"worker": '
            '["host1:12345", "host2:12345"]}, "task": {"type": "worker", "index": 0}}'
        )
    return _mended("MultiWorkerMirroredStrategy")()


def _tpu(address):
    import tensorflow as tf

    resolver = tf.distribute.cluster_resolver.TPUClusterResolver(address or "")
    tf.config.experimental_connect_to_cluster(resolver)
    tf.tpu.experimental.initialize_tpu_system(resolver)
    return tf.distribute.TPUStrategy(resolver)


@functools.cache
def _mended(name):
    import tensorflow as tf

    base: Any = getattr(tf.distribute, name)

    class Mended(base):
        """Takes what Keras 3.15 gives to `reduce`, where TensorFlow's own raises.

        Keras asks for the mean over replicas in two places: of a batch or a part of one, of which
        it wants nothing but shapes (`_maybe_symbolic_build`), which replicas do not have in common
        where they share a batch unevenly; and of each metric, a scalar, over axis 0
        (`reduce_per_replica`). No name of Keras is replaced, and a Keras that asks as TensorFlow
        wants it gets what TensorFlow gives: so there is no version to look at.
        """

        def reduce(self, reduce_op, value, axis):
            if isinstance(value, tuple | list | dict):
                return keras.tree.map_structure(self._first, value)
            if axis == 0 and self._first(value).shape.rank == 0:
                axis = None
            return super().reduce(reduce_op, value, axis)

        def _first(self, value):
            return self.experimental_local_results(value)[0]

    return Mended


# What the callbacks ask.


def worker_count(model):
    """The number of processes that train a model together."""
    if keras.backend.backend() == "jax":
        import jax

        return jax.process_count()
    return _tasks(model)[0]


def writes(model):
    """Whether this process is the one that writes a model's files."""
    if keras.backend.backend() == "jax":
        return is_chief()
    return _tasks(model)[1] == 0


def _tasks(model):
    """The number of workers, and this one's, from 0."""
    strategy = getattr(model, "distribute_strategy", None)
    if strategy is None:
        return 1, 0
    import tensorflow as tf

    resolver = strategy.cluster_resolver
    if resolver is None or not isinstance(strategy, tf.distribute.MultiWorkerMirroredStrategy):
        return 1, 0
    cluster = resolver.cluster_spec().as_dict()
    chiefs, workers = len(cluster.get("chief", ())), len(cluster.get("worker", ()))
    index = (resolver.task_id or 0) + (chiefs if resolver.task_type == "worker" else 0)
    return max(chiefs + workers, 1), index


def from_workers(model, number):
    """The int that each worker gives: an array. All workers have to call this together."""
    count, index = _tasks(model)
    if count == 1:
        return np.array([number], "int64")
    import tensorflow as tf

    strategy = model.distribute_strategy
    own = np.zeros(count, "int64")
    own[index] = number
    values = strategy.experimental_distribute_values_from_function(lambda _: tf.constant(own))
    total = np.array(strategy.reduce(tf.distribute.ReduceOp.SUM, values, axis=None))
    return total * count // strategy.num_replicas_in_sync


def check_workers_agree(model, what, number, remedy):
    """Raise on all workers if they do not give the same int.

    Args:
        model: the model in `fit`.
        what: name of what is compared, for the error.
        number: int of this worker.
        remedy: the error's last sentence.
    """
    numbers = from_workers(model, number)
    if len(set(numbers.tolist())) > 1:
        raise ValueError(
            f"The workers do not agree. Received: {what}={numbers.tolist()} on workers 0 to "
            f"{len(numbers) - 1}. {remedy}"
        )


def save_weights(model, path):
    """Write a model's weights on the first worker. All workers have to call this together.

    To read some variables takes every worker, so that the others go through the same motions, on a
    file of their own that is gone when this returns.

    Args:
        model: `keras.Model`.
        path: `pathlib.Path` of the file, the folder of which is made.
    """
    with contextlib.ExitStack() as stack:
        if not writes(model):
            path = pathlib.Path(stack.enter_context(tempfile.TemporaryDirectory()), path.name)
        path.parent.mkdir(parents=True, exist_ok=True)
        model.save_weights(path, overwrite=True)


def digest(variables):
    """An int that tells the values of variables apart: their CRC-32."""
    code = 0
    for variable in variables:
        code = zlib.crc32(keras.ops.convert_to_numpy(variable).tobytes(), code)
    return code


def check_replicas(model):
    """Raise if a model cannot be trained on the replicas that it has.

    Args:
        model: a compiled `keras.Model`.

    Raises:
        ValueError: with the reason, where TensorFlow's message would say neither this nor the way
            out.
    """
    if keras.backend.backend() != "tensorflow":
        return
    import tensorflow as tf

    strategy = model.distribute_strategy
    if tf.distribute.has_strategy() and is_without_strategy(model):
        raise ValueError(
            f"Model '{model.name}' was made outside the strategy's scope: its weights are on one "
            "device. Make and compile it inside `with strategy.scope():`"
        )
    replicas = strategy.num_replicas_in_sync
    if replicas == 1:
        return
    optimizer = getattr(model.optimizer, "inner_optimizer", model.optimizer)
    averaged = getattr(optimizer, "use_ema", False) and optimizer.ema_overwrite_frequency
    several = model.steps_per_execution > 1 and joins_by_collectives(strategy)
    for received, reason, remedy in (
        (
            several and f"steps_per_execution={model.steps_per_execution}",
            "it loops over steps, where collectives cannot be",
            "Compile with steps_per_execution=1, or on one machine use tf.distribute."
            "MirroredStrategy(cross_device_ops=tf.distribute.ReductionToOneDevice())",
        ),
        (
            model.jit_compile and "jit_compile=True",
            "XLA compiles one program for one device",
            "Compile with jit_compile=False",
        ),
        (
            getattr(optimizer, "gradient_accumulation_steps", None)
            and f"gradient_accumulation_steps={optimizer.gradient_accumulation_steps}",
            "the optimizer then decides inside a condition, where replicas cannot be joined",
            "Use a larger batch_size: it is split over the replicas",
        ),
        (
            averaged and f"ema_overwrite_frequency={averaged}",
            "the optimizer then overwrites inside a condition, where replicas cannot be joined",
            "Use ema_overwrite_frequency=None (weights are averaged when training ends) or "
            "keras.callbacks.SwapEMAWeights",
        ),
    ):
        if received:
            raise ValueError(
                f"Keras cannot train this on {replicas} replicas: {reason}. Received: {received}. "
                f"{remedy}"
            )
