"""Interrupt anywhere: a training that is killed and run again ends with the same bits."""

import dataclasses
import json
import os
import pathlib
import signal
import subprocess
import sys
import types

import keras
import numpy as np
import pytest

import keras_reinit as kr
from tests.callbacks.resumable import Case, Fragile, final_weights, network, train

ROOT = pathlib.Path(__file__).parents[2]


class Killed(BaseException):
    """Ends a training in this process where the real tests end the process."""


def kill():
    raise Killed


@pytest.fixture(scope="module")
def uninterrupted(tmp_path_factory):
    """The final weights of a case without a death, trained once."""
    known = {}

    def weights(case):
        key = (case.method, case.rule, case.distilled)
        if key not in known:
            folder = tmp_path_factory.mktemp("uninterrupted")
            known[key] = train(Case(str(folder), *key[:2], distilled=case.distilled), kill)
        return known[key]

    return weights


def assert_same_end(case, model, expected):
    for actual, wanted in zip(final_weights(model), final_weights(expected), strict=True):
        np.testing.assert_array_equal(actual, wanted, err_msg=str(case))


# Every pair of values occurs together at least once.
@pytest.mark.parametrize(
    ("method", "rule", "backup", "backup_first", "moment", "distilled"),
    [
        ("LW", "fixed", "keras", True, "batch", False),
        ("LW", "converged", "keras", False, "between", False),
        ("LW", "accuracy", "ours", True, "between", False),
        ("LW", "fixed", "ours", False, "end", False),
        ("LW", "converged", "keras", False, "batch", True),
        ("LW", "fixed", "ours", True, "between", True),
        ("S&P", "fixed", "keras", False, "between", False),
        ("S&P", "converged", "keras", True, "end", False),
        ("S&P", "converged", "ours", True, "batch", False),
        ("S&P", "accuracy", "keras", False, "batch", False),
        ("S&P", "converged", "keras", True, "between", True),
        ("S&P", "fixed", "ours", False, "end", True),
    ],
)
def test_resumed_training_ends_bit_equal(
    method, rule, backup, backup_first, moment, distilled, uninterrupted, tmp_path
):
    expected, history = uninterrupted(Case("", method, rule, distilled=distilled))
    rounds = history["reinit_round"]
    # The last epoch of the first round: the re-initialisation is decided and not yet done.
    epoch = rounds.index(1) - 1 if moment == "between" else rounds.index(1) + 1
    case = Case(
        str(tmp_path), method, rule, backup, backup_first, moment, epoch, distilled=distilled
    )
    with pytest.raises(Killed):
        train(case, kill)
    resumed, _ = train(dataclasses.replace(case, moment=None), kill)
    assert_same_end(case, resumed, expected)


def test_kill_inside_our_write_leaves_the_old_backup(uninterrupted, tmp_path):
    case = Case(str(tmp_path), "LW", "converged", "ours", moment="write")
    with pytest.raises(Killed):
        train(case, kill)
    resumed, _ = train(dataclasses.replace(case, moment=None), kill)
    assert_same_end(case, resumed, uninterrupted(case)[0])


def run(*cases):
    """Train cases, one after the other, in a process of its own."""
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "TF_CPP_MIN_LOG_LEVEL": "3"}
    command = [sys.executable, "-m", "tests.callbacks.resumable"]
    arguments = [json.dumps(dataclasses.asdict(case)) for case in cases]
    return subprocess.run([*command, *arguments], cwd=ROOT, env=environment, capture_output=True)


slow = pytest.mark.slow


# One for each mechanism: a write that is broken off, Keras's backup, each rule, a teacher.
@pytest.mark.parametrize(
    "case",
    [
        Case("", "LW", "fixed", "ours", False, "write"),
        pytest.param(Case("", "S&P", "converged", "ours", True, "end"), marks=slow),
        pytest.param(Case("", "LW", "fixed", "keras", False, "between", 5), marks=slow),
        pytest.param(
            Case("", "S&P", "converged", "keras", False, "batch", 8, distilled=True), marks=slow
        ),
    ],
    ids=lambda case: f"{case.method}-{case.rule}-{case.backup}-{case.moment}-{case.distilled}",
)
def test_process_killed_for_real(case, tmp_path):
    case = dataclasses.replace(case, folder=str(tmp_path), eager=False)
    assert run(case).returncode == -signal.SIGKILL
    assert not (tmp_path / "final.npz").exists()
    undisturbed = tmp_path / "undisturbed"
    undisturbed.mkdir()
    rest = dataclasses.replace(case, moment=None)
    resumed = run(rest, dataclasses.replace(rest, folder=str(undisturbed)))
    assert resumed.returncode == 0, resumed.stderr.decode()[-2000:]
    with np.load(tmp_path / "final.npz") as one, np.load(undisturbed / "final.npz") as other:
        assert one.files == other.files
        for name in one.files:
            np.testing.assert_array_equal(one[name], other[name])


def killed_in_epoch(tmp_path, epoch=4, **changes):
    case = Case(str(tmp_path), moment="batch", epoch=epoch, **changes)
    with pytest.raises(Killed):
        train(case, kill)
    return dataclasses.replace(case, moment=None)


def test_half_written_keras_backup_is_refused_with_the_reason(tmp_path):
    case = killed_in_epoch(tmp_path)
    metadata = tmp_path / "backup" / "training_metadata.json"
    # A kill between the two files of BackupAndRestore leaves the old epoch with the new weights.
    metadata.write_text(json.dumps({"epoch": 3, "batch": 0}))
    with pytest.raises(ValueError, match=r"after epoch 3, .* goes on with epoch 3.*only in part"):
        train(case, kill)


def test_first_keras_backup_without_its_metadata_is_refused(tmp_path):
    case = killed_in_epoch(tmp_path, epoch=1)
    (tmp_path / "backup" / "training_metadata.json").unlink()
    with pytest.raises(ValueError, match=r"after epoch 0, .* goes on with epoch 0"):
        train(case, kill)


@pytest.mark.parametrize("backup", ["keras", "ours"])
def test_backup_of_another_training_is_refused(backup, tmp_path):
    case = killed_in_epoch(tmp_path, backup=backup)
    with pytest.raises(ValueError, match="another method or other arguments"):
        train(dataclasses.replace(case, rule="accuracy"), kill)


def test_backup_without_a_method_is_not_resumed_with_one(tmp_path):
    model = network(blocks=False)
    x, y = np.zeros((8, 6, 6, 1)), np.zeros(8)
    backup = kr.callbacks.Backup(tmp_path / "backup", delete_checkpoint=False)
    model.fit(x, y, epochs=2, callbacks=[backup], verbose=0)
    with pytest.raises(ValueError, match="resumed at epoch 2 from a backup without the state"):
        train(Case(str(tmp_path), backup="ours"), kill)


def test_backup_of_another_architecture_is_refused(tmp_path):
    def fit(units):
        model = keras.Sequential([keras.Input((4,)), keras.layers.Dense(units)], name="two")
        model.compile("sgd", "mse")
        backup = kr.callbacks.Backup(tmp_path / "backup", delete_checkpoint=False)
        model.fit(np.zeros((4, 4)), np.zeros((4, units)), callbacks=[backup], verbose=0)

    fit(2)
    with pytest.raises(ValueError, match=r"another architecture.*\(4, 2\).*\(4, 3\)"):
        fit(3)


@pytest.mark.parametrize(
    ("backup", "backup_first"), [("keras", True), ("keras", False), ("ours", True)]
)
def test_finished_training_started_again_changes_nothing(
    backup, backup_first, uninterrupted, tmp_path
):
    case = Case(str(tmp_path), "LW", "converged", backup, backup_first, moment="end")
    expected, _ = uninterrupted(case)
    with pytest.raises(Killed):
        train(case, kill)
    with pytest.raises(Killed):  # dies in on_train_end once more
        train(case, kill)
    again, history = train(dataclasses.replace(case, moment=None), kill)
    assert_same_end(case, again, expected)
    # A backup that is listed first was deleted before the death: trained once more, same end.
    # Else Keras runs one batch before it can be stopped, and that batch leaves no trace.
    assert backup_first or len(history["reinit_round"]) == 1


@pytest.mark.parametrize(("interval", "expected"), [(0, [1, 2, 3, 4]), (6, [0, 2, 2, 4])])
def test_a_backup_waits_for_its_interval_and_knows_the_next_epoch(
    interval, expected, tmp_path, monkeypatch
):
    clock = iter(range(0, 1000, 3 if interval else 1))
    time = types.SimpleNamespace(monotonic=lambda: next(clock))
    monkeypatch.setattr("keras_reinit.callbacks.backup.time", time)
    seen = []

    class Watch(keras.callbacks.Callback):
        def on_epoch_end(self, epoch, logs=None):
            seen.append(kr.callbacks.Backup(tmp_path / "b").next_epoch)

    model = keras.Sequential([keras.Input((4,)), keras.layers.Dense(1)])
    model.compile("sgd", "mse")
    backup = kr.callbacks.Backup(tmp_path / "b", interval=interval)
    assert backup.next_epoch == 0
    model.fit(np.ones((4, 4)), np.ones(4), epochs=4, callbacks=[backup, Watch()], verbose=0)
    assert seen == expected
    assert backup.next_epoch == 0  # removed at the end


def test_an_interval_cannot_be_negative(tmp_path):
    with pytest.raises(ValueError, match="interval=-1"):
        kr.callbacks.Backup(tmp_path, interval=-1)


def test_seed_none_is_drawn_once_and_survives_a_kill(tmp_path):
    method = kr.callbacks.ShrinkPerturb(until=kr.rounds.Fixed(1), rounds=6)
    x, y = np.ones((8, 6, 6, 1)), np.zeros(8)

    def fit(callbacks):
        model = network(blocks=False)
        model.fit(x, y, epochs=6, callbacks=callbacks, verbose=0)

    class Kill(keras.callbacks.Callback):
        def on_epoch_begin(self, epoch, logs=None):
            if epoch == 3:
                raise Killed

    with pytest.raises(Killed):
        fit([kr.callbacks.Backup(tmp_path / "b"), method, Kill()])
    drawn = method.training_seed
    revived = kr.callbacks.ShrinkPerturb(until=kr.rounds.Fixed(1), rounds=6)
    fit([kr.callbacks.Backup(tmp_path / "b"), revived])
    assert revived.training_seed == drawn


def test_the_best_weights_of_a_round_survive_a_kill(tmp_path):
    class Script(keras.callbacks.Callback):
        def on_epoch_end(self, epoch, logs=None):
            logs["val_loss"] = [3.0, 1.0, 2.0, 2.0][epoch % 4]  # the second epoch is the best

    class Kill(keras.callbacks.Callback):
        def on_epoch_begin(self, epoch, logs=None):
            if epoch == 3:
                raise Killed

    x, y = np.random.default_rng(0).normal(size=(8, 6, 6, 1)), np.arange(8) % 3

    def fit(folder, *callbacks):
        rule = kr.rounds.Converged(patience=2, max_epochs=9)
        method = kr.callbacks.ShrinkPerturb(until=rule, rounds=2, seed=7)
        model = network(blocks=False)
        callbacks = [Script(), method, kr.callbacks.Backup(tmp_path / folder), *callbacks]
        history = model.fit(x, y, epochs=9, shuffle=False, callbacks=callbacks, verbose=0)
        return history.epoch, final_weights(model)

    _, whole = fit("whole")
    with pytest.raises(Killed):
        fit("killed", Kill())
    epochs, resumed = fit("killed")
    assert epochs == [3, 4, 5, 6, 7]
    for one, other in zip(whole, resumed, strict=True):
        np.testing.assert_array_equal(one, other)


def test_training_leaves_nothing_on_the_model(tmp_path):
    model, _ = train(Case(str(tmp_path), backup="ours"), kill)
    plain = network(blocks=False)
    of_keras = {"history", "_eval_epoch_iterator", "_jax_state"}
    assert set(vars(model)) - set(vars(plain)) <= of_keras
    assert not (tmp_path / "backup").exists()
    assert Fragile.saves > 0
