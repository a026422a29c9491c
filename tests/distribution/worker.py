"""One worker of two, or of one: run as a process of its own by `test_workers`, or imported.

Arguments: folder, what to do, joined by commas. `TF_CONFIG` tells which worker it is.
"""

import contextlib
import json
import os
import pathlib
import signal
import sys

import keras
import numpy as np
import tensorflow as tf

import keras_reinit as kr
from keras_reinit.training import SelfDistillation, ShrinkPerturb, WarmStart
from tests.settings import SETTINGS

SEED = 5


def network(blocks=False, distilled=False, **options):
    """A network whose replicas together compute what one does."""
    keras.utils.set_random_seed(1)
    model = kr.backbones.mlp((6,), classes=3, hidden=(8, 8, 8))
    model = kr.ReinitModel(model) if blocks else model
    model = SelfDistillation(model) if distilled else model
    model.compile(
        keras.optimizers.SGD(0.05, momentum=0.9),
        keras.losses.SparseCategoricalCrossentropy(from_logits=True),
        metrics=["accuracy"],
        run_eagerly=not tf.distribute.has_strategy(),  # for so few steps faster than to trace one
        **options,
    )
    return model


def data():
    rng = np.random.default_rng(0)
    y = np.arange(96, dtype="int32") % 3
    x = rng.normal(size=(96, 6)).astype("float32")
    x[:, :3] += 2 * np.eye(3, dtype="float32")[y]
    return x, y


def weights(model):
    """All state of a model, which is the same on all replicas of this process: arrays."""
    arrays = []
    for variable in [*model.weights, *model.optimizer.variables]:
        first, *others = model.distribute_strategy.experimental_local_results(variable.value)
        arrays.append(first.numpy())
        for other in others:
            np.testing.assert_array_equal(arrays[-1], other.numpy())
    return arrays


class Watch(keras.callbacks.Callback):
    """Keeps all state as it is when an epoch begins, after the method."""

    def __init__(self):
        super().__init__()
        self.begun = {}

    def on_epoch_begin(self, epoch, logs=None):
        for i, value in enumerate(weights(self.model)):
            self.begun[f"epoch{epoch}_{i}"] = value


class Death(keras.callbacks.Callback):
    """Kills the process, as `kill -9` does, in an epoch."""

    def __init__(self, epoch):
        super().__init__()
        self.epoch, self._now = epoch, None

    def on_epoch_begin(self, epoch, logs=None):
        self._now = epoch

    def on_train_batch_begin(self, batch, logs=None):
        if self._now == self.epoch and batch == 1:
            os.kill(os.getpid(), signal.SIGKILL)


def fit(letters, *callbacks, distilled=False, epochs=9, **options):
    """Train by a method; returns the model, its weights round by round, and its history.

    Layer by layer, with validation and best weights.
    """
    x, y = data()
    validated = letters == "LW"
    rule = kr.rounds.Fixed(1)
    if validated:
        rule = kr.rounds.Converged("val_loss", patience=1, max_epochs=2)
    arguments = {"sample": x[:16]} if letters == "LW" else {"rounds": 3}
    method = kr.callbacks.get(letters)(until=rule, seed=SEED, **arguments)
    model = network(letters == "LW", distilled, **options)
    watch = Watch()
    history = model.fit(
        x,
        y,
        batch_size=32,
        epochs=epochs,
        shuffle=False,
        verbose=0,
        validation_data=(x, y) if validated else None,
        callbacks=[*callbacks, method, watch],
    ).history
    return model, watch.begun, history


def backup(folder):
    """The callback, in a directory that all workers share."""
    return kr.callbacks.Backup(folder / "backup", interval=1e-9)  # a decision of the first worker


def method(letters):
    def run(folder):
        return fit(letters)

    return run


def distilled(folder):
    return fit("S&P", distilled=True)


def warm(folder):
    """Two stages, with a backup, of batches that replicas share evenly."""
    x, y = data()
    model, watch = network(), Watch()
    rule, begun = kr.rounds.Fixed(1), {}
    stream = WarmStart(model, ShrinkPerturb(0.4, 0.1), rule, 32, SEED, backup_dir=folder / "warm")
    stages = []
    for stage in stream.run([(x[:64], y[:64]), (x, y)], evaluation=(x, y), callbacks=[watch]):
        begun |= {f"stage{stage.stage}_{name}": value for name, value in watch.begun.items()}
        stages.append(stage.evaluation)
    history = {name: [stage[name] for stage in stages] for name in stages[0]}
    return model, begun, history


def killed(folder):
    return fit("LW", backup(folder), Death(4))


def resumed(folder):
    return fit("LW", backup(folder))


def keras_backup(folder):
    """Keras's callback with a directory for each worker."""
    own = folder / f"keras{os.environ.get('WORKER', '')}"
    return fit("S&P", keras.callbacks.BackupAndRestore(own))


def _raised(act):
    try:
        act()
    except Exception as error:
        return {"error": [f"{type(error).__name__}: {error}"]}
    return {"error": [None]}


def own_seeds(folder):
    """Each worker re-initialises by a seed of its own."""
    x, y = data()
    model = network()
    method = kr.callbacks.ShrinkPerturb(
        rounds=2, until=kr.rounds.Fixed(1), seed=int(os.environ.get("WORKER", 0))
    )
    found = _raised(lambda: model.fit(x, y, epochs=2, verbose=0, callbacks=[method]))
    return model, {}, found


def own_weights(folder):
    """A callback on one worker changes weights."""
    x, y = data()
    model = network()

    def drift(epoch, logs):
        model.trainable_variables[0].assign_add(
            np.full((6, 8), float(os.environ.get("WORKER", 0)), "float32")
        )

    method = kr.callbacks.ShrinkPerturb(rounds=2, until=kr.rounds.Fixed(1), seed=0)
    culprit = keras.callbacks.LambdaCallback(on_epoch_end=drift)
    found = _raised(lambda: model.fit(x, y, epochs=2, verbose=0, callbacks=[culprit, method]))
    return model, {}, found


def own_backups(folder):
    """Only the first worker sees a backup."""
    worker = int(os.environ.get("WORKER", 0))
    own = kr.callbacks.Backup(folder / f"own{worker}", delete_checkpoint=False)
    fit("S&P", own, epochs=2)
    if worker:
        (folder / f"own{worker}" / "latest.weights.h5").unlink(missing_ok=True)
    return network(), {}, _raised(lambda: fit("S&P", own, epochs=3))


def no_seed(folder):
    x, y = data()
    model = network()
    method = kr.callbacks.ShrinkPerturb(rounds=2, until=kr.rounds.Fixed(1))
    return model, {}, _raised(lambda: model.fit(x, y, verbose=0, callbacks=[method]))


def prediction(folder):
    x, _ = data()
    model = network()
    return model, {"prediction": model.predict(x, batch_size=32, verbose=0)}, {}


def several_steps(folder):
    return network(), {}, _raised(lambda: fit("S&P", steps_per_execution=2))


WORK = {letters: method(letters) for letters in SETTINGS}
WORK |= {
    "distilled": distilled,
    "warm": warm,
    "several_steps": several_steps,
    "killed": killed,
    "resumed": resumed,
    "keras_backup": keras_backup,
    "own_seeds": own_seeds,
    "own_weights": own_weights,
    "own_backups": own_backups,
    "no_seed": no_seed,
    "prediction": prediction,
}


def perform(name, folder, scope=contextlib.nullcontext):
    """Do one thing; returns what came of it as arrays, and what was logged."""
    with scope():
        model, begun, history = WORK[name](pathlib.Path(folder))
    end = {f"end{i}": value for i, value in enumerate(weights(model))}
    return begun | end, history


def main(folder, names):
    folder = pathlib.Path(folder)
    strategy = kr.distribution.strategy("multiworker")
    worker = json.loads(os.environ["TF_CONFIG"])["task"]["index"]
    os.environ["WORKER"] = str(worker)
    for name in names.split(","):
        arrays, history = perform(name, folder, strategy.scope)
        np.savez(folder / f"{name}{worker}.npz", **arrays)
        (folder / f"{name}{worker}.json").write_text(json.dumps(history))
        print(name, flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
