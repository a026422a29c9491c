"""One warm-start run: stages, strategies, phases, independence of what ran before, resumption."""

import dataclasses
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time

import keras
import numpy as np
import pytest

from experiments import data
from experiments.engine import catalogue, rows
from experiments.engine.errors import BackupLost, UsageError
from experiments.engine.experiment import Context
from experiments.papers.ash2020 import networks, warm_start_run
from experiments.papers.ash2020.warm_start_run import WarmStartRun
from experiments.training.curves import Curves

TINY = WarmStartRun(
    dataset="digits",
    network="mlp_tanh",
    strategy="warm",
    train_size=90,
    batch_size=16,
    optimizer="adam",
    learning_rate=0.01,
    max_epochs=3,
)
TIMES = ("train_seconds",)


def run(context=None, **changes):
    """The result of a run without what no two runs share."""
    result = dataclasses.replace(TINY, **changes).execute(context or Context())
    return {name: value for name, value in result.items() if name not in TIMES}


@pytest.fixture(scope="module")
def warm():
    return run()


class Seen(keras.callbacks.Callback):
    """Remembers the weights before and after every stage."""

    def __init__(self):
        super().__init__()
        self.before, self.after = [], []

    def on_epoch_begin(self, epoch, logs=None):
        if epoch == 0:
            self.before.append([np.array(v) for v in self.model.trainable_variables])

    def on_train_end(self, logs=None):
        self.after.append([np.array(v) for v in self.model.trainable_variables])


def same(some, others):
    return [bool((a == b).all()) for a, b in zip(some, others, strict=True)]


def test_half_and_then_all(warm):
    # 90 examples, 30 held out: 30 and 60 to train on, in batches of 16.
    assert warm["samples"] == [30, 60]
    assert warm["epochs"] == [3, 3]
    assert warm["steps"] == [6, 12]
    assert sum(warm["steps"]) == catalogue.run(TINY.spec | {"train_size": 90}).total_steps
    assert len(warm["accuracy"]) == len(warm["train_accuracy"]) == len(warm["converged"]) == 2
    assert 0 < warm["correlation"] < 1


@pytest.mark.parametrize(
    ("changes", "samples"),
    [
        ({"strategy": "random"}, [60]),
        ({"first": 0.25}, [15, 60]),
        ({"head_first": True}, [30, 60, 60]),
        ({"scheme": "stream", "stage_size": 25}, [25, 50, 60]),
        ({"scheme": "stream", "stage_size": 20}, [20, 40, 60]),
        ({"scheme": "repeat", "rounds": 3}, [60, 60, 60]),
        ({"scheme": "transfer", "source": "digits", "first": 0.25}, [60, 15]),
    ],
)
def test_the_stages_of_a_scheme(changes, samples):
    result = run(max_epochs=1, **changes)
    assert result["samples"] == samples
    assert result["steps"] == [-(-size // 16) for size in samples]
    assert (
        sum(result["steps"]) == dataclasses.replace(TINY, max_epochs=1, **changes).total_steps
        or "source" in changes
    )  # of which a plan knows no size


def test_a_random_start_is_that_of_the_last_stage_of_a_longer_run():
    """Strategies see the same examples in the same order: shrink 0, perturb 1 *is* random."""
    fresh = run(strategy="shrink_perturb", shrink=0.0, perturb=1.0)
    random = run(strategy="random")
    for name in ("accuracy", "train_accuracy", "epochs"):
        assert fresh[name][-1] == random[name][-1]
    assert random["correlation"] is None
    assert abs(fresh["correlation"]) < 0.2


def test_shrink_one_perturb_nothing_is_warm(warm):
    assert run(strategy="shrink_perturb", shrink=1.0, perturb=0.0) == warm


def test_the_last_layer_alone_is_shrunk():
    seen = Seen()
    run(Context(callbacks=(seen,)), strategy="shrink_perturb", shrink=0.5, last_layer=True)
    assert same(seen.after[0], seen.before[1]) == [True] * 4 + [False] * 2
    np.testing.assert_allclose(0.5 * seen.after[0][-2], seen.before[1][-2])


def test_only_the_head_learns_in_the_stage_between():
    seen = Seen()
    run(Context(callbacks=(seen,)), head_first=True)
    assert same(seen.after[0], seen.before[2]) == [True] * 4 + [False] * 2
    assert same(seen.after[1], seen.before[2][-2:]) == [True] * 2
    assert same(seen.before[2], seen.after[2]) == [False] * 6


def test_the_first_stage_has_its_own_settings():
    result = run(first_batch_size=10, first_learning_rate=0.5, first_epochs=2)
    assert result["epochs"] == [2, 3]
    assert result["steps"] == [6, 12]
    assert result["accuracy"] != run(first_batch_size=10, first_epochs=2)["accuracy"]


def test_a_stage_ends_at_its_goal_or_with_its_patience():
    reached = run(goal=0.05)
    assert (reached["epochs"], reached["converged"]) == ([1, 1], [True, True])
    stuck = run(learning_rate=0.0, patience=2, max_epochs=20)
    assert (stuck["epochs"], stuck["converged"]) == ([3, 3], [False, False])
    assert run(goal=None)["epochs"] == [3, 3]


def test_the_rate_decays_within_every_stage():
    rates = []

    class Rate(keras.callbacks.Callback):
        def on_epoch_end(self, epoch, logs=None):
            rates.append(float(self.model.optimizer.learning_rate))

    run(Context(callbacks=(Rate(),)), decay_epochs=2)
    assert rates == pytest.approx([0.01, 0.01, 0.001] * 2)


def test_curves_change_nothing(warm):
    result = run(curves=True)
    train, measured = result.pop("train_curves"), result.pop("accuracy_curves")
    assert result == warm
    assert [len(curve) for curve in (*train, *measured)] == [3, 3, 3, 3]
    for curves, name in ((train, "train_accuracy"), (measured, "accuracy")):
        assert [curve[-1] for curve in curves] == pytest.approx(warm[name], abs=1e-5)


def test_a_course_survives_a_torn_line(tmp_path):
    stages = []
    for epoch in range(2):
        Curves(stages, tmp_path).on_epoch_end(epoch, {"accuracy": 0.5, "val_accuracy": epoch / 2})
    with open(tmp_path / "curves.jsonl", "a") as torn:
        torn.write("\n[0, 2, 0.")
    course = Curves(stages, tmp_path)
    course.on_epoch_end(2, {"accuracy": 0.6, "val_accuracy": 1.0})
    stages.append("over")
    assert Curves(stages, tmp_path).columns()["accuracy_curves"] == [[0.0, 0.5, 1.0]]


def test_a_course_that_lacks_an_epoch_is_not_shorter_in_silence(tmp_path):
    for epoch in (0, 2):
        Curves([], tmp_path).on_epoch_end(epoch, {"accuracy": 0.5, "val_accuracy": 0.5})
    with pytest.raises(BackupLost, match=r"without 1. Expected one line an epoch"):
        Curves([], tmp_path).check(3)
    Curves([], tmp_path).check(1)


def test_weights_that_a_power_cut_has_torn_let_a_run_begin_again(tmp_path, capsys):
    expected = run(curves=True)
    changed = dataclasses.replace(TINY, curves=True)
    folder = tmp_path / rows.digest(changed.spec)
    folder.mkdir()
    (folder / "before.npy").write_bytes(b"")
    result = changed.execute(Context(backups=tmp_path))
    assert {name: result[name] for name in expected} == expected
    assert "A run begins again: " in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []


def test_a_run_does_not_depend_on_the_runs_before(warm):
    run(strategy="shrink_perturb", shrink=0.5, perturb=0.1, seed=3)
    model = networks.compiled(*_arguments())
    traces = model.train_function
    assert run() == warm
    assert networks.compiled(*_arguments()) is model
    assert model.train_function is traces


def _arguments():
    return ("mlp_tanh", (8, 8, 1), 10, "batch", 1.0, warm_start_run.WORDS, "adam", 0.0, "none", 0.0)


def test_one_trace_for_all_runs_of_a_network(monkeypatch):
    count = []
    step = networks.ConfidencePenalty.call

    def counted(self, y_true, y_pred):
        count.append(1)
        return step(self, y_true, y_pred)

    monkeypatch.setattr(networks.ConfidencePenalty, "call", counted)
    penalized = {"penalty": "confidence", "strength": 0.1, "max_epochs": 1}
    run(**penalized)
    traced = len(count)
    run(**penalized, seed=1, first=0.3, train_size=60)
    run(**penalized, scheme="stream", stage_size=13, batch_size=7, learning_rate=0.1)
    assert len(count) == traced


def test_seeds_draw_other_examples_and_weights(warm):
    other = run(seed=1)
    assert other["accuracy"] != warm["accuracy"]
    first, second = (data.shuffled(data.load("digits"), seed, 90) for seed in (0, 1))
    assert first.x.shape == (60, 8, 8, 1)
    assert first.x_held_out.shape == (30, 8, 8, 1)
    assert (first.x[:5] != second.x[:5]).any()


def test_held_out_examples_are_never_trained_on():
    whole = data.load("digits")
    part = data.shuffled(whole, 0, 600, held_out=0.25)
    rows = [set(map(bytes, array.reshape(len(array), -1))) for array in (part.x, part.x_held_out)]
    assert list(map(len, rows)) == [450, 150]
    assert not rows[0] & rows[1]


def test_images_of_a_source_take_the_shape_of_the_others():
    gray = data.shuffled(data.load("digits"), 0, 9)
    colored = data.alike(gray, (16, 16, 3))
    assert colored.x.shape == (6, 16, 16, 3)
    np.testing.assert_array_equal(colored.x[..., 0], colored.x[..., 2])
    np.testing.assert_allclose(colored.x.mean(), gray.x.mean(), rtol=0.05)
    np.testing.assert_allclose(data.alike(colored, (16, 16, 1)).x[..., 0], colored.x[..., 0], 1e-6)


def test_correlations_are_pearsons_and_spearmans():
    before, after = np.array([1.0, 2.0, 3.0, 4.0]), np.array([1.0, 8.0, 27.0, 64.0])
    found = warm_start_run._correlations(before, after)
    assert found["rank_correlation"] == pytest.approx(1)
    assert found["correlation"] == pytest.approx(np.corrcoef(before, after)[0, 1])
    assert warm_start_run._correlations(None, after) == dict.fromkeys(found)


def test_a_result_is_plain_json(warm):
    assert json.loads(json.dumps(warm, allow_nan=False)) == warm


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"network": "mlp"}, "Unknown network. Received: 'mlp'. Did you mean 'mlp_"),
        ({"strategy": "cold"}, "Unknown strategy. Received: 'cold'"),
        ({"scheme": "half"}, "Did you mean 'halves'?"),
        ({"optimizer": "adamw"}, "Did you mean 'adam'?"),
        ({"penalty": "l2"}, "Unknown penalty. Received: 'l2'"),
        ({"first": 0.0}, "first=0.0"),
        ({"held_out": 1.0}, "held_out=1.0"),
        ({"train_size": 5000}, "train_size=5000. Expected 1 to 898"),
        ({"train_size": 1}, "train_size=1"),
        ({"source": "digits"}, "scheme='halves'"),
        ({"scheme": "transfer"}, "source=None"),
        ({"scheme": "transfer", "strategy": "random", "source": "digits"}, "strategy='random'"),
        ({"scheme": "transfer", "source": "digit"}, "Did you mean 'digits'?"),
        ({"dataset": "digit"}, "Did you mean 'digits'?"),
    ],
)
def test_what_cannot_start(changes, message):
    refused = dataclasses.replace(TINY, **changes)
    for begin in (refused.check, refused.execute):
        with pytest.raises(UsageError, match=re.escape(message)):
            begin(Context())


def test_the_probe_times_a_step_without_the_data(monkeypatch):
    monkeypatch.setattr(warm_start_run, "PROBE_SECONDS", 0.01)
    spec = dataclasses.replace(TINY, dataset="fashion_mnist").spec
    assert 0 < catalogue.run(spec).seconds_per_step() < 60
    same_kind = dataclasses.replace(TINY, strategy="random", seed=5, dataset="fashion_mnist").spec
    assert catalogue.run(spec).step_key == catalogue.run(same_kind).step_key
    assert catalogue.run(spec).step_key != catalogue.run(spec | {"network": "mlp_relu"}).step_key


def test_a_run_that_breaks_off_leaves_nothing_behind(warm):
    class BreakOff(keras.callbacks.Callback):
        def on_epoch_begin(self, epoch, logs=None):
            if epoch == 1:
                raise RuntimeError("broken off")

    with pytest.raises(RuntimeError, match="broken off"):
        run(Context(callbacks=(BreakOff(),)))
    assert run() == warm


CHILD = """
import json, sys, pathlib, keras
from experiments.engine import catalogue
from experiments.engine.experiment import Context
from experiments.training import protocol

protocol.BACKUP_SECONDS = 0

class Slow(keras.callbacks.Callback):
    epochs = 0
    def on_epoch_end(self, epoch, logs=None):
        self.epochs += 1
        print(self.epochs, flush=True)
        sys.stdin.readline()

run = catalogue.run(json.loads(sys.argv[1]))
run.execute(Context(backups=pathlib.Path(sys.argv[2]), callbacks=(Slow(),)))
"""


class Epochs(keras.callbacks.Callback):
    """Remembers which epochs were trained."""

    def __init__(self):
        super().__init__()
        self.seen = []

    def on_epoch_end(self, epoch, logs=None):
        self.seen.append(epoch)


@pytest.mark.slow
def test_a_run_killed_in_every_stage_ends_the_same(tmp_path):
    spec = dataclasses.replace(
        TINY, strategy="shrink_perturb", shrink=0.5, perturb=0.1, head_first=True, curves=True
    ).spec
    expected = catalogue.run(spec).execute(Context())
    folders = {}
    with subprocess.Popen(
        [sys.executable, "-c", CHILD, json.dumps(spec), str(tmp_path / "killed")],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3"},
    ) as child:
        for epoch in range(1, 9):  # of nine: the folder of the second in each stage is kept
            while child.stdout.readline().strip() != str(epoch):
                time.sleep(0.01)
            if epoch in (2, 5, 8):
                folders[epoch] = tmp_path / str(epoch)
                shutil.copytree(tmp_path / "killed", folders[epoch])
            if epoch < 8:
                child.stdin.write("\n")
                child.stdin.flush()
        child.send_signal(signal.SIGKILL)
    for epoch, folder in folders.items():
        epochs = Epochs()
        result = catalogue.run(spec).execute(Context(backups=folder, callbacks=(epochs,)))
        assert {k: v for k, v in result.items() if k not in TIMES} == {
            k: v for k, v in expected.items() if k not in TIMES
        }
        assert epochs.seen == ([1, 2] + [0, 1, 2] * 2)[: 9 - epoch + 1][-(9 - epoch + 1) :]
        assert list(folder.iterdir()) == []


def test_a_kill_after_the_last_stage_keeps_the_correlation(warm, tmp_path, monkeypatch):
    def stop(*arguments):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(warm_start_run, "_correlations", stop)
        with pytest.raises(KeyboardInterrupt):
            run(Context(backups=tmp_path))
    epochs = Epochs()
    assert run(Context(backups=tmp_path, callbacks=(epochs,))) == warm
    assert epochs.seen == []
