"""Two workers of `tf.distribute`: two processes of this machine, each with its `TF_CONFIG`."""

import json
import os
import pathlib
import socket
import subprocess
import sys

ROOT = pathlib.Path(__file__).parents[2]


def run_two(command, timeout):
    """Run both workers to their ends.

    Args:
        command: function from a worker's index to the arguments of Python, a list of str.
        timeout: seconds that each may take.

    Returns:
        A list of two `subprocess.CompletedProcess`, with what they printed.
    """
    cluster = {"worker": [f"localhost:{port}" for port in _free_ports()]}
    environment = {
        **os.environ,
        "PYTHONPATH": str(ROOT),
        "TF_CPP_MIN_LOG_LEVEL": "3",
        "CUDA_VISIBLE_DEVICES": "-1",
        "TF_NUM_INTRAOP_THREADS": "1",
    }
    processes = []
    try:
        for index in (0, 1):
            config = {"cluster": cluster, "task": {"type": "worker", "index": index}}
            processes.append(
                subprocess.Popen(
                    [sys.executable, *command(index)],
                    cwd=ROOT,
                    env={**environment, "TF_CONFIG": json.dumps(config)},
                    stdout=subprocess.PIPE,
                    stderr=subprocess.PIPE,
                    text=True,
                )
            )
        printed = [process.communicate(timeout=timeout) for process in processes]
    finally:
        for process in processes:
            process.kill()
    return [
        subprocess.CompletedProcess(process.args, process.returncode, *both)
        for process, both in zip(processes, printed, strict=True)
    ]


def _free_ports():
    with socket.socket() as one, socket.socket() as other:
        for each in (one, other):
            each.bind(("127.0.0.1", 0))
        return [each.getsockname()[1] for each in (one, other)]
