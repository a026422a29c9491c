"""What every method does in `fit`: rounds, logs, learning rates, best weights, neighbours."""

import copy
import csv

import keras
import numpy as np
import pytest

import keras_reinit as kr
from keras_reinit.rounds import Accuracy, Converged, Fixed
from tests.settings import METHODS, ROUNDS, SETTINGS, all_methods, network, over

plain_methods = pytest.mark.parametrize(
    "setting", [s for s in METHODS if not s.needs_blocks], ids=lambda setting: setting.identifier
)


def weights(model):
    return [w.numpy() for w in model.weights]


def assert_same(one, other):
    for a, b in zip(one, other, strict=True):
        np.testing.assert_array_equal(a, b)


def at(event, note):
    """A callback that appends what `note(model, logs)` gives at an event to its `seen`."""

    class Recorder(keras.callbacks.Callback):
        def __init__(self):
            super().__init__()
            self.seen = []

    def hook(self, epoch, logs=None):
        self.seen.append(note(self.model, logs))

    setattr(Recorder, event, hook)
    return Recorder()


def scripted(values, name="val_loss"):
    """A callback that puts values of our choice into the logs; list it before the method."""

    class Script(keras.callbacks.Callback):
        def on_epoch_end(self, epoch, logs=None):
            logs[name] = values[epoch]

    return Script()


# -- Rounds and logs ------------------------------------------------------------------------------


@all_methods
def test_rounds_are_counted_and_training_stops_after_the_last(setting, fit, tmp_path):
    callback = setting.callback(until=Fixed(2))
    model = setting.model()
    assert callback.max_epochs(model) == 2 * ROUNDS
    logger = keras.callbacks.CSVLogger(tmp_path / "log.csv")
    history = fit(model, callback, logger).history
    assert history["reinit_round"] == [0, 0, 1, 1, 2, 2]
    entries = history["reinit_entries"]
    assert entries[1::2] == [0, 0, 0]
    assert entries[2] > 0
    assert entries[4] > 0
    assert (entries[0] > 0) == setting.needs_blocks
    with open(tmp_path / "log.csv") as file:
        rows = list(csv.DictReader(file))
    assert [int(float(row["reinit_round"])) for row in rows] == history["reinit_round"]


@all_methods
def test_a_short_training_is_cut_off_in_peace(setting, fit):
    assert fit(setting.model(), setting.callback(until=Fixed(2)), epochs=3).history[
        "reinit_round"
    ] == [0, 0, 1]


@plain_methods
def test_a_block_a_round_where_rounds_are_not_given(setting, fit):
    model = kr.ReinitModel(network())
    model.compile("sgd", "mse")
    callback = setting.callback(rounds=None)
    assert callback.max_epochs(model) == ROUNDS
    model.compile("sgd", keras.losses.SparseCategoricalCrossentropy(from_logits=True))
    assert fit(model, callback).history["reinit_round"] == [0, 1, 2]


@plain_methods
def test_one_round_is_plain_training(setting, fit):
    model, other = setting.model(), setting.model()
    other.set_weights(model.get_weights())
    fit(model, setting.callback(rounds=1, until=Fixed(2)))
    fit(other, epochs=2)
    assert_same(weights(model), weights(other))


@all_methods
def test_seeds_decide_and_a_used_callback_starts_anew(setting, fit):
    callback, start, ends = setting.callback(seed=1), None, []
    for each in (callback, callback, copy.deepcopy(callback), setting.callback(seed=2)):
        model = setting.model()
        start = start or model.get_weights()
        model.set_weights(start)
        fit(model, each)
        ends.append(weights(model))
    assert_same(ends[0], ends[1])
    assert_same(ends[0], ends[2])
    assert any(np.any(a != b) for a, b in zip(ends[0], ends[3], strict=True))


def test_an_initial_epoch_that_is_none_of_a_backup(fit):
    setting = SETTINGS["WELSR"]
    history = fit(setting.model(), setting.callback(), initial_epoch=5)
    assert history.epoch == [5, 6, 7]
    assert history.history["reinit_round"] == [0, 1, 2]


# -- Tracing --------------------------------------------------------------------------------------


@pytest.mark.backends("tensorflow", "jax", reason="tracing")
@all_methods
def test_nothing_is_traced_again_after_the_first_epoch(setting, fit):
    if setting.identifier in ("LW", "DSD"):  # with a loss scale too
        keras.config.set_dtype_policy("mixed_float16")
    model, traces = setting.model(), []

    def loss(y, logits):
        traces.append(1)
        return keras.losses.sparse_categorical_crossentropy(y, logits, from_logits=True)

    model.compile(keras.optimizers.Adam(0.01), loss)
    count = at("on_epoch_end", lambda *_: len(traces))
    fit(model, setting.callback(), count, eager=False)
    assert len(count.seen) == ROUNDS
    assert len(set(count.seen)) == 1


@pytest.mark.backends("tensorflow", "jax", reason="steps_per_execution")
@over("LW", "DSD")
def test_several_steps_an_execution(setting, fit):
    model, other = setting.model(), setting.model()
    other.set_weights(model.get_weights())
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    for each, steps in ((model, 3), (other, 1)):
        optimizer = keras.optimizers.SGD(0.1)
        each.compile(optimizer, loss, metrics=["accuracy"], steps_per_execution=steps)
        fit(each, setting.callback(until=Accuracy(0.999, max_epochs=2)), eager=False)
    for a, b in zip(weights(model), weights(other), strict=True):
        np.testing.assert_allclose(a, b, atol=1e-5)


# -- The optimizer --------------------------------------------------------------------------------


def rate(model, _):
    return float(keras.ops.convert_to_numpy(model.optimizer.learning_rate))


@over("LW", "DSD")
def test_every_round_starts_with_the_first_learning_rate(setting, fit):
    model = setting.model()
    values = [1, 2, 3, 4, 5] * ROUNDS
    rule = Converged(patience=4, max_epochs=9, lr_factor=0.5, lr_patience=1)
    rates = at("on_epoch_begin", rate)
    history = fit(model, scripted(values), setting.callback(until=rule), rates).history
    assert history["reinit_round"] == [0] * 5 + [1] * 5 + [2] * 5
    expected = [0.01, 0.01, 0.005, 0.0025, 0.00125] * ROUNDS
    np.testing.assert_allclose(rates.seen, expected, rtol=1e-6)


@pytest.mark.parametrize("first", [True, False], ids=["before", "after"])
def test_the_plateau_of_keras_beside_ours(first, fit):
    setting = SETTINGS["WELSR"]
    model, rates = setting.model(), at("on_epoch_begin", rate)
    plateau = keras.callbacks.ReduceLROnPlateau("val_loss", 0.5, patience=1, cooldown=0)
    neighbours = [plateau, setting.callback(until=Fixed(3))]
    fit(model, scripted([1.0] * 9), *(neighbours if first else neighbours[::-1]), rates)
    assert rates.seen[0] == rates.seen[3] == rates.seen[6] == pytest.approx(0.01)
    assert rates.seen[2] < 0.01


@plain_methods
def test_without_a_reset_the_optimizer_goes_on(setting, fit):
    model = setting.model()
    steps = at("on_epoch_begin", lambda model, _: int(model.optimizer.iterations.numpy()))
    fit(model, setting.callback(reset_optimizer=False), steps)
    assert steps.seen == [0, 3, 6]


@all_methods
def test_slots_and_schedules_start_again(setting, fit):
    model = setting.model()
    schedule = keras.optimizers.schedules.ExponentialDecay(0.1, 3, 0.5)
    model.compile(
        keras.optimizers.Adam(schedule),
        keras.losses.SparseCategoricalCrossentropy(from_logits=True),
    )
    slots = at("on_epoch_begin", lambda m, _: [np.array(v) for v in m.optimizer.variables])
    rates = at("on_epoch_end", rate)
    fit(model, setting.callback(until=Fixed(2)), slots, rates)
    for epoch, values in enumerate(slots.seen):
        assert any(np.any(value != 0) for value in values) == (epoch % 2 == 1)
    np.testing.assert_allclose(rates.seen, [0.05, 0.025] * ROUNDS, rtol=1e-6)


def test_a_schedule_cannot_be_cut(fit):
    setting = SETTINGS["FC"]
    model = setting.model()
    schedule = keras.optimizers.schedules.CosineDecay(0.1, 100)
    model.compile(keras.optimizers.SGD(schedule), "sparse_categorical_crossentropy")
    rule = Converged(patience=3, lr_factor=0.5, lr_patience=1)
    with pytest.raises(ValueError, match="schedule.*Received: lr_factor=0.5"):
        fit(model, scripted([1.0] * 20), setting.callback(until=rule))


# -- Best weights ---------------------------------------------------------------------------------


@pytest.mark.parametrize("restore", [True, False])
def test_the_best_weights_of_a_round_begin_the_next_and_end_the_last(restore, fit):
    setting = SETTINGS["WELSR"]
    model = setting.model()
    values = [3.0, 1.0, 2.0, 2.0, 0.5, 0.6, 0.7, 9.0, 8.0, 8.5, 8.5]
    rule = Converged(patience=2, max_epochs=9, restore_best=restore)
    ends, begins = (
        at("on_epoch_end", lambda m, _: weights(m)),
        at("on_epoch_begin", lambda m, _: weights(m)),
    )
    method = setting.callback(until=rule, fraction=0.0)  # nothing is drawn: what begins is seen
    history = fit(model, scripted(values), method, ends, begins).history
    assert history["reinit_round"] == [0] * 4 + [1] * 3 + [2] * 4
    assert_same(begins.seen[4], ends.seen[1 if restore else 3])
    assert_same(begins.seen[7], ends.seen[4 if restore else 6])
    assert_same(weights(model), ends.seen[8 if restore else 10])


def test_the_best_of_one_round_is_not_compared_with_another(fit):
    setting = SETTINGS["S&P"]
    rule = Converged(patience=2, max_epochs=4)
    history = fit(
        setting.model(),
        scripted([0.1, 0.2, 0.3, 9, 8, 7, 6, 5, 5, 5]),
        setting.callback(until=rule),
    ).history
    assert history["reinit_round"] == [0] * 3 + [1] * 4 + [2] * 3


def test_accuracy_of_training_ends_rounds(fit):
    setting = SETTINGS["WELS"]
    rule = Accuracy(0.9, max_epochs=5)
    values = [0.5, 0.95, 0.9, 0.1, 0.1, 0.1, 0.1, 0.1]
    history = fit(
        setting.model(), scripted(values, "accuracy"), setting.callback(until=rule)
    ).history
    assert history["reinit_round"] == [0, 0, 1] + [2] * 5


# -- Neighbours -----------------------------------------------------------------------------------


@all_methods
def test_checkpoints_hold_trained_weights(setting, fit, tmp_path):
    model = setting.model()
    path = tmp_path / "{epoch}.weights.h5"
    checkpoint = keras.callbacks.ModelCheckpoint(path, save_weights_only=True)
    ends = at("on_epoch_end", lambda m, _: weights(m))
    fit(model, checkpoint, setting.callback(), ends)
    for epoch, expected in enumerate(ends.seen, start=1):
        twin = setting.model()
        twin.optimizer.build(twin.trainable_variables)
        twin.load_weights(tmp_path / f"{epoch}.weights.h5")
        assert_same(weights(twin), expected)


def test_whole_models_are_checkpointed_too(fit, tmp_path):
    setting = SETTINGS["LW"]
    checkpoint = keras.callbacks.ModelCheckpoint(
        tmp_path / "best.keras", "loss", save_best_only=True
    )
    model = setting.model()
    fit(model, setting.callback(), checkpoint)
    twin = keras.models.load_model(tmp_path / "best.keras")
    assert len(twin.blocks) == ROUNDS
    assert twin.init_norms == model.init_norms


@pytest.mark.parametrize("first", [True, False], ids=["before", "after"])
def test_early_stopping_of_keras_beside_ours(first, fit):
    setting = SETTINGS["S&P"]
    stopping = keras.callbacks.EarlyStopping("val_loss", patience=1)
    neighbours = [stopping, setting.callback(until=Fixed(3))]
    history = fit(
        setting.model(),
        scripted([3, 2, 1, 0.5, 0.6, 0.7, 0.8, 0.9, 1]),
        *(neighbours if first else neighbours[::-1]),
    ).history
    assert history["reinit_round"] == [0, 0, 0, 1, 1]


def test_seed_none_is_drawn_anew_for_each_training(fit):
    setting = SETTINGS["DSD"]
    callback, seeds = setting.callback(seed=None), []
    note = at("on_epoch_end", lambda *_: seeds.append(callback.training_seed))
    for _ in range(2):
        fit(setting.model(), callback, note)
    assert len(set(seeds)) == 2
    assert callback.seed is None
