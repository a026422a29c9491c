"""What methods take, how they are copied and serialised, and what they refuse."""

import copy
import json
import math

import keras
import numpy as np
import pytest

from keras_reinit.rounds import Converged, Fixed
from tests.settings import METHODS, SETTINGS, all_methods, over

plain_methods = pytest.mark.parametrize(
    "setting", [s for s in METHODS if not s.needs_blocks], ids=lambda setting: setting.identifier
)
NAN = math.nan


def weights(model):
    return [w.numpy() for w in model.weights]


def assert_same(one, other):
    for a, b in zip(one, other, strict=True):
        np.testing.assert_array_equal(a, b)


# -- Arguments ------------------------------------------------------------------------------------


@all_methods
@pytest.mark.parametrize(
    ("changes", "error", "message"),
    [
        ({"until": 3}, TypeError, "rule of keras_reinit.rounds.*Received: until=3"),
        ({"until": None}, TypeError, "Received: until=None"),
        ({"until": "converged"}, TypeError, "Received: until='converged'"),
        ({"until": Fixed}, TypeError, "Received: until="),
        ({"seed": 1.5}, TypeError, "Received: seed=1.5"),
        ({"seed": "0"}, TypeError, "Received: seed='0'"),
    ],
)
def test_bad_arguments_of_every_method(setting, changes, error, message):
    with pytest.raises(error, match=message):
        setting.callback(**changes)


@plain_methods
@pytest.mark.parametrize("rounds", [0, -1, 2.0, True, "3", NAN])
def test_rounds_are_a_positive_int(setting, rounds):
    with pytest.raises(ValueError, match="`rounds` must be an int, at least 1. Received: rounds="):
        setting.callback(rounds=rounds)


BAD = {
    "LW": [{"iterations": 0}, {"iterations": 1.5}, {"rescale": "rows"}, {"rescale": True}],
    "FC": [{"last": 0}, {"last": -1}, {"last": 1.0}],
    "WELSR": [{"fraction": f} for f in (-0.1, 1.1, NAN)] + [{"scope": "model"}],
    "WELS": [{"fraction": f} for f in (-0.1, 1.1, NAN)] + [{"scope": None}],
    "DSD": [{"fraction": f} for f in (-0.1, 1.1, NAN)] + [{"scope": "all"}],
    "S&P": [{k: v} for k in ("shrink", "perturb") for v in (-1, NAN, math.inf)]
    + [{"noise": "uniform"}],
    "LLF": [{"from_layer": 3}, {"biases": "no"}, {"norms": None}],
    "reset": [{"rounds": 0}],
}


@all_methods
def test_bad_arguments_of_each_method(setting):
    for changes in BAD[setting.identifier]:
        (name,) = changes
        with pytest.raises(ValueError, match=f"Received: {name}="):
            setting.callback(**changes)


@all_methods
def test_copies_and_configs(setting):
    callback = setting.callback(until=Converged("val_accuracy", 3, 9, mode="max"), seed=4)
    config = callback.get_config()
    assert json.loads(json.dumps(config)) == config
    twins = [
        copy.deepcopy(callback),
        type(callback).from_config(config),
        keras.saving.deserialize_keras_object(keras.saving.serialize_keras_object(callback)),
    ]
    for twin in twins:
        assert type(twin) is type(callback)
        assert twin.get_config() == config
        assert twin.until == callback.until
    if setting.needs_blocks:
        assert twins[0].sample is callback.sample
        assert "sample" not in config
        assert twins[1].sample is None


# -- What is refused in `fit` ---------------------------------------------------------------------


def refused(fit, model, message, *callbacks, error=ValueError, **arguments):
    before = [v.numpy() for v in model.variables]
    with pytest.raises(error, match=f"(?s){message}"):
        fit(model, *callbacks, **arguments)
    return before


@pytest.mark.parametrize(
    ("identifier", "changes", "message"),
    [
        ("LW", {"sample": None}, "Received: sample=None.*Expected e.g. sample="),
        *(
            (name, {"rounds": None}, "rounds=None. Expected `rounds`, or a ReinitModel")
            for name in ("FC", "WELSR", "S&P", "LLF")
        ),
        ("FC", {"last": 9}, "4 dense layers|3 dense layers"),
        ("LLF", {"from_layer": "block9"}, "from_layer='block9'. Expected one of .*'block1_dense'"),
        ("LLF", {"where": "block1_dense"}, "where='block1_dense'.*Expected a trainable layer"),
        ("S&P", {"where": "conv"}, "pattern='conv'.*Trainable variables"),
        ("WELS", {"where": "("}, "regular expression.*Received: '\\('"),
    ],
)
def test_a_method_that_cannot_work_is_refused_before_anything_changes(
    identifier, changes, message, fit
):
    setting = SETTINGS[identifier]
    model = setting.model()
    before = refused(fit, model, message, setting.callback(**changes))
    assert_same(before, [v.numpy() for v in model.variables])


def test_layerwise_needs_blocks(fit):
    model = SETTINGS["FC"].model()
    before = refused(
        fit, model, "Received: a model of.*Expected ReinitModel", SETTINGS["LW"].callback()
    )
    assert_same(before, [v.numpy() for v in model.variables])


def test_frozen_layers_cannot_be_learned_again(fit):
    setting = SETTINGS["FC"]
    model = setting.model()
    for name in ("block2_dense", "block3_dense", "head"):
        model.get_layer(name).trainable = False
    refused(fit, model, "'block2_dense' on is frozen", setting.callback())


@pytest.mark.backends("tensorflow", reason="built by the first batch alone")
def test_a_model_that_is_not_built(fit):
    model = keras.Sequential([keras.layers.Dense(3)], name="late")
    model.compile("sgd", keras.losses.SparseCategoricalCrossentropy(from_logits=True))
    with pytest.raises(ValueError, match="'late' has no weights yet"):
        fit(model, SETTINGS["WELSR"].callback())


def test_two_methods_are_refused(fit):
    model = SETTINGS["FC"].model()
    refused(
        fit,
        model,
        "One re-initialisation method",
        SETTINGS["FC"].callback(),
        SETTINGS["WELSR"].callback(),
    )


@over("LW", "DSD")
def test_a_monitored_value_that_is_not_there(setting, fit):
    rule = Converged(monitor="val_loss", patience=3)
    refused(
        fit,
        setting.model(),
        "needs 'val_loss'.*Received.*'loss'.*Expected validation",
        setting.callback(until=rule),
    )


@over("LW", "DSD")
def test_a_loss_that_is_not_finite(setting, fit):
    model = setting.model()
    model.compile("sgd", lambda y, p: keras.ops.mean(p) * NAN)
    refused(fit, model, "loss is not finite.*epoch 0.*Received: loss=nan", setting.callback())


@all_methods
def test_weights_that_are_not_finite(setting, fit):
    model = setting.model()
    model.get_layer("block2_dense").bias.assign(np.full(8, NAN))
    before = refused(fit, model, "'block2_dense/bias'.*not finite", setting.callback())
    assert_same(before, [v.numpy() for v in model.variables])


def test_a_dead_block_leaves_the_weights_of_the_round_before(fit):
    setting = SETTINGS["LW"]
    model = setting.model()
    model.get_layer("block2_dense").kernel.assign(np.zeros((8, 8)))
    ends = []
    note = keras.callbacks.LambdaCallback(on_epoch_end=lambda *_: ends.append(weights(model)))
    model.get_layer("block2_dense").trainable = False
    model.compile("sgd", keras.losses.SparseCategoricalCrossentropy(from_logits=True))
    refused(fit, model, "'block2'.*constant", setting.callback(rescale=None), note)
    assert len(ends) == 1
    assert_same(ends[0], weights(model))


def test_a_training_that_failed_leaves_a_model_that_can_be_trained(fit):
    setting = SETTINGS["WELSR"]
    model = setting.model()
    refused(fit, model, "needs 'x'", setting.callback(until=Converged("x", 3, mode="min")))
    assert fit(model, setting.callback()).history["reinit_round"] == [0, 1, 2]
    assert fit(model, epochs=1).epoch == [0]
