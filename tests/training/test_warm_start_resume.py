"""Warm starting: what a kill changes, and which backups are refused."""

import math
import subprocess
import sys

import keras
import numpy as np
import pytest

import keras_reinit as kr
from keras_reinit.training import ShrinkPerturb, WarmStart
from tests.killed import ROOT, run_until
from tests.training.streams import FIXED, Starts, equal, network


class Killed(Exception):
    pass


class Kill(keras.callbacks.Callback):
    """Dies at the start of an epoch, or at the end, of the given `fit`."""

    def __init__(self, stage, epoch):
        super().__init__()
        self._fits, self._moment = -1, (stage, epoch)

    def on_train_begin(self, logs=None):
        self._fits += 1

    def on_epoch_begin(self, epoch, logs=None):
        if (self._fits, epoch) == self._moment:
            raise Killed

    def on_train_end(self, logs=None):
        if (self._fits, math.inf) == self._moment:
            raise Killed


@pytest.fixture
def stream(stages, blobs):
    """A stream with a backup in a folder: the trained weights and the records."""

    def run(folder, *callbacks):
        warm = WarmStart(
            network(dropout=0.5),
            ShrinkPerturb(0.4, 0.1),
            kr.rounds.Fixed(epochs=2),
            batch_size=32,
            backup_dir=folder,
            interval=0,
        )
        records = list(warm.run(stages, evaluation=blobs, callbacks=callbacks))
        return warm.model.get_weights(), records

    return run


def test_a_kill_changes_nothing(stream, tmp_path):
    weights, records = stream(tmp_path / "whole")
    for number, moment in enumerate([(0, 1), (1, 1), (1, math.inf), (2, 0)]):
        folder = tmp_path / str(number)
        with pytest.raises(Killed):
            stream(folder, Kill(*moment))
        resumed, again = stream(folder)
        assert equal(weights, resumed)
        for one, other in zip(records, again, strict=True):
            assert (one.epochs, one.steps, one.logs) == (other.epochs, other.steps, other.logs)
            assert one.evaluation == other.evaluation


def test_finished_stages_are_not_trained_again(stages, tmp_path):
    def warm():
        return WarmStart(network(), "warm", FIXED, backup_dir=tmp_path)

    first = list(warm().run(stages[:2]))
    starts = Starts()
    again = list(warm().run(stages, callbacks=[starts]))
    assert again[:2] == first
    assert len(starts.after) == 1


def test_the_backup_of_another_stream_is_refused(stages, tmp_path):
    list(WarmStart(network(), "warm", FIXED, backup_dir=tmp_path).run(stages[:1]))
    other = WarmStart(network(), "random", FIXED, backup_dir=tmp_path)
    with pytest.raises(ValueError, match="Received: 'random', .*Expected: 'warm'"):
        list(other.run(stages))
    same = WarmStart(network(), "warm", FIXED, backup_dir=tmp_path)
    with pytest.raises(ValueError, match="Received: 50 examples. Expected: 20"):
        list(same.run(stages[1:]))


@pytest.mark.parametrize("change", [{"strategy": "random"}, {"batch_size": 30}, {"stages": 1}])
def test_a_backup_within_a_stage_belongs_to_its_strategy_and_data(change, stages, tmp_path):
    def run(*callbacks, strategy="warm", batch_size=16, stages=stages):
        warm = WarmStart(
            network(), strategy, FIXED, batch_size, 0, True, backup_dir=tmp_path, interval=0
        )
        list(warm.run(stages, callbacks=callbacks))

    with pytest.raises(Killed):
        run(Kill(0, 1))
    if "stages" in change:
        change = {"stages": stages[1:]}
    with pytest.raises(ValueError, match="another method or other arguments"):
        run(**change)


def test_a_resumed_stage_that_breaks_off_leaves_fit_as_it_was(stages, tmp_path):
    model = network()

    def run(*callbacks):
        warm = WarmStart(model, "warm", FIXED, 16, backup_dir=tmp_path, interval=0)
        list(warm.run(stages, callbacks=callbacks))

    for moment in (Kill(0, 1), Kill(0, 1)):
        with pytest.raises(Killed):
            run(moment)
    history = model.fit(*stages[0], epochs=2, verbose=0)
    assert history.epoch == [0, 1]


CHILD = """
import itertools, sys, keras, numpy as np
from keras_reinit import rounds
from keras_reinit.training import ShrinkPerturb, WarmStart
from tests.killed import ROOT, run_until
from tests.training.streams import network

class Wait(keras.callbacks.Callback):
    def on_epoch_end(self, epoch, logs=None):
        print(next(epochs), flush=True)
        sys.stdin.readline()

x = np.random.default_rng(0).normal(size=(40, 6)).astype("float32")
y = np.arange(40) % 3
for folder in sys.argv[1:]:
    epochs = itertools.count(1)
    warm = WarmStart(network(0.5), ShrinkPerturb(0.5, 0.2), rounds.Fixed(2), batch_size=16,
                     backup_dir=folder, interval=0)
    for stage in warm.run([(x[:20], y[:20]), (x, y)], callbacks=[Wait()]):
        pass
    np.savez(folder + "/final.npz", *warm.model.get_weights())
"""


@pytest.mark.slow
def test_a_real_kill(tmp_path):
    for name in ("whole", "killed"):
        (tmp_path / name).mkdir()
    run_until(lambda line: line == "3", "-c", CHILD, tmp_path / "killed")  # in the second stage
    command = [sys.executable, "-c", CHILD, str(tmp_path / "killed"), str(tmp_path / "whole")]
    subprocess.run(command, stdin=subprocess.DEVNULL, cwd=ROOT, check=True)
    with np.load(tmp_path / "whole/final.npz") as a, np.load(tmp_path / "killed/final.npz") as b:
        assert equal(list(a.values()), list(b.values()))
