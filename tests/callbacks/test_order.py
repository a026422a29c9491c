"""Where the method stands in the list of callbacks does not matter."""

import keras
import numpy as np
import pytest

import keras_reinit as kr
from tests.settings import EAGER, SETTINGS

ROUNDS, EPOCHS = 3, 2


def run(blobs, neighbour, first, optimizer=None, until=None, epochs=9, more=()):
    """(history, learning rates of the epochs, final weights) with a callback before or after."""
    keras.utils.set_random_seed(0)
    model = SETTINGS["S&P"].model()
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(
        optimizer or keras.optimizers.SGD(0.5), loss, metrics=["accuracy"], run_eagerly=EAGER
    )
    method = SETTINGS["S&P"].callback(until=until or kr.rounds.Fixed(EPOCHS))
    rates = []
    look = keras.callbacks.LambdaCallback(
        on_train_batch_begin=lambda batch, logs: (
            batch or rates.append(float(np.array(model.optimizer.learning_rate)))
        )
    )
    pair = [neighbour, method] if first else [method, neighbour]
    x, y = blobs
    history = model.fit(
        x,
        y,
        batch_size=48,
        epochs=epochs,
        validation_data=(x, y),
        callbacks=[*pair, look, *more],
        shuffle=False,
        verbose=0,
    ).history
    return history, rates, model.get_weights()


NEIGHBOURS = {
    "scheduler": lambda _: keras.callbacks.LearningRateScheduler(lambda epoch: 0.1 * 0.5**epoch),
    "scheduler of steps": lambda _: keras.callbacks.LearningRateScheduler(
        lambda epoch, rate: 0.25 if epoch < 3 else 0.125
    ),
    "plateau": lambda _: keras.callbacks.ReduceLROnPlateau("loss", patience=1, min_delta=10.0),
    "early stopping": lambda _: keras.callbacks.EarlyStopping("loss", patience=3),
    "best weights": lambda _: keras.callbacks.EarlyStopping(
        "loss", patience=9, restore_best_weights=True
    ),
    "checkpoint": lambda path: keras.callbacks.ModelCheckpoint(
        path / "{epoch}.weights.h5", save_weights_only=True
    ),
    "keras backup": lambda path: keras.callbacks.BackupAndRestore(path / "keras"),
    "backup": lambda path: kr.callbacks.Backup(path / "ours"),
    "csv": lambda path: keras.callbacks.CSVLogger(path / "log.csv"),
    "nan": lambda _: keras.callbacks.TerminateOnNaN(),
}


@pytest.mark.parametrize("kind", NEIGHBOURS)
def test_before_or_after_the_method(kind, blobs, tmp_path):
    (tmp_path / "a").mkdir()
    (tmp_path / "b").mkdir()
    before = run(blobs, NEIGHBOURS[kind](tmp_path / "a"), first=True)
    after = run(blobs, NEIGHBOURS[kind](tmp_path / "b"), first=False)
    assert before[0]["reinit_round"] == after[0]["reinit_round"] == [0, 0, 1, 1, 2, 2]
    assert before[1] == after[1]
    for a, b in zip(before[2], after[2], strict=True):
        np.testing.assert_array_equal(a, b)
    if kind == "scheduler":
        np.testing.assert_allclose(before[1], [0.1 * 0.5**epoch for epoch in range(6)], rtol=1e-6)
    if kind == "checkpoint":
        for epoch in range(1, 7):
            files = [tmp_path / part / f"{epoch}.weights.h5" for part in "ab"]
            one, two = (SETTINGS["S&P"].model() for _ in files)
            one.load_weights(files[0], skip_mismatch=True)
            two.load_weights(files[1], skip_mismatch=True)
            for a, b in zip(one.get_weights(), two.get_weights(), strict=True):
                np.testing.assert_array_equal(a, b)


@pytest.mark.parametrize("first", [True, False], ids=["before", "after"])
def test_each_round_has_counters_of_its_own(first, blobs):
    """The patience of both is as long as a round, and no round is better than its first epoch."""
    plateau = keras.callbacks.ReduceLROnPlateau("loss", factor=0.5, patience=2, min_delta=10.0)
    stopping = keras.callbacks.EarlyStopping("loss", patience=2, min_delta=10.0)
    history, rates, _ = run(blobs, plateau, first, more=[stopping])
    assert history["reinit_round"] == [0, 0, 1, 1, 2, 2]
    np.testing.assert_allclose(rates, 0.5)


def test_a_metric_that_a_callback_adds_can_end_rounds(blobs):
    def add(epoch, logs):
        logs["val_f1"] = [0.1, 0.2, 0.2, 0.9, 0.9, 0.5, 0.5, 0.4][epoch]

    metric = keras.callbacks.LambdaCallback(on_epoch_end=add)
    rule = kr.rounds.Converged("val_f1", patience=1, max_epochs=9)
    history, _, _ = run(blobs, metric, first=True, until=rule)
    assert history["reinit_round"] == [0, 0, 0, 1, 1, 2, 2]


@pytest.mark.parametrize("first", [True, False], ids=["before", "after"])
def test_averages_that_are_swapped_in_come_back_before_a_round_begins(first, blobs):
    swap = keras.callbacks.SwapEMAWeights(swap_on_epoch=True)
    optimizers = [keras.optimizers.SGD(0.5, use_ema=True, ema_momentum=0.5) for _ in range(2)]
    idle = keras.callbacks.Callback()
    _, _, swapped = run(blobs, swap, first, optimizers[0], epochs=ROUNDS * EPOCHS)
    _, _, plain = run(blobs, idle, first, optimizers[1], epochs=ROUNDS * EPOCHS)
    for a, b in zip(swapped, plain, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-6)  # it swaps by adding


def test_a_callback_in_no_list_acts_by_itself(blobs):
    model = SETTINGS["S&P"].model()
    method = SETTINGS["S&P"].callback()
    method.set_model(model)
    method.on_train_begin()
    before = model.get_weights()
    for epoch in range(2):
        method.on_epoch_begin(epoch)
        method.on_epoch_end(epoch, {"loss": 1.0})
    assert not np.array_equal(before[0], model.get_weights()[0])
