"""Processes that are killed in the middle of their work."""

import json
import os
import pathlib
import subprocess
import sys

ROOT = pathlib.Path(__file__).parents[1]

RUN = """
import json, pathlib, sys
import keras
from experiments.engine import catalogue
from experiments.engine.experiment import Context
from experiments.training import protocol

class Slow(keras.callbacks.Callback):
    def on_epoch_end(self, epoch, logs=None):
        print(epoch, flush=True)
        sys.stdin.readline()

spec, settings = map(json.loads, sys.argv[2:])
run = catalogue.run(spec)
protocol.BACKUP_SECONDS = 0
vars(sys.modules[type(run).__module__]).update(settings)
run.execute(Context(backups=pathlib.Path(sys.argv[1]), callbacks=(Slow(),)))
"""


def run_until(is_last, *arguments):
    """Run Python and kill it (SIGKILL) at a line of its standard output.

    A program that is to be killed at an exact place reads a line from its standard input after each
    one that it prints: it gets one for every line but the last.

    Args:
        is_last: from a line, without its end, to whether the process is killed.
        *arguments: of Python, such as "-c" and a program.
    """
    with subprocess.Popen(
        [sys.executable, *map(str, arguments)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        cwd=ROOT,
        env={**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3", "CUDA_VISIBLE_DEVICES": "-1"},
    ) as process:
        printed = []
        for line in process.stdout:
            printed.append(line)
            if is_last(line.rstrip("\n")):
                process.kill()
                return
            process.stdin.write("\n")
            process.stdin.flush()
    raise AssertionError("The process ended before it was killed:\n" + "".join(printed))


def kill_run(spec, folder, epoch, **settings):
    """Execute a run of the experiments and kill it at the end of an epoch, before its backup.

    Args:
        spec: of the run.
        folder: of the backups, one after each epoch.
        epoch: the last one.
        **settings: constants of the module of its class.
    """
    arguments = folder, json.dumps(spec), json.dumps(settings)
    run_until(lambda line: line == str(epoch), "-c", RUN, *arguments)
