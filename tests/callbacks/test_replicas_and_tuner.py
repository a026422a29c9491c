"""Methods under `tf.distribute`, and in the hands of KerasTuner, which copies callbacks."""

import keras
import numpy as np
import pytest

import keras_reinit as kr
from keras_reinit.rounds import Converged, Fixed
from tests.settings import SETTINGS, over


def per_replica(strategy, model):
    """Each variable's values on every replica: a list of lists of arrays."""
    variables = [*model.weights, *model.optimizer.variables]
    return [
        [np.array(value) for value in strategy.experimental_local_results(variable.value)]
        for variable in variables
    ]


def assert_replicas_agree(strategy, model):
    for values in per_replica(strategy, model):
        assert len(values) == 2
        np.testing.assert_array_equal(*values)


class Agreement(keras.callbacks.Callback):
    """Checks at the beginning of every epoch, after the method, that replicas agree."""

    def __init__(self, strategy):
        super().__init__()
        self.strategy, self.checks = strategy, 0

    def on_epoch_begin(self, epoch, logs=None):
        assert_replicas_agree(self.strategy, self.model)
        self.checks += 1


@over("LW", "WELSR", "DSD")
def test_replicas_agree_after_every_round(setting, strategy, blobs):
    x, y = blobs
    with strategy.scope():
        model = setting.model()
    agreement = Agreement(strategy)
    best = setting.needs_blocks  # once with validation and best weights is enough
    history = model.fit(
        x,
        y,
        epochs=9,
        batch_size=96,
        verbose=0,
        validation_data=(x, y) if best else None,
        callbacks=[
            setting.callback(until=Converged(patience=2, max_epochs=2) if best else Fixed(1)),
            agreement,
        ],
    ).history
    assert history["reinit_round"] == ([0, 0, 1, 1, 2, 2] if best else [0, 1, 2])
    assert agreement.checks == len(history["reinit_round"])
    assert_replicas_agree(strategy, model)


def test_batch_normalisation_is_calibrated_on_every_replica(strategy, rng):
    images = rng.normal(size=(16, 8, 8, 1)).astype("float32")
    with strategy.scope():
        backbone = keras.Sequential(
            [
                keras.Input((8, 8, 1)),
                keras.layers.Conv2D(3, 3, name="conv"),
                keras.layers.BatchNormalization(name="norm"),
                keras.layers.ReLU(name="relu"),
                keras.layers.Flatten(name="flatten"),
                keras.layers.Dense(3, name="head"),
            ]
        )
        model = kr.ReinitModel(backbone)
        model.compile(
            keras.optimizers.Adam(), keras.losses.SparseCategoricalCrossentropy(from_logits=True)
        )
    begun = []
    watch = keras.callbacks.LambdaCallback(
        on_epoch_begin=lambda *_: begun.append(per_replica(strategy, model))
    )
    lw = kr.callbacks.LayerwiseReinit(images, iterations=2, until=Fixed(1), seed=0)
    model.fit(images, np.arange(16) % 3, batch_size=8, epochs=2, verbose=0, callbacks=[lw, watch])
    assert len(begun) == 2
    for values in (pair for epoch in begun for pair in epoch):
        np.testing.assert_array_equal(*values)


@over("LW", "WELSR")
def test_the_number_of_replicas_does_not_change_what_is_drawn(setting, strategy, blobs):
    x, y = blobs
    begun, start = [], None
    for scope in (strategy.scope, lambda: keras.name_scope("alone")):
        with scope():
            model = setting.model()
            model.compile(
                keras.optimizers.SGD(0.0),
                keras.losses.SparseCategoricalCrossentropy(from_logits=True),
            )
        start = model.get_weights() if start is None else start
        model.set_weights(start)
        model.fit(x, y, epochs=3, verbose=0, callbacks=[setting.callback()])
        begun.append(model.get_weights())
    for one, two in zip(*begun, strict=True):
        np.testing.assert_array_equal(one, two)


# -- KerasTuner -----------------------------------------------------------------------------------


def test_a_search_completes_with_a_copied_callback(blobs, tmp_path):
    setting = SETTINGS["LW"]
    tuner = pytest.importorskip("keras_tuner")
    x, y = blobs

    def build(parameters):
        model = setting.model()
        model.optimizer.learning_rate = parameters.Float("rate", 1e-3, 1e-1, sampling="log")
        model.optimizer.build(model.trainable_variables)  # or Keras warns when it is loaded
        return model

    callback = setting.callback(until=Converged("val_loss", patience=1, max_epochs=2))
    search = tuner.RandomSearch(
        build,
        tuner.Objective("val_loss", "min"),
        max_trials=2,
        directory=tmp_path,
        project_name="search",
        seed=0,
    )
    search.search(
        x, y, epochs=9, validation_data=(x, y), callbacks=[callback], verbose=0, batch_size=48
    )
    trials = search.oracle.get_best_trials(2)
    assert [trial.status for trial in trials] == ["COMPLETED"] * 2
    assert all(np.isfinite(trial.score) for trial in trials)
    best = search.get_best_models(1)[0]
    score = best.evaluate(x, y, verbose=0, return_dict=True)["loss"]
    assert np.isfinite(score)
