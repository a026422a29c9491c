"""One training in rounds: what `Reinit` does from the first epoch of a `fit` to its last."""

import logging
import math
from dataclasses import replace
from typing import Any

import numpy as np

from keras_reinit import distribution, keras_private
from keras_reinit.callbacks import agreement, optimizer_record, resume
from keras_reinit.callbacks.carried import BACKUP, METHOD, StateInWeights
from keras_reinit.callbacks.finished_run import FinishedRun
from keras_reinit.callbacks.order import start_counting_again
from keras_reinit.callbacks.round_state import RoundState, after_epoch, after_round, collapsed
from keras_reinit.core import resolve_seed
from keras_reinit.methods.method import check_usable
from keras_reinit.weights import best
from keras_reinit.weights.model_optimizers import (
    Drawn,
    check_cuts,
    learning_rates_of,
    optimizers,
    reset_optimizers,
    set_learning_rates,
)
from keras_reinit.weights.norms import check_finite
from keras_reinit.weights.select import list_weights

logger = logging.getLogger(__name__)


class Training:
    """A training under way.

    Args:
        callback: the `Reinit` whose hooks are called.

    Attributes:
        state: `RoundState` after the last epoch; None before the first.
    """

    def __init__(self, callback):
        self._callback = callback
        self.state: Any = None
        self._rounds: float = 0
        self._epoch = None  # the one under way
        self._batches = 0  # of the epoch under way
        self._batch_logs, self._validation_logs = {}, {}
        self._entries = 0
        self._finished: FinishedRun | None = None
        self._has_warned = False
        self._record = optimizer_record.at_beginning(self._fitted)
        self._holder = StateInWeights(self._write, self._read)
        self._holder.attach(self._fitted, METHOD)

    @property
    def _fitted(self):
        return self._callback.fitted

    @property
    def _until(self):
        return self._callback.until

    def begin(self):
        """Refuse whatever cannot be trained; build the optimizer."""
        callback, fitted = self._callback, self._fitted
        if getattr(fitted, METHOD, None) is not self._holder:
            raise ValueError("One re-initialisation method a training. Received: two callbacks")
        check_usable(callback.method, callback.model, callback.data, callback.data_name)
        self._rounds = callback.number_of_rounds(fitted)
        _check_steps(self._until, fitted)
        check_cuts(optimizers(fitted), self._until.lr_factor)
        distribution.check_replicas(fitted)
        agreement.check_seed(fitted, callback.seed)
        if fitted.optimizer is not None and not fitted.optimizer.built:
            fitted.optimizer.build(fitted.trainable_variables)

    def begin_epoch(self, epoch, callbacks):
        """Begin the training, a round, or just an epoch.

        Args:
            epoch: its number.
            callbacks: all of this `fit`, where they are known.
        """
        if self._holder.listening:
            agreement.check_beginning(self._fitted, resume.identity(self._callback), epoch)
        first_epoch = keras_private.initial_epoch(self._fitted)
        keras_private.set_initial_epoch(self._fitted, None)  # it is not the next `fit`'s
        new_rates = self._new_rates() if self._holder.listening else None
        self._holder.listening = False
        self._entries, self._batches, self._batch_logs, self._validation_logs = 0, 0, {}, {}
        if self.state is None:
            resume.check_not_resumed(first_epoch, epoch, type(self._callback).__name__)
            self._begin_training(epoch, callbacks)
        resume.check_next(self.state, epoch)
        self._epoch = epoch
        progress = self.state.progress
        if self._is_over():
            self._finished = FinishedRun(self._fitted)
        elif progress.ended:
            best.restore_best(self._callback.model, self._fitted.optimizer, self._best())
            self._begin_round(self.state.round + 1, callbacks)
        elif progress.cuts and (progress.stale == 0 or new_rates is not None):
            factor = self._until.lr_factor**progress.cuts
            set_learning_rates(optimizers(self._fitted), self.state.learning_rate, factor)

    def begin_steps(self, callbacks):
        """Begin a round before a batch, where the rule counts steps and one is due."""
        index = (self.state.steps + self._batches) // self._until.steps
        if self._finished is None and self.state.round < index < self._rounds:
            self._begin_round(index, callbacks)

    def end_steps(self, batches, logs):
        """Take note of the batches of this epoch so far, and stop after the last of all."""
        self.undo()
        # The last execution of an epoch may have fewer steps than Keras says.
        of_epoch = (self._callback.params or {}).get("steps") or batches
        self._batches, self._batch_logs = min(batches, of_epoch), logs or {}
        if self._until.steps is not None and self._is_over():
            self._fitted.stop_training = True

    def validated(self, logs):
        """Take note of the numbers of this epoch's validation."""
        self._validation_logs = {f"val_{name}": value for name, value in _floats(logs).items()}

    def undo(self):
        """Put back what a batch after the last round has changed."""
        if self._finished is not None:
            _ = self._fitted  # on JAX that gives variables their values, which are then replaced
            self._finished.undo()

    def end_epoch(self, epoch, logs):
        """Decide what comes next; add the numbers of the round to the logs.

        Args:
            epoch: its number.
            logs: dict {name: number}, changed in place.
        """
        if not math.isfinite(logs.get("loss", 0.0)):
            raise ValueError(
                f"The loss is not finite: training diverged in epoch {epoch}, round "
                f"{self.state.round}. Received: loss={logs['loss']}. Lower the learning rate"
            )
        self.state = self._after_epoch(logs)
        self._epoch, self._batches = None, 0
        logs["reinit_round"] = self.state.round
        logs["reinit_entries"] = self._entries
        logs["reinit_recovered"] = self.state.recovery.share
        logs.update(self._callback.method.logs(self.state.round))
        if self.state.progress.ended and not self._has_warned:
            self._has_warned = _warn_of_collapse(self.state, self._callback.method)
        if self._is_over():
            check_finite(list_weights(self._callback.model))
            best.restore_averages(self._callback.model, self._fitted.optimizer, self._best())
            self._fitted.stop_training = True

    def end(self):
        """Leave the model with the best weights of the round and the first learning rate."""
        if self.state is not None:
            best.finish(self._callback.model, self._fitted.optimizer, self._best())
            if self._until.lr_factor is not None:
                set_learning_rates(optimizers(self._fitted), self.state.learning_rate)
        optimizer_record.forget(self._fitted)
        self._holder.detach(self._fitted, METHOD)

    # Between rounds.

    def _begin_training(self, epoch, callbacks):
        rates = learning_rates_of(optimizers(self._fitted))
        self.state = RoundState(resolve_seed(self._callback.seed), rates, epoch=epoch - 1)
        self._begin_round(0, callbacks)

    def _begin_round(self, index, callbacks):
        check_finite(list_weights(self._callback.model))
        if hasattr(self._fitted, "before_round"):
            self._fitted.before_round(index)
        self._entries += self._apply(index)
        start_counting_again(callbacks)
        self.state = after_round(self.state, index)
        agreement.check_weights(self._fitted)

    def _apply(self, index):
        callback = self._callback
        acts_first = callback.before_first
        if acts_first is None:
            acts_first = callback.method.acts_first
        drawn = Drawn(self._fitted) if callback.reset_optimizer == "drawn" and index else None
        entries = 0
        if index > 0 or acts_first:
            context = callback.context(index, self.state.seed)
            entries = callback.method.apply(callback.model, context)
        rates = self.state.learning_rate
        reset_optimizers(optimizers(self._fitted), callback.reset_optimizer, rates, drawn)
        return entries

    def _is_over(self):
        if self._until.steps is not None:
            return self.state.steps + self._batches >= self._rounds * self._until.steps
        return self.state.progress.ended and self.state.round == self._rounds - 1

    def _best(self):
        """The weights of the round's best epoch, where it was not the last one."""
        return self.state.best_weights if self.state.progress.wait else []

    # The state of an epoch that is over, known from its metrics on.

    def _after_epoch(self, logs):
        if self._finished is not None:
            return replace(self.state, epoch=self._epoch)

        def best_weights():
            return best.best_values(self._callback.model, self._fitted.optimizer)

        return after_epoch(self.state, self._until, self._epoch, self._batches, logs, best_weights)

    def _write(self):
        state, is_complete = self.state, True
        if state is not None and self._epoch is not None:
            logs = _floats(self._batch_logs) | self._validation_logs
            is_complete = self._until.monitor is None or self._until.monitor in logs
            state = self._after_epoch(logs) if is_complete else state
        optimizers = self._record, optimizer_record.built_for(self._fitted)
        return resume.written(state, resume.identity(self._callback), is_complete, optimizers)

    def _read(self, meta, arrays):
        identity, rates = resume.identity(self._callback), self._new_rates()
        self.state = resume.read(meta, arrays, identity, self._fitted, self._record, rates)

    def _new_rates(self):
        """Learning rates that a backup was asked to go on with; None without."""
        return getattr(getattr(self._fitted, BACKUP, None), "new_rates", None)


def network_of(model):
    """The network that methods see: the model, or the one that it says it trains."""
    return getattr(model, "reinitialized_model", model)


def _check_steps(until, fitted):
    at_once = fitted.steps_per_execution
    if until.steps is not None and until.steps < at_once:
        raise ValueError(
            f"Weights change between executions. Received: {until} and a model compiled with "
            f"steps_per_execution={at_once}. Expected at least as many steps a round"
        )


def _warn_of_collapse(state, method):
    """Warn of a round that ended far worse than the one before; whether it was so."""
    if not collapsed(state):
        return False
    logger.warning(
        "Round %d ended with %.3g where the round before had %.3g: training does not recover from "
        "%r. Train longer rounds, or change less: fewer rounds, a smaller share, a larger `shrink`",
        state.round,
        abs(state.recovery.now),
        abs(state.recovery.before),
        method,
    )
    return True


def _floats(logs):
    """The scalar ones: a rule monitors no other."""
    return {name: float(value) for name, value in (logs or {}).items() if np.ndim(value) == 0}
