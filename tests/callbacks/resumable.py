"""A training that can be killed: run as a process of its own by `test_resume`, or imported.

Arguments: JSON objects, see `Case`, of which each is trained. The weights of one that has ended are
in its `final.npz`.
"""

import dataclasses
import json
import os
import pathlib
import signal
import sys

import keras
import numpy as np

import keras_reinit as kr
from tests.settings import EAGER


@dataclasses.dataclass(frozen=True)
class Case:
    """One training and, perhaps, the moment of its death.

    Attributes:
        folder: where the backup and the final weights go.
        method: the papers' letters.
        rule: "fixed" or "converged".
        backup: "keras" (`BackupAndRestore`) or "ours" (`Backup`).
        backup_first: whether the backup is listed before the method.
        moment: None; or "batch" (in an epoch), "between" (two callbacks, at an epoch's end),
            "end" (between two callbacks, in `on_train_end`), "write" (inside the backup's write).
        epoch: the epoch of the death, where the moment is in one.
        eager: run without a graph.
        distilled: whether the network teaches itself from round to round.
    """

    folder: str
    method: str = "S&P"
    rule: str = "fixed"
    backup: str = "keras"
    backup_first: bool = True
    moment: str | None = None
    epoch: int = 4
    eager: bool = EAGER
    distilled: bool = False


class Death(keras.callbacks.Callback):
    """Kills the process, as `kill -9` does, when its moment has come."""

    def __init__(self, moment, epoch, kill):
        super().__init__()
        self.moment, self.epoch, self.kill = moment, epoch, kill
        self._now = None

    def on_epoch_begin(self, epoch, logs=None):
        self._now = epoch

    def on_train_batch_begin(self, batch, logs=None):
        if self.moment == "batch" and self._now == self.epoch and batch == 1:
            self.kill()

    def on_epoch_end(self, epoch, logs=None):
        if self.moment == "between" and epoch == self.epoch:
            self.kill()

    def on_train_end(self, logs=None):
        if self.moment == "end":
            self.kill()


class Fragile(keras.layers.Dense):
    """A layer that kills the process when it is written for the `fatal_save`-th time."""

    fatal_save = None
    kill = None
    saves = 0

    def save_own_variables(self, store):
        super().save_own_variables(store)
        type(self).saves += 1
        if self.saves == self.fatal_save:
            type(self).kill()


def network(blocks, eager=EAGER, distilled=False):
    """A convolutional network with dropout; a `ReinitModel` for LW, a plain model for the rest."""
    keras.utils.set_random_seed(1)
    layers = [
        keras.Input((6, 6, 1)),
        keras.layers.Conv2D(3, 3, name="conv"),
        keras.layers.BatchNormalization(name="norm"),
        keras.layers.ReLU(name="relu"),
        keras.layers.Flatten(name="flatten"),
        keras.layers.Dropout(0.3, name="dropout"),
        Fragile(8, activation="relu", name="hidden"),
        keras.layers.Dense(3, name="head"),
    ]
    model = keras.Sequential(layers, name="network")
    model = kr.ReinitModel(model) if blocks else model
    model = kr.training.SelfDistillation(model, temperature=2.0) if distilled else model
    model.compile(
        keras.optimizers.Adam(0.02),
        keras.losses.SparseCategoricalCrossentropy(from_logits=True),
        metrics=["accuracy"],
        run_eagerly=eager,
    )
    return model


def train(case, kill):
    """Train a case to its end, or to its death; return the model and its history."""
    rng = np.random.default_rng(0)
    x = rng.normal(size=(32, 6, 6, 1)).astype("float32")
    y = rng.integers(0, 3, size=32)
    rule = {
        "fixed": kr.rounds.Fixed(epochs=3),
        "converged": kr.rounds.Converged(
            "val_loss", patience=3, max_epochs=5, lr_factor=0.5, lr_patience=1
        ),
        "accuracy": kr.rounds.Accuracy(0.6, max_epochs=4),
    }[case.rule]
    options = {"sample": x[:16], "iterations": 3} if case.method == "LW" else {"rounds": 3}
    method = kr.callbacks.get(case.method)(until=rule, seed=7, **options)
    folder = os.path.join(case.folder, "backup")
    backup = {"keras": keras.callbacks.BackupAndRestore, "ours": kr.callbacks.Backup}[case.backup]
    death = Death(case.moment, case.epoch, kill)
    Fragile.fatal_save = case.epoch + 1 if case.moment == "write" else None
    Fragile.kill, Fragile.saves = staticmethod(kill), 0
    callbacks = [backup(folder), death, method]
    if not case.backup_first:
        callbacks.reverse()
    model = network(case.method == "LW", case.eager, case.distilled)
    validation = (x[::2], y[::2]) if case.rule == "converged" else None
    history = model.fit(
        x,
        y,
        batch_size=16,
        shuffle=False,
        epochs=method.max_epochs(model) + 2,  # the method itself stops the training
        validation_data=validation,
        callbacks=callbacks,
        verbose=0,
    )
    return model, history.history


def final_weights(model):
    """All state of a trained model, the optimizer's too."""
    return [np.array(variable) for variable in [*model.weights, *model.optimizer.variables]]


if __name__ == "__main__":
    for argument in sys.argv[1:]:
        case = Case(**json.loads(argument))
        trained, _ = train(case, lambda: os.kill(os.getpid(), signal.SIGKILL))
        np.savez(pathlib.Path(case.folder, "final.npz"), *final_weights(trained))
