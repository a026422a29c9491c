"""Warm starting: how a stage begins, on which batches, and when it ends."""

import itertools
import json
import time

import keras
import numpy as np
import pytest

import keras_reinit as kr
from keras_reinit.core import fold_in
from keras_reinit.training import ShrinkPerturb, WarmStart, refit
from keras_reinit.training.epochs import Epochs, order
from tests.training.streams import FIXED, Starts, equal, network


def begun(strategy, stages, **options):
    starts = Starts()
    warm = WarmStart(network(), strategy, FIXED, batch_size=16, seed=3, **options)
    list(warm.run(stages, callbacks=[starts]))
    return starts


def test_warm_goes_on_from_the_weights(stages):
    starts = begun("warm", stages)
    assert all(
        equal(before, after) for before, (after, _) in zip(starts.before, starts.after, strict=True)
    )
    assert not equal(starts.before[0], starts.before[1])


@pytest.mark.parametrize("strategy", ["random", ShrinkPerturb(0.4, 0.1), ShrinkPerturb(0.6, 0.0)])
def test_a_stage_begins_as_the_numpy_reference_says(strategy, stages):
    starts = begun(strategy, stages)
    assert equal(starts.before[0], starts.after[0][0])  # not before the first stage
    shrink, perturb = (0, 1) if strategy == "random" else (strategy.shrink, strategy.perturb)
    for number in (1, 2):
        fresh = network()
        kr.reinitialize(fresh, seed=fold_in(fold_in(3, "stage", number), "round", 0))
        trainable = [v.trainable for v in fresh.weights]
        for old, drawn, new, learns in zip(
            starts.before[number],
            fresh.get_weights(),
            starts.after[number][0],
            trainable,
            strict=True,
        ):
            # Moving statistics are those of a fresh layer; everything else is a blend.
            expected = shrink * old + perturb * drawn if learns else drawn
            np.testing.assert_allclose(new, expected, rtol=1e-6, atol=1e-7)


def test_the_optimizer_is_as_new_in_each_stage(stages):
    starts = begun("warm", stages)
    for _, slots in starts.after:
        rate = np.float32(0.01)
        assert all((slot == 0).all() or (slot == rate).all() for slot in slots)


def test_only_some_variables(stages):
    starts = begun(ShrinkPerturb(0.5, 0.0, where="head/.*"), stages)
    before, (after, _) = starts.before[1], starts.after[1]
    changed = [not np.array_equal(*pair) for pair in zip(before, after, strict=True)]
    assert changed == [False] * 6 + [True, True]


def test_perturb_first(stages):
    starts = begun(ShrinkPerturb(0.5, 0.0), stages[:1], perturb_first=True)
    before, (after, _) = starts.before[0], starts.after[0]
    np.testing.assert_allclose(after[0], 0.5 * before[0])


def test_a_wrapped_model_is_as_new_with_its_normalizations(blobs):
    x, y = blobs
    model = kr.ReinitModel(network())
    model.compile("sgd", "sparse_categorical_crossentropy")
    model.blocks[0].normalization.freeze(1.0, 2.0)
    refit(model, x, y, "random", kr.rounds.Fixed(1))
    assert float(model.blocks[0].normalization.stddev) == 1


def read(epochs, number):
    """The examples of each batch of an epoch."""
    epochs.epoch = number
    return [epochs[step][0].tolist() for step in range(len(epochs))]


def test_an_epoch_depends_on_the_seed_and_its_number():
    x = np.arange(10.0)
    one, other = Epochs((x, x), 4, seed=5), Epochs((x, x), 4, seed=5)
    first, second = read(one, 0), read(one, 1)
    assert [len(batch) for batch in first] == [4, 4, 2]
    assert sorted(itertools.chain(*first)) == sorted(itertools.chain(*second)) == x.tolist()
    assert first != second
    assert read(other, 1) == second  # a training that is resumed
    assert read(Epochs((x, x), 4, seed=6), 0) != first
    assert order(10, 5, 0).tolist() == list(itertools.chain(*first))


@pytest.mark.backends("tensorflow", reason="epochs as one function")
def test_a_compiled_epoch_is_what_fit_does(stages):
    def trained(eager):
        model = network(dropout=0.5, eager=eager)
        records = list(WarmStart(model, "warm", FIXED, batch_size=16).run(stages))
        assert [record.steps for record in records] == [4, 8, 12]
        return model.get_weights(), [record.logs for record in records]

    (compiled, logs), (by_fit, logs_by_fit) = trained(eager=False), trained(eager=True)
    for one, other in zip(compiled, by_fit, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-4, atol=1e-6)
    for one, other in zip(logs, logs_by_fit, strict=True):
        assert one == pytest.approx(other, rel=1e-4)


@pytest.mark.slow
def test_two_replicas_train_what_one_does(strategy, stages):
    def trained():
        model = kr.backbones.mlp((6,), classes=3)  # without batch statistics
        kr.reinitialize(model, seed=1)
        model.compile("sgd", keras.losses.SparseCategoricalCrossentropy(from_logits=True))
        warm = WarmStart(model, ShrinkPerturb(0.4, 0.1), FIXED, batch_size=16)
        return model, [record.steps for record in warm.run([stages[0], stages[2]])]

    alone, steps = trained()
    with strategy.scope():
        together, same_steps = trained()
    assert steps == same_steps == [4, 12]
    for one, both in zip(alone.trainable_variables, together.trainable_variables, strict=True):
        first, second = (np.array(copy) for copy in both.value.values)
        np.testing.assert_array_equal(first, second)
        np.testing.assert_allclose(first, np.array(one), rtol=1e-3, atol=1e-4)


@pytest.mark.backends("tensorflow", "torch", reason="an optimizer built for a layer now frozen")
def test_a_model_that_is_compiled_again_is_trained_as_compiled(stages):
    model = network(eager=False)
    run = WarmStart(model, "warm", FIXED, batch_size=16).run(stages)
    next(run)
    before = model.get_weights()
    model.layers[0].trainable = False
    model.compile(model.optimizer, model.loss, metrics=["sparse_categorical_crossentropy"])
    stage = next(run)
    after = model.get_weights()
    assert equal(before[:2], after[:2])
    assert not equal(before[2:4], after[2:4])
    assert stage.logs.keys() == {"loss", "sparse_categorical_crossentropy"}


def rates(model, stages, until, *callbacks, **options):
    """The learning rate at the start of each stage."""
    found = []
    note = keras.callbacks.LambdaCallback(
        on_epoch_begin=lambda epoch, logs: (
            epoch or found.append(float(model.optimizer.learning_rate))
        )
    )
    list(WarmStart(model, "warm", until, 16, **options).run(stages, callbacks=[*callbacks, note]))
    return np.array(found)


def test_every_stage_begins_with_the_rate_of_compile(stages, tmp_path):
    cut = kr.rounds.Converged(
        "accuracy", patience=9, max_epochs=4, min_delta=1.0, lr_factor=0.5, lr_patience=1
    )
    np.testing.assert_allclose(rates(network(), stages, cut), 0.01)
    falling = keras.callbacks.LearningRateScheduler(lambda epoch, rate: rate * 0.5)
    np.testing.assert_allclose(rates(network(), stages, FIXED, falling), [0.005, 0.005, 0.005])
    list(WarmStart(network(), "warm", FIXED, 16, backup_dir=tmp_path).run(stages[:1]))
    model = network()
    model.optimizer.learning_rate = 0.5  # not that of the backup
    np.testing.assert_allclose(rates(model, stages[:2], FIXED, backup_dir=tmp_path), [0.5])


def test_time_and_logs_are_those_of_training(stages, blobs):
    class Slow(keras.callbacks.Callback):
        def on_test_end(self, logs=None):
            time.sleep(0.3)

    model = network()
    x, y = blobs
    y = np.eye(3, dtype="float32")[y]
    model.compile(model.optimizer, "mse", metrics=["accuracy", keras.metrics.F1Score()])
    warm = WarmStart(model, "random", FIXED, batch_size=96, perturb_first=True)
    start = time.perf_counter()
    (stage,) = warm.run([(x, y)], validation=(x, y), callbacks=[Slow()])
    assert 0 < stage.seconds < time.perf_counter() - start - 2 * 0.3
    assert stage.logs.keys() == {"accuracy", "loss", "val_accuracy", "val_loss"}


def test_fit_is_as_it_was_afterwards(stages, blobs):
    model = network(eager=False)
    list(WarmStart(model, "warm", FIXED, batch_size=16).run(stages))
    assert model.fit(*blobs, batch_size=16, epochs=1, verbose=0).history["loss"]
    assert int(model.optimizer.iterations) == 12 + 6


def test_stages_have_orders_of_their_own(blobs, monkeypatch):
    seen = []
    monkeypatch.setattr(
        "keras_reinit.training.epochs.order",
        lambda count, seed, epoch: seen.append((count, seed, int(epoch))) or np.arange(count),
    )
    x, y = blobs
    for strategy in ("warm", "random"):
        list(WarmStart(network(), strategy, FIXED, 50).run([(x, y), (x, y)]))
    for number in (0, 1):
        first, second, *again = dict.fromkeys(seed for _, seed, epoch in seen if epoch == number)
        assert first != second
        assert not again  # the other strategy has the same


def test_records(stages, blobs):
    warm = WarmStart(network(), "warm", FIXED, batch_size=16)
    records = list(warm.run(stages, evaluation=blobs))
    assert [r.stage for r in records] == [0, 1, 2]
    assert [r.samples for r in records] == [20, 50, 96]
    assert [r.epochs for r in records] == [2, 2, 2]
    assert [r.steps for r in records] == [4, 8, 12]
    assert all(r.converged and r.seconds > 0 for r in records)
    assert records[-1].evaluation == pytest.approx(
        warm.model.evaluate(*blobs, batch_size=1024, verbose=0, return_dict=True)
    )
    assert json.loads(json.dumps(records[0].logs)) == records[0].logs


@pytest.mark.parametrize(
    ("until", "converged", "epochs"),
    [
        (kr.rounds.Accuracy(0.4, max_epochs=60), True, None),
        (kr.rounds.Accuracy(1.0, max_epochs=2), False, 2),
        (kr.rounds.Converged("loss", patience=50, max_epochs=2), False, 2),
    ],
)
def test_whether_a_stage_has_converged(until, converged, epochs, blobs):
    stage = refit(network(), *blobs, "warm", until)
    assert stage.converged == converged
    assert epochs is None or stage.epochs == epochs


@pytest.mark.backends("tensorflow", reason="tf.data")
def test_a_data_set_of_batches_is_taken_as_it_is(blobs):
    import tensorflow as tf

    data = tf.data.Dataset.from_tensor_slices(blobs).batch(32)
    (stage,) = WarmStart(network(), "warm", FIXED).run(iter([data]), evaluation=data)
    assert (stage.samples, stage.steps) == (None, 6)
    assert stage.evaluation.keys() == {"accuracy", "loss"}


@pytest.mark.backends("tensorflow", "jax", reason="tracing")
def test_growing_data_are_traced_once(stages, monkeypatch):
    model, traces = network(eager=False), []
    compute_loss = model.compute_loss
    monkeypatch.setattr(
        model, "compute_loss", lambda *a, **k: traces.append(None) or compute_loss(*a, **k)
    )
    run = WarmStart(model, ShrinkPerturb(0.4, 0.1), FIXED, batch_size=16).run(stages)
    next(run)
    first = len(traces)
    list(run)
    assert len(traces) == first


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ({"strategy": "wram"}, ValueError, "strategy='wram'. Expected 'random', 'warm'"),
        ({"batch_size": 0}, ValueError, "batch_size=0"),
        ({"until": 10}, TypeError, "until=10"),
        ({"strategy": ["warm"]}, ValueError, "keras_reinit.methods.ShrinkPerturb"),
        ({"seed": None, "backup_dir": "backup"}, ValueError, "seed=None"),
    ],
)
def test_bad_arguments(arguments, error, message):
    with pytest.raises(error, match=message):
        WarmStart(network(), **{"strategy": "warm", **arguments})


def test_bad_factors():
    with pytest.raises(ValueError, match="shrink=-1"):
        ShrinkPerturb(-1, 0.1)


def test_a_model_that_is_not_compiled():
    with pytest.raises(ValueError, match="built and compiled"):
        WarmStart(keras.Sequential([keras.layers.Dense(1)]), "warm")


def test_a_stage_that_is_none(blobs):
    warm = WarmStart(network(), "warm", FIXED)
    with pytest.raises(TypeError, match="`stages` is a list"):
        list(warm.run(blobs))
    with pytest.raises(TypeError, match="not lists of numbers"):
        list(warm.run([([1.0, 2.0], [0, 1])]))


@pytest.mark.backends("tensorflow", reason="tf.data")
def test_a_stage_without_end(blobs):
    import tensorflow as tf

    warm = WarmStart(network(), "warm", FIXED)
    with pytest.raises(ValueError, match="without `repeat"):
        list(warm.run([tf.data.Dataset.from_tensors(blobs).repeat()]))


@pytest.mark.parametrize(
    "arrays", [(np.zeros((0, 6)), np.zeros(0)), (np.zeros((3, 6)), np.zeros(2))]
)
def test_a_stage_without_examples_or_with_too_few_labels(arrays):
    with pytest.raises(ValueError, match="some examples"):
        refit(network(), *arrays, "warm", FIXED)
