"""When a round of training ends: pure, serialisable rules and the state that they decide on."""

import math
from typing import NamedTuple

import keras

from keras_reinit.core import check_bool, check_choice, check_int, check_number, check_text

__all__ = ["Accuracy", "Converged", "Fixed", "Steps"]


class Progress(NamedTuple):
    """How far a round has come.

    Attributes:
        epochs: epochs of the round that are over.
        best: best monitored value so far, nan before the first finite one.
        wait: epochs since the best.
        stale: epochs since the best or since the learning rate was last cut.
        cuts: how often the learning rate has been cut in this round.
        ended: whether the round is over.
    """

    epochs: int = 0
    best: float = math.nan
    wait: int = 0
    stale: int = 0
    cuts: int = 0
    ended: bool = False


class Rule:
    """Decides from the monitored value of each epoch when a round ends.

    Subclasses set `monitor` (a name in the logs, or None), `restore_best`, `lr_factor` and
    `max_epochs`, and say in `update` what an epoch changes. A rule that counts optimizer steps sets
    `steps` in place of `max_epochs`: `Steps`.

    Example:
        >>> rule = Fixed(epochs=2)
        >>> rule.update(rule.update(Progress(), None), None).ended
        True
    """

    monitor: str | None = None
    restore_best = False
    lr_factor: float | None = None
    steps: int | None = None
    max_epochs: int | None = None

    def update(self, progress, value):
        """The progress after one more epoch.

        Args:
            progress: `Progress` before it.
            value: the monitored value of the epoch, a float; None where nothing is monitored.

        Returns:
            A `Progress`.
        """
        raise NotImplementedError

    def converged(self, progress):
        """Whether a round that is over has reached its goal, and not just its limit of epochs.

        Args:
            progress: `Progress` at the end of the round.

        Returns:
            A bool.
        """
        raise NotImplementedError

    def get_config(self):
        raise NotImplementedError

    @classmethod
    def from_config(cls, config):
        return cls(**config)

    def __eq__(self, other):
        return type(self) is type(other) and self.get_config() == other.get_config()

    def __hash__(self):
        return hash((type(self), *self.get_config().items()))

    def __repr__(self):
        arguments = ", ".join(f"{key}={value!r}" for key, value in self.get_config().items())
        return f"{type(self).__name__}({arguments})"


@keras.saving.register_keras_serializable(package="keras_reinit")
class Fixed(Rule):
    """A round lasts a fixed number of epochs.

    `ended = epochs of the round >= epochs`

    Args:
        epochs: int, at least 1.

    Raises:
        ValueError: if `epochs` is not a positive int.

    Example:
        >>> Fixed(epochs=10).max_epochs
        10
    """

    def __init__(self, epochs):
        self.max_epochs = check_int("epochs", epochs)

    def update(self, progress, value):
        epochs = progress.epochs + 1
        return progress._replace(epochs=epochs, ended=epochs >= self.max_epochs)

    def converged(self, progress):
        return progress.ended

    def get_config(self):
        return {"epochs": self.max_epochs}


@keras.saving.register_keras_serializable(package="keras_reinit")
class Converged(Rule):
    """A round lasts until a monitored value has stopped getting better: early stopping per round.

    `ended = wait >= patience or epochs of the round >= max_epochs`

    Every `lr_patience` epochs without a better value, the learning rate is multiplied by
    `lr_factor`; a new round starts again from the rate at the start of training.

    Args:
        monitor: name in the logs, of validation or of training.
        patience: epochs without a better value until the round ends, at least 1.
        max_epochs: most epochs of a round, at least 1.
        min_delta: by how much a value has to be better to count, at least 0.
        lr_factor: None, or the factor on the learning rate, in (0, 1).
        lr_patience: epochs without a better value until the learning rate is cut, at least 1.
        restore_best: go on from the weights of the round's best epoch.
        mode: "min", "max", or "auto", which tells from the words of the monitor's name: less is
            better of what has "loss" or "error" in it, more of an accuracy, auc, precision, recall
            or f1.

    A value that is not finite is never better.

    Raises:
        ValueError: if an argument is out of its range; if `mode="auto"` cannot tell; if the
            learning rate would never be cut because the round ends first
            (`patience <= lr_patience`).

    Example:
        >>> rule = Converged(monitor="val_accuracy", patience=20, max_epochs=200)

    Reference:
        Alabdulmohsin et al. 2021, Section 3 (their protocol halves the rate after 20 epochs and
        names no patience; 60 is ours).
    """

    def __init__(
        self,
        monitor="val_loss",
        patience=60,
        max_epochs=1000,
        min_delta=0.0,
        lr_factor=None,
        lr_patience=20,
        restore_best=True,
        mode="auto",
    ):
        self.monitor = check_text("monitor", monitor)
        self.patience = check_int("patience", patience)
        self.max_epochs = check_int("max_epochs", max_epochs)
        self.min_delta = check_number("min_delta", min_delta)
        self.lr_factor = lr_factor
        self.lr_patience = check_int("lr_patience", lr_patience)
        self.restore_best = check_bool("restore_best", restore_best)
        self.mode = check_choice("mode", mode, ("auto", "min", "max"))
        self._sign = _direction(monitor, mode)
        if lr_factor is not None:
            self.lr_factor = check_number("lr_factor", lr_factor, above=0, below=1)
            if patience <= lr_patience:
                raise ValueError(
                    "The round would end before the learning rate is ever cut. Received: "
                    f"{patience=}, {lr_patience=}. Expected a patience several times `lr_patience`"
                )

    def update(self, progress, value):
        epochs = progress.epochs + 1
        better = _is_better(value, progress.best, self._sign, self.min_delta)
        if better:
            progress = progress._replace(best=value, wait=0, stale=0)
        else:
            progress = progress._replace(wait=progress.wait + 1, stale=progress.stale + 1)
        if self.lr_factor is not None and progress.stale >= self.lr_patience:
            progress = progress._replace(stale=0, cuts=progress.cuts + 1)
        ended = progress.wait >= self.patience or epochs >= self.max_epochs
        return progress._replace(epochs=epochs, ended=ended)

    def converged(self, progress):
        return progress.wait >= self.patience

    def get_config(self):
        names = "monitor patience max_epochs min_delta lr_factor lr_patience restore_best mode"
        return {name: getattr(self, name) for name in names.split()}


@keras.saving.register_keras_serializable(package="keras_reinit")
class Accuracy(Rule):
    """A round lasts until a training metric has reached a threshold, or grows no more.

    `ended = value >= threshold or wait >= patience or epochs of the round >= max_epochs`

    Args:
        threshold: value to reach, in (0, 1].
        max_epochs: most epochs of a round, at least 1.
        monitor: name in the logs; the running accuracy of training by default.
        patience: epochs without a better value until the round ends, for a model that may never
            get there (a linear one on images); None to wait for ever.

    Raises:
        ValueError: if an argument is out of its range.

    Example:
        >>> rule = Accuracy(0.99, max_epochs=100)

    Reference:
        Ash & Adams 2020, Section 4 (the public code's rule: 99 % running training accuracy).
    """

    def __init__(self, threshold=0.99, max_epochs=350, monitor="accuracy", patience=None):
        self.threshold = check_number("threshold", threshold, above=0, most=1)
        self.max_epochs = check_int("max_epochs", max_epochs)
        self.monitor = check_text("monitor", monitor)
        self.patience = patience if patience is None else check_int("patience", patience)

    def update(self, progress, value):
        epochs = progress.epochs + 1
        better = _is_better(value, progress.best, 1)
        wait = 0 if better else progress.wait + 1
        best = value if better else progress.best
        plateau = self.patience is not None and wait >= self.patience
        ended = value >= self.threshold or plateau or epochs >= self.max_epochs
        return progress._replace(epochs=epochs, best=best, wait=wait, ended=ended)

    def converged(self, progress):
        return progress.best >= self.threshold

    def get_config(self):
        return {
            "threshold": self.threshold,
            "max_epochs": self.max_epochs,
            "monitor": self.monitor,
            "patience": self.patience,
        }


@keras.saving.register_keras_serializable(package="keras_reinit")
class Steps(Rule):
    """A round lasts a fixed number of optimizer steps, wherever epochs end.

    `round = steps of the training // n`

    With `steps_per_execution=k` weights change at the end of the first execution from there on, so
    that `n` is at least `k`. A training of R rounds stops after `R * n` steps; its epochs are the
    caller's: `fit(epochs=...)`.

    Args:
        n: int, at least 1: batches, as `fit` counts them.

    Raises:
        ValueError: if `n` is not a positive int.

    Example:
        >>> Reinit(methods.Magnitude(0.01), until=Steps(1000), rounds=20)

    Reference:
        Sokar et al. 2023; Hernandez-Garcia et al. 2025 (methods that act every so many steps).
    """

    def __init__(self, n):
        self.steps = check_int("n", n)

    def update(self, progress, value):
        return progress._replace(epochs=progress.epochs + 1)

    def converged(self, progress):
        return progress.ended

    def get_config(self):
        return {"n": self.steps}


def check_rule(until):
    """Refuse what is no rule.

    Raises:
        TypeError: if so.
    """
    if not isinstance(until, Rule):
        raise TypeError(
            "`until` is a rule of keras_reinit.rounds, such as Fixed(epochs=10). "
            f"Received: until={until!r}"
        )


def _is_better(value, best, sign, least=0.0):
    """Whether a value is finite and better than the best one by more than `least`."""
    return math.isfinite(value) and (math.isnan(best) or sign * (value - best) > least)


_LESS_IS_BETTER = {"loss", "error", "entropy", "crossentropy", "mse", "mae", "perplexity"}
_MORE_IS_BETTER = {"acc", "accuracy", "auc", "precision", "recall", "f1", "score", "iou"}


def _direction(monitor, mode):
    if mode != "auto":
        return 1 if mode == "max" else -1
    words = set(monitor.lower().split("_"))
    if words & _LESS_IS_BETTER:
        return -1
    if words & _MORE_IS_BETTER:
        return 1
    raise ValueError(
        f"Whether more is better cannot be told from the name. Received: {monitor=}. "
        "Expected mode='min' or mode='max' with it"
    )
