"""Searches by KerasTuner's own tuners: what is tried, what is scored, what is kept."""

import keras
import keras_tuner
import numpy as np
import pytest

import keras_reinit as kr
from keras_reinit.tuner import ReinitHyperModel
from tests.tuner.conftest import network


class Recorded(ReinitHyperModel):
    """Keeps the network that each training begins and ends with, and its history."""

    trainings: list

    def fit(self, hp, model, *args, **kwargs):
        begun = {}
        watch = keras.callbacks.LambdaCallback(
            on_train_begin=lambda logs: begun.update(weights=model.get_weights())
        )
        kwargs["callbacks"] = [watch, *kwargs["callbacks"]]
        scores = super().fit(hp, model, *args, **kwargs)
        self.trainings.append(
            {
                "values": dict(hp.values),
                "begun": begun["weights"],
                "ended": model.get_weights(),
                "rate": float(model.optimizer.learning_rate),
                "decay": model.optimizer.weight_decay,
                "history": model.history.history,
                "scores": scores,
            }
        )
        return scores


def recorded(**arguments):
    hypermodel = Recorded(network, **{"seed": 0, "iterations": 1, "rounds": 2} | arguments)
    hypermodel.trainings = []
    return hypermodel


def statuses(tuner):
    return [row["status"] for row in kr.tuner.trials(tuner)]


@pytest.mark.parametrize(("kind", "number"), [("random", 5), ("bayesian", 4)])
def test_every_trial_is_completed_and_has_the_parameters_of_its_method(
    kind, number, make_tuner, search
):
    hypermodel = recorded(methods=("BL", "LW", "S&P", "WELS"), rounds=(2, 4), iterations=(1, 2))
    tuner = search(make_tuner(hypermodel, kind, max_trials=number))
    assert statuses(tuner) == ["COMPLETED"] * number
    of_method = {
        "BL": set(),
        "LW": {"iterations"},
        "S&P": {"rounds", "shrink", "perturb"},
        "WELS": {"rounds", "fraction"},
    }
    for row, training in zip(
        sorted(kr.tuner.trials(tuner), key=lambda row: row["trial"]),
        hypermodel.trainings,
        strict=True,
    ):
        having = {name for name, value in row.items() if value is not None}
        having -= {"trial", "status", "score", "method", "learning_rate", "weight_decay"}
        assert having == of_method[row["method"]]
        assert training["rate"] == pytest.approx(row["learning_rate"])
        assert training["decay"] == row["weight_decay"]
        rounds = row["rounds"] or row["iterations"] or 1
        expected = np.arange(4 // rounds * rounds) // (4 // rounds)
        assert training["history"]["reinit_round"] == expected.tolist()
    assert len({row["method"] for row in kr.tuner.trials(tuner)}) >= 2


def test_the_space_is_found_with_one_network(make_tuner):
    built = []
    make_tuner(ReinitHyperModel(lambda hp: built.append(0) or network(hp)), max_trials=1)
    assert len(built) == 1


def test_the_score_is_that_of_the_network_at_the_end(make_tuner, search, blobs):
    x, y = blobs
    hypermodel = recorded(methods=("FC",), rounds=3, learning_rate=0.1)
    tuner = search(make_tuner(hypermodel, max_trials=1), epochs=6)
    (training,) = hypermodel.trainings
    losses = training["history"]["val_loss"]
    (row,) = kr.tuner.trials(tuner)
    assert row["score"] == pytest.approx(losses[-1]) != pytest.approx(min(losses))
    (best,) = tuner.get_best_models()
    for kept, ended in zip(best.get_weights(), training["ended"], strict=True):
        np.testing.assert_array_equal(kept, ended)
    evaluated = best.evaluate(x[48:], y[48:], verbose=0, return_dict=True)
    assert evaluated["loss"] == pytest.approx(row["score"], rel=1e-5)


def test_a_round_that_restores_its_best_epoch_is_scored_by_it(make_tuner, search, blobs):
    x, y = blobs

    def until(epochs):
        return kr.rounds.Converged("val_loss", patience=epochs, max_epochs=epochs)

    wrong = x[48:], (y[48:] + 1) % 3  # the better a network fits, the worse its score
    far = {"learning_rate": 0.4, "shrink": 0.9, "perturb": 0.1}
    hypermodel = recorded(methods=("S&P",), rounds=2, until=until, seed=3, **far)
    tuner = search(make_tuner(hypermodel, max_trials=1), epochs=8, validation_data=wrong)
    (training,) = hypermodel.trainings
    losses = training["history"]["val_loss"]
    (row,) = kr.tuner.trials(tuner)
    assert min(losses[:4]) < min(losses[4:]) < losses[-1]  # the first round's best is gone
    assert row["score"] == pytest.approx(min(losses[4:]))
    (best,) = tuner.get_best_models()
    assert best.evaluate(*wrong, verbose=0)[0] == pytest.approx(row["score"], rel=1e-5)


def test_executions_begin_anew_and_are_averaged(make_tuner, search):
    hypermodel = recorded(methods=("BL", "S&P"))
    tuner = search(make_tuner(hypermodel, max_trials=2, executions_per_trial=2), epochs=2)
    first, second, third, fourth = hypermodel.trainings
    assert first["values"] == second["values"] != third["values"] == fourth["values"]
    assert not np.array_equal(first["begun"][0], second["begun"][0])
    for one, other in ((first, third), (second, fourth)):  # trials are compared at equal luck
        for a, b in zip(one["begun"], other["begun"], strict=True):
            np.testing.assert_array_equal(a, b)
    scores = [each["scores"]["val_loss"] for each in hypermodel.trainings]
    rows = sorted(kr.tuner.trials(tuner), key=lambda row: row["trial"])
    expected = [np.mean(scores[:2]), np.mean(scores[2:])]
    assert [row["score"] for row in rows] == pytest.approx(expected)
    best = min(hypermodel.trainings[:2], key=lambda each: each["scores"]["val_loss"])
    model = hypermodel.build(tuner.oracle.trials[rows[0]["trial"]].hyperparameters)
    model.load_weights(tuner._get_checkpoint_fname(rows[0]["trial"]))
    np.testing.assert_array_equal(model.get_weights()[0], best["ended"][0])


def test_hyperband_gives_promising_trials_longer_rounds_from_the_beginning(make_tuner, search):
    hypermodel = recorded(methods=("BL", "S&P"), seed=None)
    tuner = search(make_tuner(hypermodel, "hyperband", max_epochs=4, factor=4))
    assert set(statuses(tuner)) == {"COMPLETED"}
    rows = {row["trial"]: row for row in kr.tuner.trials(tuner)}
    assert {row["epochs"] for row in rows.values()} == {1, 4}
    promoted = 0
    for training in hypermodel.trainings:
        values, history = training["values"], training["history"]
        rounds = 1 if values["method"] == "BL" else 2
        share = max(1, values["tuner/epochs"] // rounds)
        spent = min(share * rounds, values["tuner/epochs"])
        assert history["reinit_round"] == (np.arange(spent) // share).tolist()
        assert training["rate"] == pytest.approx(values["learning_rate"])
        promoted += "tuner/trial_id" in values
        trained = [each["ended"][0] for each in hypermodel.trainings]
        assert not any(np.array_equal(training["begun"][0], weights) for weights in trained)
    assert promoted
    assert all(row["score"] is not None for row in rows.values())


def test_a_killed_search_goes_on_to_the_same_trials(make_tuner, search):
    whole, first, second = recorded(), recorded(), recorded()
    search(make_tuner(whole, max_trials=3), epochs=2)
    expected = {tuple(each["values"].items()): each["ended"] for each in whole.trainings}

    class Killed(keras.callbacks.Callback):
        def on_epoch_begin(self, epoch, logs=None):
            if len(first.trainings) == 1 and epoch == 1:
                raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        search(make_tuner(first, max_trials=3, overwrite=True), epochs=2, callbacks=[Killed()])
    tuner = search(make_tuner(second, max_trials=3), epochs=2)
    assert statuses(tuner) == ["COMPLETED"] * 3
    assert [len(each.trainings) for each in (first, second)] == [1, 2]
    for training in (*first.trainings, *second.trainings):
        ended = expected.pop(tuple(training["values"].items()))
        for a, b in zip(training["ended"], ended, strict=True):
            np.testing.assert_array_equal(a, b)
    assert not expected


def test_a_search_of_other_methods_in_the_directory_is_not_gone_on_with(make_tuner, search):
    search(make_tuner(recorded(methods=("FC",)), max_trials=1), epochs=2)
    tuner = make_tuner(recorded(methods=("S&P",)), max_trials=2)
    with pytest.raises(keras_tuner.errors.FatalValueError, match="method='FC' of a trial"):
        search(tuner)


def test_callbacks_of_the_user_see_the_rounds(make_tuner, search):
    seen = []

    class Seen(keras.callbacks.Callback):
        def on_epoch_end(self, epoch, logs=None):
            seen.append(logs["reinit_round"])

    tuner = make_tuner(recorded(methods=("FC",), rounds=2), max_trials=1)
    search(tuner, callbacks=[Seen()])
    assert statuses(tuner) == ["COMPLETED"]
    assert seen == [0, 0, 1, 1]


@pytest.mark.parametrize("kind", ["array", "dataset", "named"])
def test_layerwise_measures_blocks_on_training_examples(kind, make_tuner, search, blobs):
    import tensorflow as tf

    x, y = blobs
    data = {
        "array": {"x": x, "y": y},
        "dataset": {"x": tf.data.Dataset.from_tensor_slices((x, y)).batch(40)},
        "named": {"x": {"input": x}, "y": y},
    }[kind]

    def build(hp):
        if kind != "named":
            return network(hp)
        inputs = keras.Input((6,), name="input")
        hidden = keras.layers.Dense(4, activation="relu")(inputs)
        model = keras.Model({"input": inputs}, keras.layers.Dense(3)(hidden))
        model.compile("sgd", keras.losses.SparseCategoricalCrossentropy(from_logits=True))
        return model

    hypermodel = Recorded(build, methods=("LW",), seed=0)
    hypermodel.trainings = []
    tuner = make_tuner(hypermodel, objective="loss", max_trials=1)
    tuner.search(**data, epochs=3, shuffle=False, verbose=0)
    assert statuses(tuner) == ["COMPLETED"]
    mean, stddev = hypermodel.trainings[0]["ended"][3:5]
    assert mean != 0
    assert stddev != 1


def test_a_generator_cannot_be_measured_on(make_tuner, blobs):
    x, y = blobs
    tuner = make_tuner(recorded(methods=("LW",)), objective="loss", max_trials=1)
    batches = ((x, y) for _ in iter(int, 1))
    with pytest.raises(keras_tuner.errors.FatalValueError, match="generator"):
        tuner.search(batches, epochs=3, steps_per_epoch=1, verbose=0)
