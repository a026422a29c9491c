"""The bookkeeping of rounds, once, for every method.

Weights change in `on_epoch_begin` alone, so that checkpoints hold trained weights. What is to
happen there is a pure function of a `State`, and the state of a finished epoch is written into
every weights file from the moment that the epoch's metrics are known, whatever the order of
callbacks. So a training that is killed anywhere and resumed takes the same decisions.
"""

import json
import math
import zlib
from dataclasses import dataclass, field, replace
from typing import Any

import keras
import numpy as np

from keras_reinit import core, distribution
from keras_reinit.callbacks.state import StateInWeights
from keras_reinit.model import ReinitModel
from keras_reinit.rounds import Progress, Rule, positive_int
from keras_reinit.weights.apply import check_finite, resolve_seed
from keras_reinit.weights.configs import without_tensorflow
from keras_reinit.weights.optimizer import learning_rate_of, reset_optimizer, set_learning_rate
from keras_reinit.weights.select import walk

_ATTRIBUTE = "_keras_reinit_method"


@dataclass(frozen=True)
class State:
    """Where a training stands when an epoch is over."""

    seed: int
    learning_rate: object  # at the start of training: a float, a list of them, None for a schedule
    round: int = 0
    epoch: int = -1  # the last one that is over
    progress: Progress = field(default_factory=Progress)
    best_weights: list = field(default_factory=list)  # empty where none are kept


class ReinitCallback(keras.callbacks.Callback):
    """Trains in rounds and re-initialises between them; methods say what.

    `R rounds = R phases of training and R-1 re-initialisations between them.`

    Where the model in `fit` trains a network inside it, its attribute `student`, that network is
    what methods see as `self.model`; and if it has `before_round(index)`, it is told of each round
    before weights change (`keras_reinit.training.SelfDistillation`).

    At the start of every round the optimizer is as new, with the learning rate that training
    started with. Training stops after the last round.

    Args:
        until: a rule of `keras_reinit.rounds`: when a round ends.
        rounds: int, at least 1; None for as many as the model has blocks.
        seed: int, or None to draw one, which then is kept with the state of the training.
        reset_optimizer: put slots, iterations and schedule back at the start of each round.

    Raises:
        ValueError: if `rounds` is not positive. In `fit`: if the monitored value is not in the
            logs, the loss or a weight is not finite, or a backup does not belong to this training.
    """

    async_safe = True  # the one batch hook touches nothing but a training that was over already

    def __init__(self, until, rounds=None, seed=None, reset_optimizer=True):
        super().__init__()
        if not isinstance(until, Rule):
            raise TypeError(
                "`until` is a rule of keras_reinit.rounds, such as Fixed(epochs=10). "
                f"Received: until={until!r}"
            )
        self.until = until
        self.rounds = rounds if rounds is None else positive_int("rounds", rounds)
        self.seed = seed if seed is None else resolve_seed(seed)
        self.reset_optimizer = reset_optimizer

    # What methods are made of.

    def start_round(self, index, seed):
        """Change the model's weights at the start of a round, the first one included.

        Args:
            index: of the round, from 0.
            seed: int, of this round.

        Returns:
            The number of entries drawn afresh.
        """
        raise NotImplementedError

    def check_model(self):
        """Raise if the model is none that this method works on."""

    def annotations(self, index):
        """More numbers for the logs of each epoch of a round: a dict {name: number}."""
        return {}

    def number_of_rounds(self, model):
        """How many rounds a training of this model has."""
        if self.rounds is not None:
            return self.rounds
        model = _student(model)
        if not isinstance(model, ReinitModel):
            raise ValueError(
                "The number of rounds follows from the blocks of a ReinitModel. Received: a model "
                f"of {type(model)} and rounds=None. Expected `rounds`, or a ReinitModel"
            )
        return len(model.blocks)

    def max_epochs(self, model):
        """The most epochs that a training can need.

        Args:
            model: the model to be trained.

        Returns:
            An int, for `model.fit(epochs=...)`.
        """
        return self.number_of_rounds(model) * self.until.max_epochs

    def get_config(self):
        with without_tensorflow():
            until = keras.saving.serialize_keras_object(self.until)
        return {
            "until": until,
            "rounds": self.rounds,
            "seed": self.seed,
            "reset_optimizer": self.reset_optimizer,
        }

    @classmethod
    def from_config(cls, config):
        until = config["until"]
        if isinstance(until, dict):
            until = keras.saving.deserialize_keras_object(until)
        return cls(**{**config, "until": until})

    def __deepcopy__(self, memo):
        return type(self).from_config(self.get_config())

    @property
    def training_seed(self):
        """The seed of the training under way, also where `seed` is None."""
        return self._state.seed

    # The training.

    @property
    def model(self):
        """The network that is re-initialised: the model in `fit`, or its `student`."""
        return _student(super().model)

    @property
    def _fitted(self):
        """The model in `fit`."""
        return super().model

    def set_model(self, model):
        super().set_model(model)
        self._state: Any = None
        self._seen = {}
        self._epoch_underway = None
        self._over = None
        self._holder = StateInWeights(self._write, self._read)
        self._holder.attach(model, _ATTRIBUTE)

    def on_train_begin(self, logs=None):
        model = self._fitted
        if getattr(model, _ATTRIBUTE, None) is not self._holder:
            raise ValueError("One re-initialisation method a training. Received: two callbacks")
        self.check_model()
        self.number_of_rounds(model)
        distribution.check_replicas(model)
        if self.seed is None and distribution.worker_count(model) > 1:
            raise ValueError(
                "With several workers each would draw a seed of its own and their weights would "
                "drift apart. Received: seed=None. Expected an int"
            )
        if model.optimizer is not None and not model.optimizer.built:
            model.optimizer.build(model.trainable_variables)

    def on_epoch_begin(self, epoch, logs=None):
        if self._holder.listening:
            self._check_workers(epoch)
        self._holder.listening = False
        self._entries = 0
        self._seen = {}
        if self._state is None:
            self._check_not_resumed(epoch)
            optimizer = self._fitted.optimizer
            rate = None if optimizer is None else learning_rate_of(optimizer)
            self._state = State(resolve_seed(self.seed), rate, epoch=epoch - 1)
            self._begin_round(0)
        self._check_next(epoch)
        self._epoch_underway = epoch
        progress = self._state.progress
        if progress.ended and self._is_last_round():
            self._stand_still()
        elif progress.ended:
            self._restore_best()
            self._begin_round(self._state.round + 1)
        elif progress.cuts and progress.stale == 0:
            self._cut_learning_rate(progress.cuts)

    def on_test_begin(self, logs=None):
        self._undo()
        if self._epoch_underway is not None:
            self._seen = _floats(self._fitted.get_metrics_result())

    def on_test_end(self, logs=None):
        self._seen |= {f"val_{name}": value for name, value in _floats(logs or {}).items()}

    def on_train_batch_end(self, batch, logs=None):
        self._undo()

    def on_epoch_end(self, epoch, logs=None):
        logs = {} if logs is None else logs
        if not math.isfinite(logs.get("loss", 0.0)):
            raise ValueError(
                f"The loss is not finite: training diverged in epoch {epoch}, round "
                f"{self._state.round}. Received: loss={logs['loss']}. Lower the learning rate"
            )
        self._state = self._after_epoch(logs)
        self._epoch_underway = None
        logs["reinit_round"] = self._state.round
        logs["reinit_entries"] = self._entries
        logs.update(self.annotations(self._state.round))
        if self._state.progress.ended and self._is_last_round():
            self._fitted.stop_training = True

    def on_train_end(self, logs=None):
        if self._state is not None:
            self._restore_best()
        self._holder.detach(self._fitted, _ATTRIBUTE)

    # Between rounds.

    def _is_last_round(self):
        return self._state.round == self.number_of_rounds(self.model) - 1

    def _begin_round(self, index):
        check_finite(walk(self.model))
        seed = core.fold_in(self._state.seed, "round", index)
        if hasattr(self._fitted, "before_round"):
            self._fitted.before_round(index)
        self._entries = self.start_round(index, seed)
        if self.reset_optimizer and self._fitted.optimizer is not None:
            reset_optimizer(self._fitted.optimizer, self._state.learning_rate)
        self._state = replace(self._state, round=index, progress=Progress(), best_weights=[])
        self._check_workers_weights()

    def _cut_learning_rate(self, cuts):
        rates = self._state.learning_rate
        if rates is None or (isinstance(rates, list | tuple) and None in rates):
            raise ValueError(
                "The learning rate follows a schedule and cannot be cut. Received: "
                f"lr_factor={self.until.lr_factor}. Expected None, or a plain number as the rate"
            )
        factor = self.until.lr_factor**cuts
        rates = keras.tree.map_structure(lambda rate: rate * factor, rates)
        set_learning_rate(self._fitted.optimizer, rates)

    def _restore_best(self):
        if self._state.best_weights and self._state.progress.wait:
            for variable, value in zip(self.model.weights, self._state.best_weights, strict=True):
                variable.assign(value)

    # A training that is started again after its last round: Keras runs one batch all the same.

    def _stand_still(self):
        self._fitted.stop_training = True
        self._over = [keras.ops.copy(variable.value) for variable in self._all_variables()]

    def _undo(self):
        if self._over:
            for variable, value in zip(self._all_variables(), self._over, strict=True):
                variable.assign(value)
            self._over = []

    def _all_variables(self):
        """The training's; to ask for the model gives them values on JAX, even within an epoch."""
        optimizer = self._fitted.optimizer
        return [*self._fitted.variables, *(optimizer.variables if optimizer else ())]

    # The state of an epoch that is over, known from its metrics on.

    def _after_epoch(self, logs):
        state = self._state
        if self._over is not None:
            return replace(state, epoch=self._epoch_underway)
        monitor = self.until.monitor
        if monitor is not None and monitor not in logs:
            raise ValueError(
                f"The rule that ends a round needs '{monitor}' of every epoch. Received: logs with "
                f"{sorted(logs)}. Expected validation data with `validation_freq=1`, or a metric "
                "of that name in `compile`"
            )
        progress = self.until.update(state.progress, logs[monitor] if monitor else None)
        best_weights = state.best_weights
        if self.until.restore_best and progress.wait == 0:
            best_weights = [np.array(variable) for variable in self.model.weights]
        return replace(
            state, epoch=self._epoch_underway, progress=progress, best_weights=best_weights
        )

    def _write(self):
        state = self._state
        if state is None:
            return {"complete": False}, []
        complete = True
        if self._epoch_underway is not None:
            logs = self._seen or _floats(self._fitted.get_metrics_result())
            complete = self.until.monitor is None or self.until.monitor in logs
            if complete:
                state = self._after_epoch(logs)
        meta = {
            "complete": complete,
            "method": self._identity(),
            "seed": state.seed,
            "learning_rate": state.learning_rate,
            "round": state.round,
            "epoch": state.epoch,
            "progress": state.progress,
        }
        return meta, state.best_weights

    def _read(self, meta, arrays):
        if not meta["complete"]:
            raise ValueError(
                "The backup was written before the epoch's metrics were known, and cannot be "
                "resumed exactly. Write one an epoch: `save_freq='epoch'`"
            )
        if meta["method"] != self._identity():
            raise ValueError(
                "The backup belongs to a training with another method or other arguments. "
                f"Received: {self._identity()}. Expected: {meta['method']}. Use another directory, "
                "or the same arguments"
            )
        self._state = State(
            meta["seed"],
            meta["learning_rate"],
            meta["round"],
            meta["epoch"],
            Progress(*meta["progress"]),
            arrays,
        )

    def _identity(self):
        return f"{type(self).__name__} {json.dumps(self.get_config(), sort_keys=True)}"

    def _check_next(self, epoch):
        if epoch != self._state.epoch + 1:
            raise ValueError(
                f"The weights are those after epoch {self._state.epoch}, but training goes on with "
                f"epoch {epoch}: the backup was written only in part (a kill inside the write), or "
                "in the middle of an epoch (`save_freq` other than 'epoch'). Training twice in "
                "silence would be wrong. Remove the backup and start again; "
                "keras_reinit.callbacks.Backup survives a kill inside its write"
            )

    def _check_workers(self, epoch):
        """That all workers begin the same training, from the same epoch and weights."""
        if distribution.worker_count(self._fitted) == 1:
            return
        distribution.check_workers_agree(
            self._fitted,
            "method's CRC",
            zlib.crc32(self._identity().encode()),
            f"Give all the same method, seed and other arguments included: here {self._identity()}",
        )
        distribution.check_workers_agree(
            self._fitted,
            "epoch",
            epoch,
            "Each was resumed from a backup of its own: give all one directory that all see, with "
            "keras_reinit.callbacks.Backup, of which the first worker writes the file",
        )
        self._check_workers_weights()

    def _check_workers_weights(self):
        if distribution.worker_count(self._fitted) > 1:
            distribution.check_workers_agree(
                self._fitted,
                "weights' CRC",
                distribution.digest(self._fitted.trainable_variables),
                "A callback on one of them must have changed weights in its own way, by a random "
                "state of its own, say: seed all alike",
            )

    def _check_not_resumed(self, epoch):
        if epoch and getattr(self._fitted, "_initial_epoch", None) == epoch:
            raise ValueError(
                f"Training was resumed at epoch {epoch} from a backup without the state of "
                f"{type(self).__name__}. Start again, with the same callbacks from the beginning"
            )


def _student(model):
    return getattr(model, "student", model)


def _floats(logs):
    """The scalar ones: a rule monitors no other."""
    return {name: float(value) for name, value in logs.items() if np.ndim(value) == 0}
