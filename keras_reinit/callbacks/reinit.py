"""The callback that trains in rounds and applies a method between them: its hooks."""

import math

import keras
import numpy as np

from keras_reinit import core
from keras_reinit.callbacks import resume
from keras_reinit.callbacks.order import begin_first, callbacks_of
from keras_reinit.callbacks.training import Training, network_of
from keras_reinit.keras_private import without_tensorflow
from keras_reinit.methods.method import Context, check_method, serialize
from keras_reinit.rounds import check_rule
from keras_reinit.weights.model_optimizers import RESETS


@keras.saving.register_keras_serializable(package="keras_reinit")
class Reinit(keras.callbacks.Callback):
    """Train in rounds, and apply a method between them.

    `R rounds = R phases of training and R-1 re-initialisations between them.`

    Weights change at the start of a round alone, so that checkpoints hold trained weights. Then the
    optimizer is as new, with the first learning rate of the training, and so are the counters of
    `EarlyStopping` and `ReduceLROnPlateau`. Training stops after the last round. Where this
    callback stands among others does not matter: an epoch begins with it.

    Each epoch's logs get `reinit_round`, `reinit_entries` (drawn at the start of this epoch) and
    `reinit_recovered`, the share of the last round's gain in training accuracy (else in the loss)
    that is there again, `(now - worst) / (before - worst)`, 1 in the first round. A round that ends
    with less than half of it, ten points of accuracy below the last, is warned of once, in the log.
    A model that trains another names it by an attribute `reinitialized_model`, as
    `SelfDistillation` does; its `before_round(index)` is called before a round.

    Args:
        method: a value of `keras_reinit.methods`.
        until: a rule of `keras_reinit.rounds`: when a round ends.
        rounds: int, at least 1; None for what the method and the model's blocks say.
        data: what the method measures the network on, where it needs it. Kept by reference, not
            part of the config, and asked for again on revival.
        seed: int, or None to draw one, which is kept with the state of the training.
        reset_optimizer: at the start of each round, True puts slots, iterations and schedule back,
            "drawn" the slots of the entries that the method has changed, and leaves all others bit
            for bit, "steps" the count of steps alone (a schedule starts again, too), False nothing.
        before_first: also act before the first round; None for what the method says.

    Raises:
        TypeError: if `method` is no method, or `until` no rule.
        ValueError: if another argument is out of its range. In `fit`, before the first step: if the
            method cannot work on this model or lacks data. Later: if the monitored value is not in
            the logs, the loss or a weight not finite, or a backup that of another training.

    Example:
        >>> method = kr.methods.LaterLayers("block3_conv1")
        >>> reinit = kr.callbacks.Reinit(method, until=kr.rounds.Fixed(epochs=20), rounds=4, seed=0)
        >>> model.fit(x, y, epochs=reinit.max_epochs(model), callbacks=[reinit])

    Reference:
        Alabdulmohsin et al. 2021, Section 1 (rounds at equal budget).
    """

    data_name = "data"  # of the argument, for messages

    def __init__(
        self,
        method,
        until,
        rounds=None,
        data=None,
        seed=None,
        reset_optimizer=True,
        before_first=None,
    ):
        super().__init__()
        check_method(method)
        check_rule(until)
        self.method = method
        self.until = until
        self.rounds = rounds if rounds is None else core.check_int("rounds", rounds)
        self.data = data
        self.seed = seed if seed is None else core.resolve_seed(seed)
        reset = bool(reset_optimizer) if isinstance(reset_optimizer, np.bool_) else reset_optimizer
        self.reset_optimizer = core.check_choice("reset_optimizer", reset, RESETS)
        if before_first is not None:
            before_first = core.check_bool("before_first", before_first)
        self.before_first = before_first

    @property
    def async_safe(self):
        """Whether Keras may call batch hooks from a thread: not where they count steps."""
        return self.until.steps is None

    def number_of_rounds(self, model):
        """How many rounds a training of this model has.

        Args:
            model: the model to be trained.

        Returns:
            An int; `math.inf` for a rule of steps without `rounds`, which goes on as long as `fit`.
        """
        if self.rounds is not None:
            return self.rounds
        if self.until.steps is not None and not self.method.acts_first:
            return math.inf
        return self.method.rounds(network_of(model))

    def max_epochs(self, model, steps_per_epoch=None):
        """The most epochs that a training can need.

        Args:
            model: the model to be trained.
            steps_per_epoch: batches of an epoch, for a rule that counts steps.

        Returns:
            An int, for `model.fit(epochs=...)`.

        Raises:
            ValueError: if the rule counts steps and `steps_per_epoch` or `rounds` is missing.
        """
        rounds = self.number_of_rounds(model)
        if self.until.steps is None:
            return rounds * self.until.max_epochs
        if steps_per_epoch is None or rounds == math.inf:
            raise ValueError(
                f"{self.until} counts steps, not epochs. Received: {steps_per_epoch=}, "
                f"rounds={self.rounds}. Expected both, or a number of epochs of your own in `fit`"
            )
        return -(-rounds * self.until.steps // core.check_int("steps_per_epoch", steps_per_epoch))

    def get_config(self):
        with without_tensorflow():
            until = keras.saving.serialize_keras_object(self.until)
        return {
            "method": serialize(self.method),
            "until": until,
            "rounds": self.rounds,
            "seed": self.seed,
            "reset_optimizer": self.reset_optimizer,
            "before_first": self.before_first,
        }

    @classmethod
    def from_config(cls, config):
        revived = {
            name: keras.saving.deserialize_keras_object(value) if isinstance(value, dict) else value
            for name, value in config.items()
        }
        return cls(**revived)

    def __deepcopy__(self, memo):
        copy = type(self).from_config(self.get_config())
        copy.data = self.data
        return copy

    def context(self, index, training_seed):
        """What the method gets at the start of a round.

        Args:
            index: of the round, from 0.
            training_seed: int, of the training under way.

        Returns:
            A `keras_reinit.methods.Context`.
        """
        seed = core.fold_in(training_seed, "round", index)
        return Context(seed, index, training_seed, self.data, self.fitted.optimizer)

    @property
    def training_seed(self):
        """The seed of the training under way, also where `seed` is None."""
        return self._training.state.seed

    @property
    def model(self):
        """The network that is re-initialised: the model in `fit`, or the one that it trains."""
        return network_of(super().model)

    @property
    def fitted(self):
        """The model in `fit`."""
        return super().model

    def set_model(self, model):
        super().set_model(model)
        self._training = Training(self)
        resume.check_keras_backups(callbacks_of(keras.callbacks.BackupAndRestore))

    def on_train_begin(self, logs=None):
        self._training.begin()
        self._callbacks = begin_first(self, self._begin_epoch)

    def on_epoch_begin(self, epoch, logs=None):
        if not self._callbacks:  # in no list of callbacks that calls `_begin_epoch`
            self._begin_epoch(epoch)

    def _begin_epoch(self, epoch):
        self._training.begin_epoch(epoch, self._callbacks)

    def on_train_batch_begin(self, batch, logs=None):
        if self.until.steps is not None:
            self._training.begin_steps(self._callbacks)

    def on_train_batch_end(self, batch, logs=None):
        self._training.end_steps(batch + 1, logs)

    def on_test_begin(self, logs=None):
        self._training.undo()

    def on_test_end(self, logs=None):
        self._training.validated(logs)

    def on_epoch_end(self, epoch, logs=None):
        self._training.end_epoch(epoch, {} if logs is None else logs)

    def on_train_end(self, logs=None):
        self._training.end()
