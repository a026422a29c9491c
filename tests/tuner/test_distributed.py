"""A search by a chief and workers, each a process of its own."""

import json
import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest

import keras_reinit as kr
from tests.tuner import process

ROOT = Path(__file__).parents[2]
WORKERS = ("tuner0", "tuner1")


def free_port():
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


@pytest.mark.slow
def test_a_chief_and_two_workers_find_what_one_process_finds(tmp_path):
    environment = {
        **os.environ,
        "PYTHONPATH": str(ROOT),
        "KERASTUNER_ORACLE_IP": "127.0.0.1",
        "KERASTUNER_ORACLE_PORT": str(free_port()),
    }
    shared = tmp_path / "shared"
    shared.mkdir()
    processes = [
        subprocess.Popen(
            [sys.executable, "-m", "tests.tuner.process", str(shared), str(len(WORKERS))],
            env={**environment, "KERASTUNER_TUNER_ID": name},
            cwd=ROOT,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        for name in ("chief", *WORKERS)
    ]
    try:
        outputs = [each.communicate(timeout=500)[0] for each in processes]
    finally:
        for each in processes:
            each.kill()
    assert [each.returncode for each in processes] == [0] * len(processes), "\n".join(outputs)

    done = [json.loads((shared / f"{name}.done").read_text()) for name in WORKERS]
    assert all(done)
    rows = json.loads((shared / "trials.json").read_text())
    assert sorted(row["trial"] for row in rows) == sorted(done[0] + done[1])
    assert [row["status"] for row in rows] == ["COMPLETED"] * process.TRIALS

    alone = process.tuner_in(tmp_path / "alone")
    process.search(alone)
    for tuner in (alone, process.tuner_in(shared)):
        for row, expected in zip(rows, kr.tuner.trials(tuner), strict=True):
            for name, value in expected.items():  # floats go between processes in 32 bits
                is_float = isinstance(value, float)
                assert row[name] == (pytest.approx(value, rel=1e-4) if is_float else value)
