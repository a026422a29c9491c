"""One process of a distributed search; KerasTuner's environment variables tell which.

Command: `python -m tests.tuner.process FOLDER WORKERS`
"""

import json
import os
import pathlib
import sys
import time

import keras_tuner
import numpy as np

from keras_reinit.tuner import ReinitHyperModel, trials
from tests.tuner.conftest import network

TRIALS = 6


def tuner_in(folder):
    return keras_tuner.RandomSearch(
        ReinitHyperModel(network, rounds=(2, 4), iterations=(1, 2), seed=0),
        keras_tuner.Objective("val_loss", "min"),
        max_trials=TRIALS,
        seed=1,
        directory=folder,
        project_name="search",
    )


def search(tuner):
    x = np.random.default_rng(0).normal(size=(96, 6)).astype("float32")
    y = np.arange(96) % 3
    validation = x[48:], y[48:]
    tuner.search(
        x[:48],
        y[:48],
        epochs=4,
        validation_data=validation,
        batch_size=48,
        shuffle=False,
        verbose=0,
    )


def main(folder, workers):
    name = os.environ["KERASTUNER_TUNER_ID"]
    tuner = tuner_in(folder)
    if name == "chief":
        search(tuner)
        pathlib.Path(folder, "trials.json").write_text(json.dumps(trials(tuner)))
        return
    done = []
    end_trial = tuner.on_trial_end
    tuner.on_trial_end = lambda trial: (done.append(trial.trial_id), end_trial(trial))
    # The search may not be over before the last worker joins it: the chief would be gone.
    pathlib.Path(folder, f"{name}.ready").touch()
    while len(list(pathlib.Path(folder).glob("*.ready"))) < workers:
        time.sleep(0.1)
    search(tuner)
    pathlib.Path(folder, f"{name}.done").write_text(json.dumps(done))


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]))
