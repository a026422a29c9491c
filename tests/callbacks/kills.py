"""Trainings that are killed (SIGKILL) again and again and run again: what do they end with?

`python -c "from tests.callbacks.kills import report; report(40)"` kills so often, at random moments
of `fit` and inside the writes of backups, over every method, both backups and three rules, and
prints what came of it.
"""

import collections
import dataclasses
import itertools
import multiprocessing
import os
import pathlib
import random
import signal
import tempfile
import time

import keras
import numpy as np

import keras_reinit as kr
from tests.callbacks.resumable import Fragile, final_weights, network

EXAMPLES, BATCH, ROUNDS = 48, 16, 3
RULES = {
    "fixed": kr.rounds.Fixed(epochs=2),
    "converged": kr.rounds.Converged(
        "val_loss", patience=2, max_epochs=4, lr_factor=0.5, lr_patience=1
    ),
    "steps": kr.rounds.Steps(5),
}
BACKUPS = {"keras": keras.callbacks.BackupAndRestore, "ours": kr.callbacks.Backup}
COMBINATIONS = [*itertools.product(kr.methods.METHODS, RULES, BACKUPS)]


@dataclasses.dataclass(frozen=True)
class Training:
    """One training.

    Attributes:
        identifier: of the method.
        rule: a key of `RULES`.
        backup: a key of `BACKUPS`.
        fatal_save: the write of a backup, from 1, inside of which the process kills itself; or
            None.
    """

    identifier: str
    rule: str
    backup: str
    fatal_save: int | None = None


class Begun(keras.callbacks.Callback):
    """Tells the parent that `fit` has begun."""

    def __init__(self, event):
        super().__init__()
        self.event = event

    def on_train_begin(self, logs=None):
        self.event.set()


def train(training, folder, event):
    """Train to the end and write the weights, or the reason why that is refused."""
    rng = np.random.default_rng(0)
    x = rng.normal(size=(EXAMPLES, 6, 6, 1)).astype("float32")
    y = rng.integers(0, 3, size=EXAMPLES)
    Fragile.fatal_save, Fragile.saves = training.fatal_save, 0
    Fragile.kill = staticmethod(lambda: os.kill(os.getpid(), signal.SIGKILL))
    model = network(training.identifier == "LW", eager=True)
    options = (
        {"sample": x[:16], "iterations": 2} if training.identifier == "LW" else {"rounds": ROUNDS}
    )
    method = kr.callbacks.get(training.identifier)(until=RULES[training.rule], seed=7, **options)
    try:
        model.fit(
            x,
            y,
            batch_size=BATCH,
            shuffle=False,
            epochs=method.max_epochs(model, EXAMPLES // BATCH),
            validation_data=(x[::2], y[::2]) if training.rule == "converged" else None,
            callbacks=[BACKUPS[training.backup](folder / "backup"), method, Begun(event)],
            verbose=0,
        )
    except ValueError as error:
        (folder / "refused").write_text(str(error))
    else:
        np.savez(folder / "final.npz", *final_weights(model))


class Killer:
    """Runs trainings in processes of their own, and kills them.

    Args:
        seed: int, of the moments.
    """

    def __init__(self, seed):
        self._random = random.Random(seed)
        self._context = multiprocessing.get_context("forkserver")
        self._context.set_forkserver_preload(["tests.callbacks.kills"])
        self._known = {}

    def run(self, training, folder, kill_after=None):
        """Run a training; True if it was killed: seconds after `fit` began, or by itself."""
        event = self._context.Event()
        process = self._context.Process(target=train, args=(training, folder, event))
        process.start()
        if kill_after is not None:
            event.wait(300)
            process.join(kill_after)
            process.kill()
        process.join()
        assert process.exitcode in (0, -signal.SIGKILL), f"{training}: {process.exitcode}"
        return process.exitcode != 0

    def outcome(self, training, folder):
        """Kill a training, run it to its end: (number of kills, outcome)."""
        expected, seconds = self._undisturbed(training)
        inside = self._random.random() < 1 / 3
        saves = self._random.randint(1, 5) if inside else None
        first = dataclasses.replace(training, fatal_save=saves)
        after = None if inside else self._random.uniform(0, seconds)
        kills = int(self.run(first, folder, after))
        if kills and self._random.random() < 1 / 4:
            kills += self.run(training, folder, self._random.uniform(0, seconds))
        if not (folder / "final.npz").exists() and not (folder / "refused").exists():
            self.run(training, folder)
        where = "inside a write" if inside else "anywhere"
        if (folder / "refused").exists():
            reason = (folder / "refused").read_text()
            told = "backup" in reason and ("again" in reason or "another directory" in reason)
            kind = "half a file" if "is torn" in reason else "weights and epoch of two moments"
            return kills, f"refused ({kind}), killed {where}" if told else f"unclear: {reason}"
        with np.load(folder / "final.npz") as found:
            same = all(np.array_equal(found[name], expected[name]) for name in expected)
        return kills, f"bit-identical, killed {where}" if same else f"other weights: {first}"

    def _undisturbed(self, training):
        """The final weights, {name: array}, and how long `fit` takes."""
        key = training.identifier, training.rule
        if key not in self._known:
            with tempfile.TemporaryDirectory() as name:
                folder = pathlib.Path(name)
                start = time.perf_counter()
                assert not self.run(dataclasses.replace(training, backup="ours"), folder)
                seconds = time.perf_counter() - start
                with np.load(folder / "final.npz") as found:
                    self._known[key] = dict(found), seconds
        return self._known[key]


def outcomes(kills, seed=0):
    """Kill so often at least, over all combinations in a random order: (kills, counts)."""
    killer, done = Killer(seed), 0
    counts: collections.Counter = collections.Counter()
    shuffled = random.Random(seed).sample(COMBINATIONS, len(COMBINATIONS))
    for identifier, rule, backup in itertools.cycle(shuffled):
        if done >= kills:
            return done, counts
        with tempfile.TemporaryDirectory() as folder:
            number, found = killer.outcome(Training(identifier, rule, backup), pathlib.Path(folder))
        if number:  # else the training was over before its moment
            counts[f"{backup}: {found}"] += 1
            done += number


def report(kills, seed=0):
    """Print what came of so many kills."""
    done, counts = outcomes(kills, seed)
    print(f"{done} kills of {sum(counts.values())} trainings")
    for outcome, number in sorted(counts.items()):
        print(f"{number:4d}  {outcome}")
