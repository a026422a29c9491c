"""One image run: budget, early stopping, independence of what ran before, analysis, resumption."""

import dataclasses
import itertools
import json
import re

import keras
import numpy as np
import pytest

import keras_reinit as kr
from experiments import data
from experiments.engine import catalogue
from experiments.engine.errors import UsageError
from experiments.engine.experiment import Context
from experiments.papers.alabdulmohsin2021 import image_run
from experiments.training import protocol
from tests.killed import kill_run

TINY = image_run.ImageRun(
    dataset="digits",
    backbone="scnn",
    method="LW",
    image_size=8,
    train_size=60,
    validation=0.4,
    augment=False,
    dropout=0.5,
    batch_size=12,
    steps_per_round=6,
    learning_rate=0.02,
)


def run(**changes):
    return dataclasses.replace(TINY, **changes).execute(Context())


@pytest.fixture(autouse=True, scope="module")
def _few_draws():
    """The sharpness of a network takes longer than its training here."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(image_run, "NOISE_DRAWS", 1)
        yield


@pytest.fixture(scope="module")
def layerwise(_few_draws):
    return run()


@pytest.mark.parametrize("method", ["BL", "WELSR", "DSD", "WELS", "FC", "S&P"])
def test_every_method_has_the_same_budget(method):
    result = run(method=method)
    # 36 images in batches of 12: three steps an epoch, two epochs a round, four rounds.
    assert result["train_images"] == 36
    assert result["epochs"] == 8
    assert result["steps"] == 24 == TINY.total_steps
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
    run(method="FC", seed=3)
    assert run() == layerwise


class BreakOff(keras.callbacks.Callback):
    """Ends training by an error in the middle of an epoch."""

    def __init__(self, epoch):
        super().__init__()
        self._last = epoch

    def on_epoch_begin(self, epoch, logs=None):
        if epoch == self._last:
            raise RuntimeError(f"broken off in epoch {epoch}")


def test_a_run_does_not_depend_on_those_that_failed(layerwise, tmp_path, monkeypatch):
    monkeypatch.setattr(protocol, "BACKUP_SECONDS", 0)
    with pytest.raises(ValueError, match="training diverged"):
        run(learning_rate=1e6)
    for epoch in (3, 5):  # the second time it goes on from its backup before it breaks off
        with pytest.raises(RuntimeError, match=f"broken off in epoch {epoch}"):
            TINY.execute(Context(backups=tmp_path, callbacks=(BreakOff(epoch),)))
    assert run() == layerwise
    assert TINY.execute(Context(backups=tmp_path)) == layerwise
    assert list(tmp_path.iterdir()) == []


def test_a_journal_survives_a_torn_line(tmp_path):
    file = tmp_path / "journal.jsonl"
    for epoch in range(2):
        image_run.Journal(epoch, file).on_epoch_end(epoch, {"loss": epoch / 2})
    with open(file, "a") as torn:
        torn.write('\n[2, {"lo')
    image_run.Journal(2, file).on_epoch_end(2, {"loss": 1.0})
    assert image_run.Journal(3, file).columns() == {"loss_curve": [0.0, 0.5, 1.0]}


@pytest.mark.parametrize("left", [None, "", '\n[0, {"loss": 1.0}]\n[1, {"lo', "\n[1, [0]]\n\xff[{"])
def test_a_journal_that_lacks_an_epoch_says_so(tmp_path, left):
    file = tmp_path / "journal.jsonl"
    if left is not None:
        file.write_text(left, encoding="latin-1")
    with pytest.raises(ValueError, match=rf"journal lacks epochs.*Received: {file}, without [01]"):
        image_run.Journal(2, file)


def test_a_run_whose_journal_is_gone_begins_again(layerwise, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(protocol, "BACKUP_SECONDS", 0)
    with pytest.raises(RuntimeError, match="broken off"):
        TINY.execute(Context(backups=tmp_path, callbacks=(BreakOff(4),)))
    (journal,) = tmp_path.glob("*/journal.jsonl")
    journal.write_text("\n".join(journal.read_text().split("\n")[:-1]))
    epochs = Epochs()
    assert TINY.execute(Context(backups=tmp_path, callbacks=(epochs,))) == layerwise
    assert epochs.seen == list(range(8))
    assert "A run begins again: the journal lacks epochs" in capsys.readouterr().err


def test_seeds_differ(layerwise):
    other = run(seed=1)
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


def test_the_test_curve_decides_nothing(layerwise):
    watched = run(test_curve=True)
    assert len(watched.pop("test_accuracy_curve")) == 8
    assert watched == layerwise


def test_frozen_blocks_stay_as_they_are_within_a_round(monkeypatch):
    seen = []

    class Watch(keras.callbacks.Callback):
        def on_epoch_end(self, epoch, logs=None):
            kernels = [np.array(self.model.get_layer(f"block{k}_conv").kernel) for k in range(1, 5)]
            seen.append((int(logs["reinit_round"]), kernels))

    spec = dataclasses.replace(TINY, method="LW frozen", learning_rate=0.1).spec
    catalogue.run(spec).execute(Context(callbacks=(Watch(),)))
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
    catalogue.run(spec).execute(Context(callbacks=(Watch(),)))
    stddev, entries = seen[0]
    assert (stddev == 1) == (method == "LW no normalization")
    assert (entries == 0) == (method == "LW no redraw")


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"batch_size": 100}, "batch_size=100 for 36 images of 'digits'"),
        ({"validation": 0.0}, "validation=0.0, train_size=60, which holds out none of 'digits'"),
        ({"validation": 0.1, "train_size": 4}, "train_size=4, which holds out none of 'digits'"),
        ({"validation": 1.5}, "validation=1.5. Expected 0 <= validation < 1"),
        ({"train_size": 5000}, "train_size=5000. Expected 1 to 898"),
        ({"dataset": "digit"}, "Did you mean 'digits'?"),
    ],
)
def test_what_cannot_start(changes, message):
    refused = dataclasses.replace(TINY, **changes)
    for begin in (refused.check, refused.execute):
        with pytest.raises(UsageError, match=re.escape(message)):
            begin(Context())


def test_a_check_counts_the_images_that_are_trained_on():
    spec = dataclasses.replace(TINY, batch_size=36).spec
    catalogue.run(spec).check(Context())
    with pytest.raises(UsageError):
        catalogue.run(spec | {"batch_size": 37}).check(Context())


def test_the_probe_times_a_step_without_the_data():
    spec = dataclasses.replace(TINY, dataset="stanford_dogs").spec
    assert 0 < catalogue.run(spec).seconds_per_step() < 60
    other = dataclasses.replace(TINY, method="BL", seed=5, dataset="cifar10").spec
    assert catalogue.run(spec).step_key == catalogue.run(other).step_key
    assert catalogue.run(spec).step_key != dataclasses.replace(TINY, image_size=16).step_key


class Epochs(keras.callbacks.Callback):
    """Remembers which epochs were trained."""

    def __init__(self):
        super().__init__()
        self.seen = []

    def on_epoch_end(self, epoch, logs=None):
        self.seen.append(epoch)


@pytest.mark.slow
def test_a_killed_run_goes_on_and_ends_the_same(tmp_path):
    spec = dataclasses.replace(TINY, test_curve=True, augment=True).spec
    expected = catalogue.run(spec).execute(Context())

    kill_run(spec, tmp_path, epoch=5, NOISE_DRAWS=1)
    assert len(list(tmp_path.glob("*/journal.jsonl"))) == 1

    epochs = Epochs()
    assert catalogue.run(spec).execute(Context(backups=tmp_path, callbacks=(epochs,))) == expected
    assert epochs.seen == [5, 6, 7]  # epochs 0 to 4 are over
    assert list(tmp_path.iterdir()) == []


def test_digits_have_a_whole_validation_part():
    whole = data.load("digits", validation=0.4)
    part = data.subset(whole, 60, seed=0)
    assert (len(part.x_train), len(part.x_validation)) == (36, 24)
    assert kr.backbones.scnn((8, 8, 1), 10).output.shape == (None, 10)
