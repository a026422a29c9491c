"""What a backup holds, what it is compared with on resuming, and what becomes of it."""

import pathlib

import keras
import numpy as np
import pytest

import keras_reinit as kr

X = np.random.default_rng(0).normal(size=(16, 3)).astype("float32")
Y = X[:, :1]


class Broken(Exception):
    """Breaks a training off."""


class Break(keras.callbacks.Callback):
    def __init__(self, epoch):
        super().__init__()
        self.epoch = epoch

    def on_epoch_begin(self, epoch, logs=None):
        if epoch == self.epoch:
            raise Broken


def network(optimizer=None, units=1):
    keras.utils.set_random_seed(0)
    model = keras.Sequential([keras.Input((3,)), keras.layers.Dense(units)])
    model.compile(optimizer or keras.optimizers.Adam(0.1), "mse")
    return model


def method(**changes):
    options = {"until": kr.rounds.Fixed(2), "rounds": 2, "seed": 0}
    return kr.callbacks.ShrinkPerturb(0.5, 0.5, **{**options, **changes})


def fit(model, *callbacks, epochs=4):
    options = {"batch_size": 8, "shuffle": False, "epochs": epochs, "verbose": 0}
    return model.fit(X, Y, callbacks=list(callbacks), **options)


def broken_off(model, *callbacks, epoch=2):
    with pytest.raises(Broken):
        fit(model, *callbacks, Break(epoch))
    return model


def backups(folder):
    return {
        "ours": lambda: kr.callbacks.Backup(folder),
        "keras": lambda: keras.callbacks.BackupAndRestore(folder),
    }


both = pytest.mark.parametrize("kind", ["ours", "keras"])


# The file.


def test_every_changed_byte_is_told(tmp_path):
    broken_off(network(), kr.callbacks.Backup(tmp_path))
    file = tmp_path / "latest.weights.h5"
    whole = file.read_bytes()
    rng = np.random.default_rng(0)
    for place in [0, len(whole) - 1, *rng.integers(len(whole), size=30)]:
        damaged = bytearray(whole)
        damaged[place] ^= 1 << rng.integers(8)
        file.write_bytes(damaged)
        with pytest.raises(ValueError, match=r"latest\.weights\.h5' cannot be read: .*Remove it"):
            fit(network(), kr.callbacks.Backup(tmp_path))
    file.write_bytes(whole)
    assert len(fit(network(), kr.callbacks.Backup(tmp_path)).epoch) == 2


@pytest.mark.parametrize("length", [0, 10, -1, -500])
def test_a_file_that_is_cut_off_is_told(length, tmp_path):
    broken_off(network(), kr.callbacks.Backup(tmp_path))
    file = tmp_path / "latest.weights.h5"
    file.write_bytes(file.read_bytes()[:length])
    with pytest.raises(ValueError, match="cannot be read"):
        _ = kr.callbacks.Backup(tmp_path).next_epoch


def test_another_format_is_told(tmp_path):
    broken_off(network(), kr.callbacks.Backup(tmp_path))
    file = tmp_path / "latest.weights.h5"
    file.write_bytes(file.read_bytes().replace(b"format 0002", b"format 0007"))
    with pytest.raises(ValueError, match="it has format 7, and this version of keras_reinit reads"):
        fit(network(), kr.callbacks.Backup(tmp_path))


@pytest.mark.parametrize("torn", ["latest.weights.h5", "training_metadata.json"])
@pytest.mark.parametrize("share", [0, 0.3, 0.9])
def test_half_a_file_of_kerass_own_backup_is_told(torn, share, tmp_path):
    backup = backups(tmp_path)["keras"]
    broken_off(network(), backup(), method(), epoch=3)
    file = tmp_path / torn
    content = file.read_bytes()
    file.write_bytes(content[: int(share * len(content))])
    with pytest.raises(ValueError, match=r"BackupAndRestore in '.*' is torn.*Remove the directory"):
        fit(network(), backup(), method())


def test_many_weights_fit_into_a_backup(tmp_path):
    """More than an attribute of HDF5 can tell of."""
    layers = [keras.layers.Dense(1, name=f"d{i}") for i in range(60)]
    model = keras.Sequential([keras.Input((3,)), *layers])
    model.compile("sgd", "mse")
    kr.callbacks.sealed.write(model, tmp_path / "a.weights.h5", {"words": "x" * 100_000})
    assert len(kr.callbacks.sealed.read_facts(tmp_path / "a.weights.h5")["words"]) == 100_000


# What is compared.


@both
@pytest.mark.parametrize(
    ("first", "second", "reason"),
    [
        (lambda: keras.optimizers.SGD(0.1), lambda: keras.optimizers.Adam(0.1), "optimizer"),
        (lambda: keras.optimizers.Adam(0.1), lambda: keras.optimizers.SGD(0.1), "optimizer"),
        (
            lambda: keras.optimizers.SGD(0.1),
            lambda: keras.optimizers.SGD(0.1, momentum=0.9),
            "optimizer",
        ),
        (lambda: keras.optimizers.SGD(0.1), lambda: keras.optimizers.SGD(0.2), "learning rate"),
        (
            lambda: keras.optimizers.SGD(keras.optimizers.schedules.CosineDecay(0.1, 50)),
            lambda: keras.optimizers.SGD(keras.optimizers.schedules.CosineDecay(0.1, 60)),
            "learning rate",
        ),
    ],
)
@pytest.mark.filterwarnings("ignore:Skipping variable loading for optimizer")
def test_another_optimizer_is_refused(kind, first, second, reason, tmp_path):
    backup = backups(tmp_path)[kind]
    broken_off(network(first()), backup(), method())
    with pytest.raises(ValueError, match=f"backup is that of a training with another {reason}"):
        fit(network(second()), backup(), method())
    assert len(fit(network(first()), backup(), method()).epoch) == 2


def test_a_new_learning_rate_is_taken_if_asked_for(tmp_path):
    broken_off(network(keras.optimizers.SGD(0.1)), kr.callbacks.Backup(tmp_path), method())
    model = network(keras.optimizers.SGD(0.02))
    rates = []
    watch = keras.callbacks.LambdaCallback(
        on_epoch_end=lambda *_: rates.append(float(model.optimizer.learning_rate))
    )
    fit(model, kr.callbacks.Backup(tmp_path, new_learning_rate=True), method(), watch)
    np.testing.assert_allclose(rates, [0.02, 0.02])


def test_a_rate_that_a_scheduler_left_is_not_a_new_one(tmp_path):
    """In a notebook, say: interrupted, and the cell run again."""

    def halved(epoch, rate):
        return rate / 2

    def backup():
        return kr.callbacks.Backup(tmp_path), keras.callbacks.LearningRateScheduler(halved)

    model = broken_off(network(), *backup(), method())
    fit(model, *backup(), method())
    whole = network()
    fit(whole, keras.callbacks.LearningRateScheduler(halved), method())
    for one, other in zip(model.get_weights(), whole.get_weights(), strict=True):
        np.testing.assert_array_equal(one, other)


def test_another_number_of_weights_is_refused(tmp_path):
    broken_off(network(units=2), kr.callbacks.Backup(tmp_path))
    model = keras.Sequential([network(units=2), keras.layers.Dense(1)])
    model.compile("adam", "mse")
    with pytest.raises(ValueError, match="another architecture, with 2 weights and not 4"):
        fit(model, kr.callbacks.Backup(tmp_path))


# A model's own optimizers.


class Two(keras.Model):
    """Two networks, each with an optimizer of its own, built in the first step."""

    def __init__(self):
        super().__init__()
        self.first, self.second = (keras.layers.Dense(1, name=name) for name in ("a", "b"))
        self.first.build((None, 3))
        self.second.build((None, 3))
        self.built = True

    def compile(self, first, second):
        super().compile(optimizer=keras.optimizers.SGD(0.1))
        self.first_optimizer, self.second_optimizer = first, second

    def train_step(self, data):
        import tensorflow as tf

        losses = []
        for layer, optimizer in (
            (self.first, self.first_optimizer),
            (self.second, self.second_optimizer),
        ):
            with tf.GradientTape() as tape:
                losses.append(tf.reduce_mean(tf.square(layer(data[0]) - data[1])))
            weights = layer.trainable_variables
            optimizer.apply(tape.gradient(losses[-1], weights), weights)
        return {"loss": sum(losses)}


def two():
    keras.utils.set_random_seed(0)
    model = Two()
    model.compile(keras.optimizers.Adam(0.1), keras.optimizers.SGD(0.1, momentum=0.9))
    return model


def state(model):
    optimizers = model.first_optimizer, model.second_optimizer
    return [np.array(v) for each in optimizers for v in each.variables] + model.get_weights()


@pytest.mark.backends("tensorflow", reason="a gradient tape")
@pytest.mark.parametrize("with_method", [True, False])
def test_optimizers_of_the_models_own_come_back(with_method, tmp_path):
    def callbacks():
        own = [method(reset_optimizer=False)] if with_method else []
        return [kr.callbacks.Backup(tmp_path), *own]

    whole = two()
    fit(whole, *callbacks())
    broken_off(two(), *callbacks(), epoch=3)
    resumed = two()
    fit(resumed, *callbacks())
    for one, other in zip(state(resumed), state(whole), strict=True):
        np.testing.assert_array_equal(one, other)


@pytest.mark.backends("tensorflow", reason="a gradient tape")
@pytest.mark.filterwarnings("ignore:Skipping variable loading for optimizer")
def test_kerass_backup_of_such_a_model_is_refused(tmp_path):
    broken_off(two(), keras.callbacks.BackupAndRestore(tmp_path), method())
    with pytest.raises(ValueError, match="was not restored: Keras's BackupAndRestore builds"):
        fit(two(), keras.callbacks.BackupAndRestore(tmp_path), method())


# Beginnings and ends.


@both
def test_after_a_resumed_training_that_broke_off_epochs_begin_at_zero(kind, tmp_path):
    backup = backups(tmp_path)[kind]
    broken_off(network(), backup(), method())
    model = broken_off(network(), backup(), method(), epoch=3)
    assert fit(model, epochs=3).epoch == [0, 1, 2]


def test_a_directory_that_cannot_be_removed_ends_no_training(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert len(fit(network(), kr.callbacks.Backup(".")).epoch) == 4
    assert not any(tmp_path.iterdir())


def test_a_backup_that_cannot_be_removed_is_warned_of(tmp_path, monkeypatch, caplog):
    def unlink(self, missing_ok=False):
        raise PermissionError("read-only")

    backup = kr.callbacks.Backup(tmp_path)
    with monkeypatch.context() as patch:
        patch.setattr(pathlib.Path, "unlink", unlink)
        fit(network(), backup)
    assert "is finished, and its backup cannot be removed (read-only)" in caplog.text


@pytest.mark.parametrize("make", [lambda f: kr.callbacks.Backup(f), lambda f: method()])
def test_a_callback_stands_once_in_a_list(make, tmp_path):
    callback = make(tmp_path)
    with pytest.raises(ValueError, match="stands twice in the list of callbacks"):
        fit(network(), callback, callback)


def test_two_backups_in_one_directory_are_refused(tmp_path):
    with pytest.raises(ValueError, match="Two callbacks would write the same backup"):
        fit(network(), kr.callbacks.Backup(tmp_path), kr.callbacks.Backup(tmp_path))


def test_a_callback_in_two_trainings_begins_anew(tmp_path):
    again, callbacks = [], [kr.callbacks.Backup(tmp_path), method()]
    for _ in range(2):
        model = network()
        assert len(fit(model, *callbacks).epoch) == 4
        again.append(model.get_weights())
    for one, other in zip(*again, strict=True):
        np.testing.assert_array_equal(one, other)


def test_a_callback_begins_anew_after_an_exception_of_another():
    callback, fresh = method(), network()
    broken = broken_off(network(), callback)
    broken.set_weights(network().get_weights())
    broken.compile(keras.optimizers.Adam(0.1), "mse")
    fit(broken, callback)
    fit(fresh, method())
    for one, other in zip(broken.get_weights(), fresh.get_weights(), strict=True):
        np.testing.assert_array_equal(one, other)
