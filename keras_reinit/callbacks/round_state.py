"""Where a training in rounds stands, and what that means: pure functions of a `RoundState`."""

import dataclasses
import math
from dataclasses import dataclass, field, replace
from typing import Any, NamedTuple

from keras_reinit.rounds import Progress

_ACCURACIES = (
    "accuracy",
    "acc",
    "sparse_categorical_accuracy",
    "categorical_accuracy",
    "binary_accuracy",
)


class Recovery(NamedTuple):
    """How a round compares with the one before, by the training accuracy or else the loss.

    Attributes:
        worst: the worst value at the end of an epoch so far, nan before the first.
        before: the value that the round before ended with, nan in the first round.
        now: the value of the last epoch, nan before the first.
    """

    worst: float = math.nan
    before: float = math.nan
    now: float = math.nan

    @property
    def share(self):
        """How much of what the round before had gained is there again: 1 for all, 0 for nothing.

        `(now - worst) / (before - worst)`; 1 in the first round, and where nothing was gained.
        """
        gained = self.before - self.worst
        return (self.now - self.worst) / gained if gained > 0 else 1.0


@dataclass(frozen=True)
class RoundState:
    """Where a training stands when an epoch is over.

    Attributes:
        seed: int, of the training.
        learning_rate: at the start of training: a float, a list of them, None for a schedule.
        round: index of the round, from 0.
        epoch: the last one that is over, -1 before the first.
        steps: batches trained so far.
        progress: of the round, as its rule sees it.
        recovery: of the round, against the one before.
        best_weights: arrays of the round's best epoch; empty where none are kept.
    """

    seed: int
    learning_rate: Any
    round: int = 0
    epoch: int = -1
    steps: int = 0
    progress: Progress = field(default_factory=Progress)
    recovery: Recovery = field(default_factory=Recovery)
    best_weights: list = field(default_factory=list)

    def as_meta(self):
        """All but the arrays, for JSON."""
        names = [part.name for part in dataclasses.fields(self) if part.name != "best_weights"]
        return {name: getattr(self, name) for name in names}

    @classmethod
    def of_meta(cls, meta, arrays):
        """The state that `as_meta` wrote, from JSON."""
        progress, recovery = Progress(*meta["progress"]), Recovery(*meta["recovery"])
        values = {**meta, "progress": progress, "recovery": recovery, "best_weights": arrays}
        return cls(**{part.name: values[part.name] for part in dataclasses.fields(cls)})


def after_epoch(state, rule, epoch, steps, logs, best_weights):
    """The state after one more epoch.

    Args:
        state: `RoundState` before it.
        rule: of `keras_reinit.rounds`.
        epoch: int, its number.
        steps: batches that it had.
        logs: {name: number} of the epoch.
        best_weights: function of nothing that gives the weights as they are, a list of arrays;
            called where the rule wants the best ones and this epoch has them.

    Returns:
        A `RoundState`.

    Raises:
        ValueError: if the monitored value is not in the logs, or was finite in no epoch of a round
            that is over.
    """
    monitor = rule.monitor
    if monitor is not None and monitor not in logs:
        raise ValueError(
            f"The rule that ends a round needs '{monitor}' of every epoch. Received: logs with "
            f"{sorted(logs)}. Expected validation data with `validation_freq=1`, or a metric "
            "of that name in `compile`"
        )
    progress = rule.update(state.progress, logs[monitor] if monitor else None)
    if monitor is not None and progress.ended and math.isnan(progress.best):
        raise ValueError(
            f"The rule that ends a round saw no finite value of '{monitor}' in round {state.round}."
            f" Received: {monitor}={logs[monitor]} in epoch {epoch}. Look at the data that it is "
            "measured on, or lower the learning rate"
        )
    keeps_best = rule.restore_best and progress.wait == 0
    return replace(
        state,
        epoch=epoch,
        steps=state.steps + steps,
        progress=progress,
        recovery=_recovery(state.recovery, logs),
        best_weights=best_weights() if keeps_best else state.best_weights,
    )


def after_round(state, index):
    """The state with which a round begins, before its first epoch."""
    recovery = Recovery(state.recovery.worst, state.recovery.now)
    return replace(state, round=index, progress=Progress(), recovery=recovery, best_weights=[])


def _recovery(recovery, logs):
    name = next((name for name in _ACCURACIES if name in logs), None)
    now = logs[name] if name else -logs.get("loss", 0.0)
    worst = now if math.isnan(recovery.worst) else min(recovery.worst, now)
    return recovery._replace(worst=worst, now=now)


def collapsed(state):
    """Whether a round that is over has ended far worse than the one before it.

    It has where less than half of what the round before had gained over the worst epoch so far is
    there again, and, of an accuracy, more than a tenth (ten points) was lost.
    """
    share, lost = state.recovery.share, state.recovery.before - state.recovery.now
    is_accuracy = state.recovery.now >= 0
    return state.round > 0 and share < 0.5 and (lost > 0.1 if is_accuracy else lost > 0)
