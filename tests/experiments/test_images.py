"""One image run: budget, early stopping, independence of what ran before, analysis, resumption."""

import dataclasses
import itertools
import json
import os
import signal
import subprocess
import sys
import time

import keras
import numpy as np
import pytest

import keras_reinit as kr
from experiments import data, experiment
from experiments.errors import UsageError
from experiments.experiment import Context
from experiments.tasks import images

TINY = images.ImageRun(
    dataset="digits",
    backbone="scnn",
    method="LW",
    image_size=8,
    train_size=60,
    validation=0.4,
    augment=False,
    batch_size=12,
    steps_per_round=6,
    learning_rate=0.02,
)


def run(**changes):
    return images.execute(dataclasses.replace(TINY, **changes).spec, Context())


@pytest.fixture(scope="module")
def layerwise():
    return run(dropout=0.5)


def test_the_spec_names_its_task_and_revives_as_the_run():
    spec = json.loads(json.dumps(TINY.spec))
    assert experiment.task(spec) is images
    assert images._run(spec) == TINY


@pytest.mark.parametrize("method", ["BL", "WELSR", "DSD", "WELS", "FC", "S&P"])
def test_every_method_has_the_same_budget(method):
    result = run(method=method)
    # 36 images in batches of 12: three steps an epoch, two epochs a round, four rounds.
    assert result["train_images"] == 36
    assert result["epochs"] == 8
    assert result["steps"] == 24 == images.steps(TINY.spec)
    rounds = 1 if method == "BL" else 4
    assert result["round_curve"] == [epoch * rounds // 8 for epoch in range(8)]


def test_a_round_ends_early_by_the_validation_error():
    result = run(method="BL", steps_per_round=300, patience=21, learning_rate=1e-9)
    assert result["val_accuracy_curve"].count(result["val_accuracy_curve"][0]) == 22
    assert result["epochs"] == 22


def test_the_best_epoch_by_validation_is_scored():
    result = run(method="BL", learning_rate=0.1)
    assert result["validation_accuracy"] == pytest.approx(max(result["val_accuracy_curve"]), 1e-4)


def test_a_run_does_not_depend_on_the_runs_before(layerwise):
    run(method="FC", dropout=0.5, seed=3)
    assert run(dropout=0.5) == layerwise


def test_seeds_differ(layerwise):
    other = run(dropout=0.5, seed=1)
    assert other["loss_curve"] != layerwise["loss_curve"]
    assert other["margins"] != layerwise["margins"]


def test_the_analysis_is_that_of_the_trained_network(layerwise):
    margins = np.array(layerwise["margins"])
    assert len(margins) == 36
    assert (np.diff(margins) >= 0).all()
    assert (margins > 0).mean() == pytest.approx(layerwise["train_accuracy"])
    assert len(layerwise["accuracy_change"]) == len(layerwise["sigmas"])
    assert layerwise["weight_size"] > 0


def test_a_result_is_plain_json(layerwise):
    assert json.loads(json.dumps(layerwise, allow_nan=False)) == layerwise


def test_the_test_curve_decides_nothing():
    plain, watched = run(method="WELSR"), run(method="WELSR", test_curve=True)
    assert len(watched.pop("test_accuracy_curve")) == 8
    assert plain == watched


def test_frozen_blocks_stay_as_they_are_within_a_round(monkeypatch):
    seen = []

    class Watch(keras.callbacks.Callback):
        def on_epoch_end(self, epoch, logs=None):
            kernels = [np.array(self.model.get_layer(f"block{k}_conv").kernel) for k in range(1, 5)]
            seen.append((int(logs["reinit_round"]), kernels))

    spec = dataclasses.replace(TINY, method="LW frozen", learning_rate=0.1).spec
    images.execute(spec, Context(callbacks=(Watch(),)))
    for (before, old), (after, new) in itertools.pairwise(seen):
        if before == after:
            changed = [bool((a != b).any()) for a, b in zip(old, new, strict=True)]
            assert changed == [k > before for k in range(4)]


@pytest.mark.parametrize("method", ["LW no redraw", "LW no normalization"])
def test_ablations_leave_one_step_out(method):
    seen = {}

    class Watch(keras.callbacks.Callback):
        def on_epoch_end(self, epoch, logs=None):
            block = self.model.blocks[0].normalization
            seen[epoch] = (float(block.stddev), logs["reinit_entries"])

    spec = dataclasses.replace(TINY, method=method).spec
    images.execute(spec, Context(callbacks=(Watch(),)))
    stddev, entries = seen[0]
    assert (stddev == 1) == (method == "LW no normalization")
    assert (entries == 0) == (method == "LW no redraw")


def test_a_batch_larger_than_the_set():
    with pytest.raises(UsageError, match="batch_size=100 for 36 images of 'digits'"):
        run(batch_size=100)


def test_the_probe_times_a_step_without_the_data():
    spec = dataclasses.replace(TINY, dataset="stanford_dogs").spec
    assert 0 < images.seconds_per_step(spec) < 60
    other = dataclasses.replace(TINY, method="BL", seed=5, dataset="cifar10").spec
    assert images.step_key(spec) == images.step_key(other)
    assert images.step_key(spec) != images.step_key(dataclasses.replace(TINY, image_size=16).spec)


CHILD = """
import json, sys, pathlib, keras
from experiments.experiment import Context
from experiments.tasks import images

images.BACKUP_SECONDS = 0

class Slow(keras.callbacks.Callback):
    def on_epoch_end(self, epoch, logs=None):
        print(epoch, flush=True)
        if epoch == int(sys.argv[3]):
            sys.stdin.readline()

spec = json.loads(sys.argv[1])
result = images.execute(spec, Context(backups=pathlib.Path(sys.argv[2]), callbacks=(Slow(),)))
print(json.dumps(result))
"""


@pytest.mark.slow
@pytest.mark.parametrize("changes", [{"dropout": 0.5}, {"augment": True, "method": "DSD"}])
def test_a_killed_run_goes_on_and_ends_the_same(changes, tmp_path):
    spec = dataclasses.replace(TINY, test_curve=True, **changes).spec
    expected = images.execute(spec, Context())

    def child(stop):
        return subprocess.Popen(
            [sys.executable, "-c", CHILD, json.dumps(spec), str(tmp_path), str(stop)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env={**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3"},
        )

    with child(stop=5) as first:
        while first.stdout.readline().strip() != "5":
            time.sleep(0.01)
        first.send_signal(signal.SIGKILL)
    assert len(list(tmp_path.glob("*.jsonl"))) == 1

    with child(stop=-1) as second:
        printed = second.communicate()[0].splitlines()
    assert printed[0] == "5"  # epochs 0 to 4 are over
    assert json.loads(printed[-1]) == expected
    assert list(tmp_path.iterdir()) == []


def test_digits_have_a_whole_validation_part():
    whole = data.load("digits", validation=0.4)
    part = data.subset(whole, 60, seed=0)
    assert (len(part.x_train), len(part.x_validation)) == (36, 24)
    assert kr.backbones.scnn((8, 8, 1), 10).output.shape == (None, 10)
