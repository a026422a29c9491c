"""Methods as values: one value serves everywhere, also one of the user's own."""

import copy
import dataclasses
import json
import math

import keras
import numpy as np
import pytest

import keras_reinit as kr
from tests.settings import EAGER, SETTINGS, all_methods, network, over


@dataclasses.dataclass(frozen=True)
class Halve(kr.methods.Method):
    where: str | None = None

    def apply(self, model, context):
        chosen = kr.select(model, self.where)
        for variable in chosen.values():
            variable.assign(variable * 0.5)
        return sum(math.prod(variable.shape) for variable in chosen.values())


def compiled(model=None):
    model = network() if model is None else model
    model.compile(
        keras.optimizers.SGD(0.0),  # what changes is what methods change
        keras.losses.SparseCategoricalCrossentropy(from_logits=True),
        metrics=["accuracy"],
        run_eagerly=EAGER,
    )
    return model


def weights(model):
    return {name: np.array(variable) for name, variable in kr.select(model).items()}


def assert_halved(model, before, times, where=None):
    chosen = kr.select(model, where)
    for name, value in weights(model).items():
        np.testing.assert_array_equal(value, before[name] * 0.5 ** (times * (name in chosen)))


# -- A method of six lines ------------------------------------------------------------------------


def test_an_own_method_in_one_call():
    model = network()
    before = weights(model)
    assert kr.apply(model, Halve("head")) == 8 * 3 + 3
    assert_halved(model, before, 1, "head")


def test_an_own_method_between_rounds(blobs):
    model = compiled()
    before = weights(model)
    reinit = kr.callbacks.Reinit(Halve(), until=kr.rounds.Fixed(epochs=1), rounds=3, seed=0)
    history = model.fit(*blobs, epochs=9, callbacks=[reinit], verbose=0).history
    assert history["reinit_entries"] == [0, model.count_params(), model.count_params()]
    assert_halved(model, before, 2)


def test_an_own_method_between_stages(blobs):
    x, y = blobs
    model = compiled()
    before = weights(model)
    stages = kr.training.WarmStart(model, Halve("head"), until=kr.rounds.Fixed(epochs=1))
    assert len(list(stages.run([(x[:32], y[:32]), (x[:64], y[:64]), (x, y)]))) == 3
    assert_halved(model, before, 2, "head")
    kr.training.refit(model, x, y, Halve("head"), until=kr.rounds.Fixed(epochs=1))
    assert_halved(model, before, 3, "head")


def test_an_own_method_in_a_search(blobs, tmp_path):
    tuner = pytest.importorskip("keras_tuner")
    x, y = blobs
    methods = ("BL", Halve("head"), kr.methods.LaterLayers("head"))
    hypermodel = kr.tuner.ReinitHyperModel(
        lambda hp: compiled(), methods, rounds=2, learning_rate=None, weight_decay=None, seed=0
    )
    search = tuner.GridSearch(
        hypermodel, tuner.Objective("val_accuracy", "max"), directory=tmp_path, max_trials=3
    )
    search.search(x, y, epochs=2, validation_data=(x, y), verbose=0)
    found = kr.tuner.trials(search)
    assert {trial["status"] for trial in found} == {"COMPLETED"}
    assert {trial["method"] for trial in found} == {"BL", *map(repr, methods[1:])}


# -- Values ---------------------------------------------------------------------------------------


@all_methods
def test_methods_are_values(setting):
    method = setting.row.kind(where="head")
    config = method.get_config()
    assert json.loads(json.dumps(config)) == config
    twins = [
        copy.deepcopy(method),
        type(method).from_config(config),
        keras.saving.deserialize_keras_object(keras.saving.serialize_keras_object(method)),
    ]
    assert [twin == method for twin in twins] == [True] * 3
    assert len({method, *twins}) == 1
    with pytest.raises(dataclasses.FrozenInstanceError):
        method.where = None


@all_methods
def test_a_callback_of_any_method_comes_back_from_its_config(setting):
    method = setting.row.kind(where=["head"])
    reinit = kr.callbacks.Reinit(method, kr.rounds.Steps(5), 3, [1.0], 7, "drawn", True)
    config = reinit.get_config()
    assert json.loads(json.dumps(config)) == config
    revived = kr.callbacks.Reinit.from_config(json.loads(json.dumps(config)))
    assert revived.get_config() == config
    assert (revived.data, copy.deepcopy(reinit).data) == (None, [1.0])
    assert (revived.until, revived.seed) == (kr.rounds.Steps(5), 7)
    assert (revived.reset_optimizer, revived.before_first) == ("drawn", True)


@pytest.mark.parametrize(
    ("config", "kind"),
    [
        ({"shrink": 0.3, "perturb": 0.2, "noise": "gaussian", "before_first": True}, "S&P"),
        ({"fraction": 0.3, "scope": "global", "biases": True}, "WELS"),
        ({"last": 2}, "FC"),
        ({"iterations": 2, "rescale": None, "normalize": False, "reinitialize": True}, "LW"),
    ],
)
def test_configs_of_the_first_edition_are_revived(config, kind):
    until = {
        "module": "keras_reinit.rounds",
        "class_name": "Fixed",
        "config": {"epochs": 3},
        "registered_name": "keras_reinit>Fixed",
    }
    written = {"until": until, "seed": 4, "reset_optimizer": False, **config}
    written |= {} if kind == "LW" else {"rounds": 5}
    callback = kr.callbacks.get(kind).from_config(written)
    assert written | callback.get_config() == callback.get_config()
    assert callback.until == kr.rounds.Fixed(3)


# -- In one call ----------------------------------------------------------------------------------


@all_methods
def test_a_call_says_what_it_has_changed_and_a_seed_decides_all(setting):
    models = [setting.model(), setting.model()]
    models[1].set_weights(models[0].get_weights())
    before = weights(models[0])
    method, data = setting.row.kind(), setting.arguments.get("data")
    data = setting.arguments.get("sample", data)
    counts = [kr.apply(model, method, data=data, seed=3) for model in models]
    after = weights(models[0])
    changed = sum(int((before[name] != after[name]).sum()) for name in before)
    assert counts[0] == counts[1] >= changed > 0
    for name, value in weights(models[1]).items():
        np.testing.assert_array_equal(value, after[name])
    kr.apply(models[1], method, data=data, seed=4)
    assert any(np.any(value != after[name]) for name, value in weights(models[1]).items())


@all_methods
def test_patterns_choose_what_is_changed(setting):
    model = setting.model()
    before = weights(model)
    data = setting.arguments.get("sample", setting.arguments.get("data"))
    method = setting.row.kind(where="head")
    kr.apply(model, method, data=data, seed=3)
    after = weights(model)
    changed = {name for name in before if np.any(before[name] != after[name])}
    assert changed
    assert {name.split("/")[0] for name in changed} == {"head"}
    for bad, message in (("nowhere", "No trainable variable"), ("(", "regular expression")):
        with pytest.raises(ValueError, match=message):
            kr.apply(model, dataclasses.replace(method, where=bad), data=data)


@pytest.mark.parametrize(
    ("method", "error", "message"),
    [
        (kr.methods.ShrinkPerturb, TypeError, "Received: method=<class.*call it"),
        ("S&P", TypeError, "Received: method='S&P'"),
        (None, TypeError, "Received: method=None"),
        (kr.methods.Layerwise(), ValueError, "Received: data=None.*Expected e.g. data=x_train"),
    ],
)
def test_what_is_no_method_or_lacks_data_is_refused(method, error, message):
    model = kr.ReinitModel(network())
    before = weights(model)
    with pytest.raises(error, match=message):
        kr.apply(model, method)
    for name, value in weights(model).items():
        np.testing.assert_array_equal(value, before[name])
    if error is TypeError:
        with pytest.raises(TypeError, match=message):
            kr.callbacks.Reinit(method, until=kr.rounds.Fixed(1))


@over("S&P", "DSD", "LLF", "reset")
def test_weights_that_are_not_finite_are_refused(setting):
    model = setting.model()
    model.get_layer("head").bias.assign(np.full(3, np.nan))
    before = weights(model)
    with pytest.raises(ValueError, match="'head/bias' holds values that are not finite"):
        kr.apply(model, setting.row.kind(), seed=0)
    for name, value in weights(model).items():
        np.testing.assert_array_equal(value, before[name])


@pytest.mark.parametrize("identifier", ["SP", "lw", 3, None, ["LW"]])
def test_letters_of_no_method(identifier):
    for get in (kr.methods.get, kr.callbacks.get):
        with pytest.raises(ValueError, match=r"Received: identifier=.*Did you mean"):
            get(identifier)


def test_the_same_class_between_rounds_and_stages():
    assert kr.training.ShrinkPerturb is kr.methods.ShrinkPerturb
    assert SETTINGS["S&P"].row.kind is kr.methods.ShrinkPerturb
