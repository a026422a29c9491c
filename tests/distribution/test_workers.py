"""Two workers, each a process of its own, on this machine."""

import json
import signal

import keras
import numpy as np
import pytest

if keras.backend.backend() != "tensorflow":
    pytest.skip("tf.distribute needs the TensorFlow backend", allow_module_level=True)


import keras_reinit as kr
from tests.distribution import pair, worker

pytestmark = pytest.mark.slow

TRAININGS = ("S&P", "LW", "distilled", "warm", "keras_backup")
REFUSED = {
    "no_seed": "each would draw a seed of its own",
    "own_seeds": "Received: method's CRC=",
    "own_weights": "Received: weights' CRC=",
    "own_backups": "Received: next epoch=[2, 0] on workers 0 to 1. Give all a `backup_dir`",
    "several_steps": "Keras cannot train this on 2 replicas",
}


def run_two(folder, *names):
    """Run both workers; returns their exit statuses and what they wrote to standard error."""
    command = ["tests/distribution/worker.py", folder, ",".join(names)]
    done = pair.run_two(lambda index: command, timeout=900)
    return [each.returncode for each in done], [each.stderr for each in done]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """What both workers have done: everything, then killed in the middle, then gone on."""
    folder = tmp_path_factory.mktemp("workers")
    statuses, errors = run_two(folder, *TRAININGS, *REFUSED, "prediction", "killed")
    assert -signal.SIGKILL in statuses, errors
    assert 0 not in statuses, errors
    assert [file.name for file in (folder / "backup").iterdir()] == ["latest.weights.h5"], errors
    assert kr.callbacks.Backup(folder / "backup").next_epoch == 4
    statuses, errors = run_two(folder, "resumed")
    assert statuses == [0, 0], errors
    return folder


def result(folder, name, index):
    with np.load(folder / f"{name}{index}.npz") as arrays:
        return dict(arrays), json.loads((folder / f"{name}{index}.json").read_text())


def assert_equal(one, other):
    assert one.keys() == other.keys()
    for name, array in one.items():
        np.testing.assert_array_equal(array, other[name], err_msg=name)


@pytest.mark.parametrize("name", [*TRAININGS, "resumed", "prediction"])
def test_workers_are_bit_equal_after_every_round(name, folder):
    first, first_history = result(folder, name, 0)
    second, second_history = result(folder, name, 1)
    assert_equal(first, second)
    assert first_history == second_history


@pytest.mark.parametrize("name", [*TRAININGS[:-1], "prediction"])
def test_two_workers_are_as_one_process(name, folder, tmp_path):
    together, history = result(folder, name, 0)
    alone, history_alone = worker.perform(name, tmp_path)
    assert together.keys() == alone.keys()
    for key, array in together.items():
        np.testing.assert_allclose(array, alone[key], rtol=1e-3, atol=2e-4, err_msg=key)
    for key, values in history_alone.items():
        np.testing.assert_allclose(history[key], values, rtol=1e-3, atol=1e-3, err_msg=key)


def test_a_resumed_training_is_the_uninterrupted_one(folder):
    resumed, _ = result(folder, "resumed", 0)
    uninterrupted, _ = result(folder, "LW", 0)
    assert set(resumed) < set(uninterrupted)
    assert "epoch4_0" in resumed
    assert "epoch3_0" not in resumed
    assert_equal(resumed, {name: uninterrupted[name] for name in resumed})


def test_backups_of_the_workers_are_removed_by_the_first(folder):
    assert not (folder / "backup").exists()
    assert [file.name for file in (folder / "warm").iterdir()] == ["finished.weights.h5"]


@pytest.mark.parametrize("name", REFUSED)
def test_what_would_drift_apart_is_refused_on_both(name, folder):
    for index in (0, 1):
        assert REFUSED[name] in result(folder, name, index)[1]["error"][0]
