"""A round that ends far worse than the one before is a number in the logs, and said once."""

import json
import logging
import math

import keras
import numpy as np
import pytest

import keras_reinit as kr
from keras_reinit.callbacks.round_state import RoundState, after_epoch, after_round, collapsed
from tests.settings import SETTINGS


def state_after(rounds, name="accuracy"):
    """The state at the end of rounds of given values."""
    rule, state = kr.rounds.Fixed(100), RoundState(0, [None])
    for index, values in enumerate(rounds):
        state = after_round(state, index)
        for value in values:
            state = after_epoch(state, rule, state.epoch + 1, 1, {name: value}, list)
    return state


@pytest.mark.parametrize(
    ("rounds", "share", "has_collapsed"),
    [
        ([[0.2, 0.9]], 1.0, False),  # the first round
        ([[0.2, 1.0], [0.3, 1.0]], 1.0, False),
        ([[0.2, 1.0], [0.3, 0.7]], 0.625, False),
        ([[0.2, 1.0], [0.1, 0.4]], 1 / 3, True),
        ([[0.2, 1.0], [0.1, 0.1]], 0.0, True),  # chance
        ([[0.98, 0.99], [0.95, 0.95]], 0.0, False),  # four points
        ([[0.9], [0.1]], 0.0, True),  # rounds of one epoch
        ([[0.5, 0.5], [0.5]], 1.0, False),  # nothing was gained
        ([[0.2, 0.4], [0.3, 0.8]], 3.0, False),  # better than before
    ],
)
def test_the_share_of_what_was_gained(rounds, share, has_collapsed):
    state = state_after(rounds)
    assert state.recovery.share == pytest.approx(share)
    assert collapsed(state) == has_collapsed


def test_of_the_loss_where_there_is_no_accuracy():
    assert state_after([[2.0, 0.1], [2.1, 0.3]], "loss").recovery.share == pytest.approx(0.9)
    assert not collapsed(state_after([[2.0, 0.1], [2.1, 0.3]], "loss"))
    assert collapsed(state_after([[2.0, 0.1], [2.3, 2.2]], "loss"))
    assert not collapsed(state_after([[2.0, 0.1], [2.3, 2.2]], "some_other_metric"))


def test_a_state_comes_back_from_json_bit_by_bit():
    state = state_after([[0.2, 1.0], [0.1, 0.4]])
    again = RoundState.of_meta(json.loads(json.dumps(state.as_meta())), [])
    assert again.recovery == state.recovery
    assert json.dumps(again.as_meta()) == json.dumps(state.as_meta())
    assert math.isnan(RoundState(0, [0.1]).recovery.now)


def train(shrink, perturb, caplog):
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(64, 6)).astype("float32"), rng.integers(0, 3, 64)
    keras.utils.set_random_seed(0)
    model = SETTINGS["S&P"].model()
    model.compile(keras.optimizers.Adam(0.02), model.loss, metrics=["accuracy"])
    method = kr.callbacks.ShrinkPerturb(
        shrink, perturb, until=kr.rounds.Fixed(epochs=30), rounds=5, seed=0
    )

    def stop_learning(epoch, _):
        if epoch == 30:
            model.optimizer.learning_rate.assign(0.0)

    freeze = keras.callbacks.LambdaCallback(on_epoch_begin=stop_learning)
    with caplog.at_level(logging.WARNING, "keras_reinit"):
        history = model.fit(
            x, y, epochs=150, callbacks=[method, freeze] if shrink == 0 else [method], verbose=0
        ).history
    return history["reinit_recovered"], [record.getMessage() for record in caplog.records]


def test_a_collapse_is_said_once_with_what_to_try(caplog):
    recovered, messages = train(0, 1, caplog)
    assert recovered[:30] == [1.0] * 30
    assert min(recovered[30:]) < 0.5
    (message,) = messages
    assert "Round 1 ended with" in message
    assert "ShrinkPerturb(shrink=0, perturb=1" in message
    assert "longer rounds" in message


def test_nothing_is_said_where_rounds_recover(caplog):
    recovered, messages = train(0.8, 0.01, caplog)
    assert messages == []
    assert recovered[-1] > 0.5
