"""TensorFlow in processes that have chosen another backend: never imported."""

import os
import pathlib
import subprocess
import sys

import pytest

ROOT = pathlib.Path(__file__).parents[2]

PROGRAM = """
import pathlib, sys
import keras, numpy as np
import keras_reinit as kr
from tests.settings import METHODS

rng = np.random.default_rng(0)
x, y = rng.normal(size=(32, 6)).astype("float32"), rng.integers(0, 3, 32)
folder = pathlib.Path(sys.argv[1])
rule = kr.rounds.Converged("val_loss", patience=1, max_epochs=2)
for setting in METHODS:
    model = setting.model()
    callbacks = [kr.callbacks.Backup(folder / "backup"), setting.callback(until=rule)]
    model.fit(x, y, epochs=9, validation_data=(x, y), callbacks=callbacks, verbose=0)
    model.save_weights(folder / "model.weights.h5")
kr.shrink_perturb(model, 0.4, 0.1, seed=1)
stages = kr.training.WarmStart(model, "warm", kr.rounds.Fixed(1), backup_dir=folder).run([(x, y)])
print(keras.backend.backend(), *(stage.epochs for stage in stages), "tensorflow" in sys.modules)
"""


@pytest.mark.slow
@pytest.mark.parametrize("backend", ["jax", "torch"])
def test_the_package_does_without_tensorflow(backend, tmp_path):
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, tmp_path],
        cwd=ROOT,
        env={**os.environ, "KERAS_BACKEND": backend, "JAX_PLATFORMS": "cpu"},
        capture_output=True,
        text=True,
    )
    assert done.stdout == f"{backend} 1 False\n", done.stderr[-2000:]
