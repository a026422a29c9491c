"""Rounds that are counted in optimizer steps: when weights change, and what a kill leaves."""

import math

import keras
import numpy as np
import pytest

import keras_reinit as kr
from tests.settings import EAGER, over

BATCHES = 6  # of an epoch, 96 blobs in batches of 16


class Changes(keras.callbacks.Callback):
    """The steps of the training before which weights change, seen between batches."""

    def __init__(self):
        super().__init__()
        self.steps, self.at, self._last = 0, [], None

    def on_train_batch_begin(self, batch, logs=None):
        now = self.model.get_weights()
        if self._last is not None and not all(map(np.array_equal, now, self._last)):
            self.at.append(self.steps)

    def on_train_batch_end(self, batch, logs=None):
        self.steps = self.epoch * BATCHES + min(batch + 1, BATCHES)
        self._last = self.model.get_weights()

    def on_epoch_begin(self, epoch, logs=None):
        self.epoch = epoch


def fit(setting, blobs, steps, rounds, epochs, callbacks=(), at_once=1, **arguments):
    model = setting.model()
    model.compile(
        keras.optimizers.Adam(0.01),
        keras.losses.SparseCategoricalCrossentropy(from_logits=True),
        metrics=["accuracy"],
        run_eagerly=EAGER and at_once == 1,
        steps_per_execution=at_once,
    )
    method = setting.callback(until=kr.rounds.Steps(steps), rounds=rounds, **arguments)
    history = model.fit(
        *blobs,
        batch_size=16,
        epochs=epochs,
        shuffle=False,
        verbose=0,
        callbacks=[method, *callbacks],
    ).history
    return model, method, history


@over("S&P", "DSD")
@pytest.mark.parametrize(
    ("steps", "rounds", "epochs", "at", "trained"),
    [
        (4, 3, 9, [4, 8], 12),  # within epochs, and at the end of the second
        (6, 3, 9, [6, 12], 18),  # as Fixed(epochs=1)
        (1, 4, 9, [1, 2, 3], 4),  # before every step
        (5, None, 3, [5, 10, 15], 18),  # as long as fit goes on
        (40, 2, 3, [], 18),  # never
    ],
)
def test_weights_change_every_n_steps(setting, steps, rounds, epochs, at, trained, blobs):
    changes = Changes()
    _, _, history = fit(setting, blobs, steps, rounds, epochs, [changes])
    assert changes.at == at
    assert changes.steps == trained
    ends = [min(BATCHES * (epoch + 1), trained) for epoch in range(math.ceil(trained / BATCHES))]
    assert history["reinit_round"] == [sum(start < end for start in at) for end in ends]


@over("FC")
def test_steps_of_whole_epochs_are_epochs(setting, blobs):
    of_steps, _, _ = fit(setting, blobs, 2 * BATCHES, 3, 9)
    model = setting.model()
    method = setting.callback(until=kr.rounds.Fixed(epochs=2), rounds=3)
    model.set_weights(setting.model().get_weights())
    assert method.max_epochs(model) == 6
    assert (
        kr.callbacks.Reinit(method.method, kr.rounds.Steps(2 * BATCHES), 3).max_epochs(
            model, steps_per_epoch=BATCHES
        )
        == 6
    )
    assert of_steps.optimizer.iterations == 2 * BATCHES  # as new at the start of the last round


@pytest.mark.backends("tensorflow", "jax", reason="several steps at once")
@over("S&P")
@pytest.mark.parametrize(
    ("at_once", "steps", "at"), [(2, 4, [4, 8]), (4, 5, [6, 10]), (3, 3, [3, 6])]
)
def test_several_steps_at_once(setting, at_once, steps, at, blobs):
    """Executions end after 2, 4, 6; after 4, 6, 10, 12; after 3, 6 steps of each epoch."""
    changes = Changes()
    _, _, history = fit(setting, blobs, steps, 3, 9, [changes], at_once)
    assert changes.at == at
    assert history["reinit_round"][-1] == 2
    assert changes.steps >= 3 * steps


class Killed(Exception):
    pass


class Kill(keras.callbacks.Callback):
    def __init__(self, step):
        super().__init__()
        self._left = step

    def on_train_batch_end(self, batch, logs=None):
        self._left -= 1
        if self._left == 0:
            raise Killed


@over("WELS", "S&P")
@pytest.mark.parametrize("step", [3, 7, 11, 14])
def test_a_killed_training_goes_on_bit_by_bit(setting, step, blobs, tmp_path):
    keras.utils.set_random_seed(1)
    whole, _, _ = fit(setting, blobs, 4, 4, 9)
    keras.utils.set_random_seed(1)
    backup = kr.callbacks.Backup(tmp_path)
    with pytest.raises(Killed):
        fit(setting, blobs, 4, 4, 9, [backup, Kill(step)])
    keras.utils.set_random_seed(2)
    resumed, _, _ = fit(setting, blobs, 4, 4, 9, [kr.callbacks.Backup(tmp_path)])
    if step < BATCHES:  # no epoch was over: another beginning
        return
    for a, b in zip(whole.get_weights(), resumed.get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)


@over("S&P")
def test_a_training_that_is_over_stays_as_it_is(setting, blobs, tmp_path):
    backup = kr.callbacks.Backup(tmp_path, delete_checkpoint=False)
    model, _, _ = fit(setting, blobs, 4, 3, 9, [backup])
    again, _, _ = fit(setting, blobs, 4, 3, 9, [kr.callbacks.Backup(tmp_path)])
    for a, b in zip(model.get_weights(), again.get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)


@pytest.mark.parametrize("n", [0, -1, 1.5, "3", None, True, kr.rounds.Converged("val_loss")])
def test_a_number_of_steps_is_a_positive_int(n):
    with pytest.raises(ValueError, match=r"`n` must be an int, at least 1. Received: n="):
        kr.rounds.Steps(n)


@over("S&P")
def test_what_cannot_be_counted_is_refused(setting, blobs):
    method = setting.callback(until=kr.rounds.Steps(4))
    with pytest.raises(ValueError, match=r"Steps\(n=4\) counts steps.*steps_per_epoch=None"):
        method.max_epochs(setting.model())
    with pytest.raises(ValueError, match="A stage ends with an epoch.*Steps"):
        kr.training.WarmStart(setting.model(), "warm", until=kr.rounds.Steps(4))
    if keras.backend.backend() != "torch":
        with pytest.raises(ValueError, match="steps_per_execution=5. Expected at least as many"):
            fit(setting, blobs, 4, 3, 9, at_once=5)
