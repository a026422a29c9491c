"""One run from an initialisation: what is trained, with what rate, and what diverges."""

import contextlib
import dataclasses
import json

import keras
import numpy as np
import pytest

import keras_reinit as kr
from experiments import data
from experiments.engine import catalogue
from experiments.engine.errors import UsageError
from experiments.engine.experiment import Context
from experiments.papers.arpit2019 import networks, training_run
from experiments.training import protocol
from tests.experiments.broken import break_run

TINY = training_run.InitializedRun(
    dataset="digits",
    network="mlp",
    depth=2,
    width=16.0,
    train_size=60,
    validation=0.2,
    test_size=100,
    epochs=4,
    batch_size=16,
    learning_rate=0.05,
)
RESIDUAL = {"network": "cifar_resnet", "depth": 8, "width": 0.25}


class Watch(keras.callbacks.Callback):
    """The learning rate of each step, and the epochs."""

    def __init__(self):
        super().__init__()
        self.rates, self.epochs, self.losses = [], [], []

    def on_train_batch_end(self, batch, logs=None):
        self.rates.append(float(self.model.optimizer.learning_rate))

    def on_epoch_end(self, epoch, logs=None):
        self.epochs.append(epoch)
        self.losses.append(float(logs["loss"]))


def run(*callbacks, **changes):
    spec = dataclasses.replace(TINY, **changes).spec
    return catalogue.run(spec).execute(Context(callbacks=callbacks))


@pytest.fixture(scope="module")
def plain():
    return run()


def test_a_result_is_plain_json_and_has_every_epoch(plain):
    assert json.loads(json.dumps(plain, allow_nan=False)) == plain
    assert (plain["train_images"], plain["steps"], plain["diverged"]) == (48, 12, False)
    assert len(plain["train_curve"]) == len(plain["test_curve"]) == 4
    assert plain["test_accuracy"] == plain["test_curve"][-1] > 0.1
    assert "validation_accuracy" in plain
    assert "validation_accuracy" not in run(validation=0.0)


def test_a_run_does_not_depend_on_the_runs_before(plain):
    run(learning_rate=0.2, scheme="data_dependent", seed=1, warmup=1.0)
    assert run() == plain
    assert run(seed=1) != plain


def test_networks_of_equal_shape_are_built_once():
    first = training_run._model(TINY, (8, 8, 1), 10)
    assert training_run._model(dataclasses.replace(TINY, seed=3), (8, 8, 1), 10) is first
    assert training_run._model(dataclasses.replace(TINY, depth=1), (8, 8, 1), 10) is not first


def test_images_are_standardized_by_those_that_are_trained_on():
    part = training_run._examples(dataclasses.replace(TINY, image_size=12), Context())
    assert part.x_train.shape == (48, 12, 12, 1)
    assert part.x_test.shape == (100, 12, 12, 1)
    np.testing.assert_allclose([part.x_train.mean(), part.x_train.std()], [0, 1], atol=1e-4)
    assert abs(part.x_test.mean()) > 1e-4


@pytest.mark.parametrize("name", networks.ARMS)
def test_every_arm_begins_as_it_says(name):
    arm = networks.ARMS[name]
    model = networks.network("cifar_resnet", (8, 8, 1), 10, 8, 0.25, arm["norm"])
    batch = np.random.default_rng(0).normal(size=(64, 8, 8, 1)).astype("float32")
    networks.initialize(model, arm, "cifar_resnet", 0, batch)
    assert networks.arm_of(arm) == name
    weights = model.get_weights()
    networks.initialize(model, arm, "cifar_resnet", 1, batch)
    assert any((a != b).any() for a, b in zip(weights, model.get_weights(), strict=True))
    networks.initialize(model, arm, "cifar_resnet", 0, batch)
    for before, after in zip(weights, model.get_weights(), strict=True):
        np.testing.assert_array_equal(before, after)
    if name == "proposed":  # the stem has gamma 2, one block a stage
        stem, second = (model.get_layer(f"{part}_conv").gains[0] for part in ("stem", "block1_2"))
        np.testing.assert_allclose(stem, np.sqrt(2 * 1 / 4), rtol=1e-6)
        np.testing.assert_allclose(second, 1, rtol=1e-6)
    if name == "BN":
        kernel = np.reshape(model.get_layer("block1_1_conv").kernel, (-1, 4))
        np.testing.assert_allclose(kernel.T @ kernel, np.eye(4), atol=1e-5)


def test_a_wide_network_has_another_stem():
    model = networks.network("wide_resnet", (8, 8, 3), 10, 10, 0.25)
    networks.initialize(model, networks.ARMS["proposed"], "wide_resnet", 0)
    np.testing.assert_allclose(model.get_layer("stem_conv").gains[0], np.sqrt(3 / 16), rtol=1e-6)


def test_a_described_arm_is_no_arm_of_the_paper():
    arm = {"norm": "weight", "scheme": "he", "v": "uniform"}
    assert networks.arm_of(arm) == "weight, he, uniform"


def test_the_rate_is_set_before_every_step():
    watch = Watch()
    run(watch, warmup=2.0, decay_epochs=(3,), decay=0.5)
    shares = [min(step / 6, 1) ** 2 for step in range(9)] + [0.5] * 3
    np.testing.assert_allclose(watch.rates, [0.05 * share for share in shares], rtol=1e-6)
    after = Watch()
    run(after)
    np.testing.assert_allclose(after.rates, [0.05] * 12, rtol=1e-6)


def test_weight_decay_is_that_of_pytorch():
    """One step of SGD: `w - rate * (dL/dw + decay * w)`."""
    x = np.random.default_rng(0).normal(size=(16, 8, 8, 1)).astype("float32")
    y = np.arange(16) % 10
    part = data.Dataset(x, y, x[:0], y[:0], x, y, 10)
    found = []
    for decay in (1e-30, 0.3):  # no float32 changes by the first; the network is the same
        changed = dataclasses.replace(TINY, weight_decay=decay, learning_rate=0.5)
        model = training_run._model(changed, (8, 8, 1), 10)
        training_run._begin(changed, model, part)
        before = [np.array(variable) for variable in model.trainable_variables]
        model.train_on_batch(x, y)
        found.append((before, [np.array(v) for v in model.trainable_variables]))
    (before, free), (_, decayed) = found
    for w, plain, pulled in zip(before, free, decayed, strict=True):
        np.testing.assert_allclose(pulled, plain - 0.5 * 0.3 * w, atol=1e-5)


def test_holes_depend_on_the_seed_and_the_step():
    run = dataclasses.replace(TINY, cutout=4)
    images = np.ones((48, 8, 8, 1), "float32")

    def batches(run, first_epoch):
        stream = data.batches(images, np.arange(48), 16, run.seed, first_epoch)
        stream = training_run._with_holes(run, stream, first_epoch * 3)
        return [batch.numpy() for batch, _ in stream.take(3)]

    first = batches(run, 0)
    for batch in first:
        holes = (batch == 0).sum((1, 2, 3))
        assert ((holes >= 4) & (holes <= 16)).all()
    assert len({batch.tobytes() for batch in first}) == 3
    np.testing.assert_array_equal(first, batches(run, 0))
    assert (np.array(first) != batches(run, 1)).any()
    assert (np.array(first) != batches(dataclasses.replace(run, seed=1), 0)).any()


def test_augmentation_and_holes_are_for_training_alone():
    still = {"learning_rate": 1e-12}  # the network stays as it began
    bare, changed = run(**still), run(**still, augment=True, cutout=4)
    assert changed["train_curve"] != bare["train_curve"]
    for name in ("test_curve", "validation_accuracy"):
        assert changed[name] == bare[name]


def test_a_run_that_diverges_ends_there_with_the_accuracy_of_chance(plain, tmp_path):
    watch = Watch()
    spec = dataclasses.replace(TINY, learning_rate=1e30).spec
    result = catalogue.run(spec).execute(Context(backups=tmp_path, callbacks=(watch,)))
    assert result["diverged"]
    assert result["train_curve"] == result["test_curve"] == []
    assert result["test_accuracy"] == result["validation_accuracy"] == 0.1
    assert len(watch.rates) < 12
    assert list(tmp_path.iterdir()) == []
    assert run() == plain


def test_a_resumed_run_that_diverges_leaves_nothing_to_the_next(plain, tmp_path, monkeypatch):
    monkeypatch.setattr(protocol, "BACKUP_SECONDS", 0)

    def broken(self, epoch, logs=None):
        if epoch == 2:
            raise RuntimeError("broken off")

    def poisoned(self, epoch, logs=None):
        assert epoch == 2
        self.model.trainable_variables[-1].assign(self.model.trainable_variables[-1] * np.nan)

    for act, error in ((broken, pytest.raises(RuntimeError, match="off")), (poisoned, None)):
        callback = type("Acts", (keras.callbacks.Callback,), {"on_epoch_begin": act})()
        with error or contextlib.nullcontext():
            context = Context(backups=tmp_path, callbacks=(callback,))
            result = TINY.execute(context)
    assert (result["diverged"], len(result["test_curve"])) == (True, 2)
    assert run() == plain


@pytest.mark.slow
def test_recomputation_changes_nothing():
    plain, recomputed = Watch(), Watch()
    run(plain, **RESIDUAL | {"depth": 14, "epochs": 2})
    run(recomputed, **RESIDUAL | {"depth": 14, "epochs": 2, "recompute": 2})
    assert recomputed.losses == pytest.approx(plain.losses, rel=1e-4)


def test_a_step_is_timed():
    assert TINY.total_steps == 12
    assert 0 < TINY.seconds_per_step() < 10
    assert TINY.step_key == ("mlp-2 x16 weight", 8, 16, False)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"network": "mpl"}, "Did you mean 'mlp'?"),
        ({"scheme": "arpits"}, "No arm of the paper. Received: {'norm': 'weight', 'scheme': 'arp"),
        ({"norm": "batch"}, "No arm of the paper"),
        (RESIDUAL | {"depth": 9}, "cifar_resnet has 6 n + 2 layers. Received: depth=9"),
        ({"network": "wide_resnet", "depth": 4}, "Expected e.g. 10 or 16"),
        ({"network": "plain_cnn", "depth": 3}, "Expected e.g. 4 or 5"),
        ({"depth": 0}, "Expected e.g. 1 or 2"),
        ({"scheme": "hanin"}, "'hanin' is for residual networks. Received: network='mlp'"),
        ({"learning_rate": 0.0}, "Expected learning_rate > 0"),
        ({"recompute": 2}, "Received: network='mlp', recompute=2"),
        ({"validation": 0.001}, "Nothing is held out to choose settings with"),
        ({"batch_size": 49}, "batch_size=49 for 48 images of 'digits'"),
        ({"train_size": 10_000}, "Not enough training examples"),
        ({"dataset": "digit"}, "Did you mean 'digits'?"),
    ],
)
def test_what_cannot_start_says_why(changes, message):
    with pytest.raises(UsageError, match=message.replace("{", r"\{").replace("+", r"\+")):
        dataclasses.replace(TINY, **changes).check(Context())


def test_a_killed_run_goes_on_and_ends_the_same(tmp_path):
    everything = {"augment": True, "cutout": 4, "warmup": 3.0, "weight_decay": 1e-3}
    spec = dataclasses.replace(TINY, **everything).spec
    whole = Watch()
    expected = catalogue.run(spec).execute(Context(callbacks=(whole,)))

    break_run(spec, tmp_path, epoch=2)

    rest = Watch()
    assert catalogue.run(spec).execute(Context(backups=tmp_path, callbacks=(rest,))) == expected
    assert rest.epochs == [2, 3]
    assert (rest.rates, rest.losses) == (whole.rates[6:], whole.losses[2:])
    assert list(tmp_path.iterdir()) == []


def test_the_kernels_are_weight_normalised():
    model = training_run._model(TINY, (8, 8, 1), 10)
    kinds = [isinstance(layer, kr.layers.WeightNormalization) for layer in model.layers]
    assert sum(kinds) == 2
