"""What a hypermodel is made of, what it refuses, and how it shows what was found."""

import subprocess
import sys

import keras
import keras_tuner
import pytest
from keras_tuner.errors import FatalTypeError, FatalValueError

import keras_reinit as kr
from keras_reinit.tuner import ReinitHyperModel
from tests.tuner.conftest import network


def test_the_package_does_not_import_keras_tuner_and_the_tuner_names_the_extra():
    program = """
import sys
import keras_reinit as kr
assert not {"keras_tuner", "tensorboard"} & set(sys.modules)
for missing in ("tensorboard", "keras_tuner"):
    sys.modules[missing] = None
    try:
        kr.tuner.ReinitHyperModel
    except ImportError as error:
        assert missing in str(error), error
        assert "pip install keras-reinit[tuner]" in str(error), error
    else:
        raise AssertionError(f"imported without {missing}")
    del sys.modules[missing]
try:
    kr.tunner
except AttributeError as error:
    assert "tunner" in str(error)
else:
    raise AssertionError
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_every_method_is_searched_by_default():
    assert set(ReinitHyperModel(network).methods) == set(kr.methods.METHODS)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"methods": ("BL", "WLES")}, "'WLES'. Did you mean 'WELS'"),
        ({"rounds": (0, 3)}, "rounds=\\(0, 3\\). Expected .* ints, at least 1"),
        ({"iterations": 1.5}, "iterations=1.5"),
        ({"shrink": (0.9, 0.1)}, "shrink=\\(0.9, 0.1\\)"),
        ({"shrink": None}, "shrink=None"),
        ({"fraction": (0.5, 1.5)}, "at most 1"),
        ({"perturb": (0.0, 0.5)}, "perturb=\\(0.0, 0.5\\). Expected .* low above 0"),
        ({"learning_rate": (0.1, float("inf"))}, "learning_rate"),
        ({"weight_decay": "small"}, "weight_decay='small'"),
    ],
)
def test_what_is_no_range_or_method_is_refused(arguments, message):
    with pytest.raises(ValueError, match=message):
        ReinitHyperModel(network, **arguments)


def rows_of(_, y):
    """A loss that no registry knows, with a gradient."""
    return keras.ops.mean(y**2, axis=-1)


def test_a_network_for_layerwise_is_wrapped_and_compiled_as_it_was():
    def build(hp):
        model = kr.backbones.mlp((6,), classes=3, hidden=(hp.Int("units", 4, 8), 4))
        optimizer = keras.optimizers.AdamW(0.5)
        model.compile(optimizer, rows_of, metrics=["accuracy"], steps_per_execution=3)
        build.optimizer = optimizer
        return model

    hp = keras_tuner.HyperParameters()
    model = ReinitHyperModel(build, learning_rate=None, weight_decay=0.25).build(hp)
    assert isinstance(model, kr.ReinitModel)
    assert len(model.blocks) == 2
    assert model.loss is rows_of
    assert model.steps_per_execution == 3
    assert model.optimizer is build.optimizer
    assert float(model.optimizer.learning_rate) == 0.5
    assert model.optimizer.weight_decay == 0.25
    assert {"method", "units"} <= set(hp.values)
    assert not {"learning_rate", "weight_decay"} & set(hp.values)
    assert not isinstance(ReinitHyperModel(build, ("BL", "S&P")).build(hp), kr.ReinitModel)


def test_a_schedule_is_left_alone():
    def build(hp):
        model = network(hp)
        schedule = keras.optimizers.schedules.CosineDecay(0.1, 10)
        model.compile(keras.optimizers.SGD(schedule), "mse")
        return model

    hp = keras_tuner.HyperParameters()
    ReinitHyperModel(build, learning_rate=None).build(hp)
    with pytest.raises(ValueError, match="follows a schedule"):
        ReinitHyperModel(build).build(keras_tuner.HyperParameters())


def not_compiled(hp):
    return kr.backbones.mlp((6,), classes=3, hidden=(4,))


def not_built(hp):
    model = keras.Sequential([keras.layers.Dense(3)])
    model.compile("sgd", "mse")
    return model


def without_blocks(hp):
    model = keras.Sequential([keras.Input((6,)), keras.layers.Dense(3)])
    model.compile("sgd", "mse")
    return model


@pytest.mark.parametrize("build", [not_compiled, not_built, without_blocks])
def test_what_is_no_network_is_refused_before_the_search(build, make_tuner):
    expected = (
        "can be cut into blocks" if build is without_blocks else "has weights and is compiled"
    )
    with pytest.raises((FatalTypeError, FatalValueError), match=expected):
        make_tuner(ReinitHyperModel(build), max_trials=1)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"epochs": None}, "epochs=None\\) for 3 rounds of FC"),
        ({"epochs": 2}, "epochs=2\\) for 3 rounds of FC"),
        ({"callbacks": [kr.callbacks.ShrinkPerturb(until=kr.rounds.Fixed(1))]}, "chooses the me"),
        ({"validation_freq": 2}, "validation_freq=1"),
    ],
)
def test_a_search_that_cannot_work_ends_at_once(changes, message, make_tuner, search):
    tuner = make_tuner(ReinitHyperModel(network, ("FC",), rounds=3), max_trials=3)
    with pytest.raises(FatalValueError, match=message):
        search(tuner, **changes)


class Wide(keras_tuner.HyperModel):
    """Tunes a parameter of its own in `fit`, too."""

    def build(self, hp):
        return network(hp)

    def fit(self, hp, model, *args, **kwargs):
        kwargs["batch_size"] = hp.Choice("batch_size", [12, 16])
        return model.fit(*args, **kwargs)


def test_a_hypermodel_is_wrapped_too(make_tuner, search):
    tuner = search(make_tuner(ReinitHyperModel(Wide(), ("S&P",), rounds=2), max_trials=1), epochs=2)
    (row,) = kr.tuner.trials(tuner)
    assert row["status"] == "COMPLETED"
    assert row["batch_size"] in (12, 16)


def test_a_trial_that_fails_says_why(make_tuner, search):
    hypermodel = ReinitHyperModel(network, ("BL",), learning_rate=(1e30, 1e32))
    tuner = search(make_tuner(hypermodel, max_trials=1), epochs=4)
    (row,) = kr.tuner.trials(tuner)
    assert (row["status"], row["score"]) == ("FAILED", None)
    assert "training diverged" in row["error"]
    assert f"0: FAILED: {row['error']}" in kr.tuner.table(tuner)


def test_a_worker_knows_no_trials(make_tuner, monkeypatch):
    for name, value in (("IP", "127.0.0.1"), ("PORT", "1")):
        monkeypatch.setenv(f"KERASTUNER_ORACLE_{name}", value)
    monkeypatch.setenv("KERASTUNER_TUNER_ID", "tuner0")
    tuner = make_tuner(ReinitHyperModel(network), max_trials=1)
    with pytest.raises(ValueError, match="A worker does not know all trials"):
        kr.tuner.trials(tuner)


def test_the_table_has_the_best_trial_on_top(make_tuner):
    tuner = make_tuner(ReinitHyperModel(network, ("BL", "S&P")), direction="max", max_trials=3)
    assert kr.tuner.trials(tuner) == []
    for score, values in ((0.5, {"method": "BL"}), (0.75, {"method": "S&P", "shrink": 0.12345})):
        trial = tuner.oracle.create_trial("tuner0")
        trial.hyperparameters.values = {**values, "learning_rate": 0.01}
        tuner.oracle.update_trial(trial.trial_id, {"val_loss": score})
        trial.status = "COMPLETED"
        tuner.oracle.end_trial(trial)
    best, worst = kr.tuner.trials(tuner)
    assert (best["score"], best["method"], best["shrink"]) == (0.75, "S&P", 0.12345)
    assert (worst["score"], worst["method"], worst["shrink"]) == (0.5, "BL", None)
    header, first, second = kr.tuner.table(tuner).splitlines()
    names = ["trial", "score", "method", "rounds", "shrink", "perturb"]
    assert header.split() == [*names, "learning_rate", "weight_decay"]
    assert [*first.split()[:3], first.split()[4]] == ["1", "0.75", "S&P", "0.1235"]
    assert second.split()[:6] == ["0", "0.5", "BL", "-", "-", "-"]
