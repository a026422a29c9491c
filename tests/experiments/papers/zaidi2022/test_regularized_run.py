"""One run with regularisers: equal budgets, schedules, noise, distillation, resumption."""

import dataclasses
import json
import math
import re

import keras
import numpy as np
import pytest

import keras_reinit as kr
from experiments import data
from experiments.engine import catalogue
from experiments.engine.errors import UsageError
from experiments.engine.experiment import Context
from experiments.papers.zaidi2022 import regularized_run
from experiments.training import protocol
from tests.experiments.broken import break_run

TINY = regularized_run.RegularizedRun(
    dataset="digits",
    backbone="scnn",
    method="S&P",
    rounds=2,
    train_size=60,
    validation=0.4,
    test_size=100,
    epochs=4,
    batch_size=12,
    learning_rate=0.05,
)
LAYERWISE = {"method": "LW", "rounds": 4}
BASELINE = {"method": "BL", "rounds": 1}
BORN_AGAIN = {"shrink": 0.0, "perturb": 1.0, "distillation": 1.0, "temperature": 2.0}


class Watch(keras.callbacks.Callback):
    """What each epoch trained with, and on."""

    def __init__(self):
        super().__init__()
        self.epochs, self.rates, self.rounds, self.losses, self.iterations = [], [], [], [], []

    def on_epoch_begin(self, epoch, logs=None):
        self.rates.append(float(self.model.optimizer.learning_rate))

    def on_epoch_end(self, epoch, logs=None):
        self.epochs.append(epoch)
        self.rounds.append(int(logs["reinit_round"]))
        self.losses.append(float(logs["loss"]))
        self.iterations.append(int(self.model.optimizer.iterations))


def run(*callbacks, **changes):
    spec = dataclasses.replace(TINY, **changes).spec
    return catalogue.run(spec).execute(Context(callbacks=callbacks))


@pytest.fixture(scope="module")
def plain():
    return run()


@pytest.mark.parametrize("changes", [BASELINE, {}, {"rounds": 4}, BORN_AGAIN, LAYERWISE], ids=str)
def test_every_method_has_the_same_budget(changes):
    watch = Watch()
    result = run(watch, **changes)
    # 36 images in batches of 12: three steps an epoch.
    assert result["steps"] == 12 == TINY.total_steps
    assert result["train_images"] == 36
    rounds = changes.get("rounds", 2)
    assert watch.rounds == [epoch * rounds // 4 for epoch in range(4)]
    each = 4 // rounds
    assert watch.iterations == [3 * (epoch % each + 1) for epoch in range(4)]


def test_the_blocks_of_each_backbone():
    for backbone, blocks in regularized_run.BLOCKS.items():
        model = kr.ReinitModel(getattr(kr.backbones, backbone)((8, 8, 1), 10))
        assert len(model.blocks) == blocks


@pytest.mark.slow
def test_a_residual_network():
    result = run(backbone="resnet18", width=0.0625, method="LW", rounds=8, epochs=8)
    assert result["steps"] == 24
    assert not result["diverged"]


def test_one_round_of_any_method_is_the_baseline():
    assert run(rounds=1) == run(**BASELINE)


def test_a_run_does_not_depend_on_the_runs_before(plain):
    run(weight_decay=0.1, schedule="cosine", augment=True, noise=0.5, seed=3, shrink=0.0)
    assert run() == plain
    assert run(seed=1) != plain


@pytest.mark.parametrize(
    ("schedule", "rounds", "shares"),
    [
        ("constant", 2, [0, 0, 0, 0]),
        ("cosine", 2, [0, 0.25, 0.5, 0.75]),
        ("cosine per round", 2, [0, 0.5, 0, 0.5]),
        ("cosine per round", 1, [0, 0.25, 0.5, 0.75]),
    ],
)
def test_schedules_survive_that_rounds_put_the_optimizer_back(schedule, rounds, shares):
    watch = Watch()
    run(watch, schedule=schedule, rounds=rounds)
    expected = [0.05 * (1 + math.cos(math.pi * share)) / 2 for share in shares]
    np.testing.assert_allclose(watch.rates, expected, rtol=1e-6)


def test_weight_decay_is_that_of_pytorch_and_needs_no_new_model():
    """One step of SGD: `w - rate * (dL/dw + decay * w)`."""
    shape, steps = (8, 8, 1), 1
    x, y = np.random.default_rng(0).random((12, *shape), "float32"), np.arange(12) % 10
    found = []
    for factor in (0.0, 0.3):
        model, decay = regularized_run._model(TINY, shape, 10, steps)
        regularized_run.protocol.restart(model, 0, 0.5)
        before = [np.array(variable) for variable in model.trainable_variables]
        decay.assign(factor)
        model.train_on_batch(x, y)
        found.append((model, before, [np.array(v) for v in model.trainable_variables]))
    (model, before, plain), (same, _, decayed) = found
    assert same is model
    for w, free, pulled in zip(before, plain, decayed, strict=True):
        np.testing.assert_allclose(pulled, free - 0.5 * 0.3 * w, atol=1e-5)


def test_augmentation_pads_by_an_eighth(monkeypatch):
    seen, batches = [], data.batches

    def spied(*args, **options):
        seen.append(args[-2:])
        return batches(*args, **options)

    monkeypatch.setattr(regularized_run.data, "batches", spied)
    monkeypatch.setattr(regularized_run.protocol, "fit", lambda *args: None)
    run(augment=True)
    run(image_size=12, augment=True)
    run()
    assert seen == [(True, 1), (True, 2), (False, 1)]


def test_labels_are_noisy_in_training_and_validation_and_clean_in_the_test():
    noisy = dataclasses.replace(TINY, noise=0.5, rounds=1)
    clean, part = regularized_run._data(noisy, Context())
    assert np.sum(part.y_train != clean.y_train) == 18
    assert np.sum(part.y_validation != clean.y_validation) == 12
    np.testing.assert_array_equal(part.y_test, clean.y_test)
    again = regularized_run._data(
        dataclasses.replace(noisy, method="BL", learning_rate=1), Context()
    )
    np.testing.assert_array_equal(again[1].y_train, part.y_train)
    other = regularized_run._data(dataclasses.replace(noisy, seed=1), Context())
    assert (other[1].y_train != part.y_train).any()
    assert run(noise=0.5)["wrong_labels"] == 0.5
    symmetric = dataclasses.replace(noisy, noise=1.0, exclude_true_class=False)
    clean, part = regularized_run._data(symmetric, Context())
    assert 0.7 < np.mean(part.y_train != clean.y_train) < 1


def test_the_first_round_of_a_distilled_run_is_that_of_a_plain_one(plain):
    watches = Watch(), Watch()
    first, second = run(watches[0]), run(watches[1], distillation=1.0)
    assert first == plain != second
    assert watches[0].losses[:2] == pytest.approx(watches[1].losses[:2], rel=1e-5)
    assert watches[0].losses[2] < watches[1].losses[2]


def test_a_run_that_diverges_has_the_accuracy_of_chance(plain, tmp_path, monkeypatch):
    monkeypatch.setattr(protocol, "BACKUP_SECONDS", 0)
    spec = dataclasses.replace(TINY, learning_rate=1e30).spec
    result = catalogue.run(spec).execute(Context(backups=tmp_path))
    assert result["diverged"]
    assert result["test_accuracy"] == result["validation_accuracy"] == 0.1
    assert list(tmp_path.iterdir()) == []
    assert run() == plain
    assert not plain["diverged"]


def test_a_result_is_plain_json(plain):
    assert json.loads(json.dumps(plain, allow_nan=False)) == plain
    assert "validation_accuracy" not in run(validation=0.0)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"method": "SP"}, "Did you mean 'S&P'?"),
        ({"backbone": "resnet"}, "Did you mean 'resnet18'?"),
        ({"schedule": "cosin"}, "Did you mean 'cosine'?"),
        ({"rounds": 3}, "rounds=3, epochs=4. Expected epochs that are a multiple"),
        ({"method": "BL"}, "BL has one round. Received: rounds=2"),
        ({"method": "LW"}, "rounds=2 for the 4 blocks of scnn"),
        ({**BASELINE, "distillation": 1.0}, "distillation=1.0, rounds=1"),
        ({"width": 0.5}, "scnn has one width. Received: width=0.5"),
        ({"noise": 1.5}, "Received: noise=1.5"),
        ({"batch_size": 100}, "batch_size=100 for 36 images of 'digits'"),
        ({"dataset": "digit"}, "Did you mean 'digits'?"),
    ],
)
def test_what_cannot_start(changes, message):
    refused = dataclasses.replace(TINY, **changes)
    for begin in (refused.check, refused.execute):
        with pytest.raises(UsageError, match=re.escape(message)):
            begin(Context())


def test_the_probe_times_a_step_without_the_data():
    spec = dataclasses.replace(TINY, dataset="cifar100", image_size=8, distillation=1.0).spec
    assert 0 < catalogue.run(spec).seconds_per_step() < 60
    other = dataclasses.replace(TINY, image_size=8, weight_decay=0.1, seed=3).spec
    assert catalogue.run(other).step_key != catalogue.run(spec).step_key
    assert catalogue.run(other).step_key == catalogue.run(other | {"method": "LW"}).step_key
    assert catalogue.run(spec | {"train_size": None}).total_steps == 4 * (30_000 // 12)


def test_a_killed_run_goes_on_and_ends_the_same(tmp_path):
    everything = BORN_AGAIN | {"schedule": "cosine", "augment": True, "noise": 0.3}
    spec = dataclasses.replace(TINY, **everything, weight_decay=1e-3, epochs=6).spec
    whole = Watch()
    expected = catalogue.run(spec).execute(Context(callbacks=(whole,)))

    break_run(spec, tmp_path, epoch=3)

    rest = Watch()
    assert catalogue.run(spec).execute(Context(backups=tmp_path, callbacks=(rest,))) == expected
    assert rest.epochs == [3, 4, 5]  # epochs 0 to 2 are over, the second round has a teacher
    assert (rest.rates, rest.losses) == (whole.rates[3:], whole.losses[3:])
    assert list(tmp_path.iterdir()) == []
