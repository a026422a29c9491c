"""Runs on two replicas are the runs on one, and what would not be is refused."""

import json

import keras
import numpy as np
import pytest

import keras_reinit as kr
from experiments.__main__ import main
from experiments.commands import compare
from experiments.engine import catalogue, devices, runner, strategy
from experiments.engine.errors import UsageError
from experiments.engine.experiment import Context
from experiments.engine.run import forget_networks
from experiments.engine.store import Store
from experiments.papers.alabdulmohsin2021.image_run import ImageRun
from experiments.papers.arpit2019.training_run import InitializedRun
from experiments.papers.ash2020 import networks
from experiments.papers.ash2020.shrinking_run import ShrinkingRun
from experiments.papers.ash2020.warm_start_run import WarmStartRun
from experiments.papers.zaidi2022.regularized_run import RegularizedRun
from tests.distribution.pair import run_two

SMALL = {"image_size": 8, "train_size": 48, "batch_size": 12}
COMPARED = compare.runs(
    compare.Settings(
        method=("LW",), backbone="mlp", seeds=1, train_size=20, batch_size=10, epochs=2
    )
)
SPECS = {
    "comparison": COMPARED[0],
    "images": ImageRun("digits", "scnn", "S&P", **SMALL, validation=0.25, steps_per_round=3).spec,
    "initialized": InitializedRun(
        "digits", "wide_resnet", 10, 0.25, "batch", None, **SMALL, epochs=2, learning_rate=0.1
    ).spec,
    "regularized": RegularizedRun(
        "digits", "scnn", "S&P", **SMALL, norm="group", epochs=2, rounds=2, distillation=1.0
    ).spec,
    "shrinking": ShrinkingRun(
        "digits", "mlp_relu", train_size=72, batch_size=16, shrink=(0.5, 1.0), max_epochs=3
    ).spec,
    "warm_start": WarmStartRun(
        "digits", "mlp_relu", "shrink_perturb", train_size=72, batch_size=16, shrink=0.5,
        perturb=0.1, learning_rate=0.1, max_epochs=3, curves=True,
    ).spec,
}  # fmt: skip


def forget():
    """Drop the networks that were compiled for other devices."""
    forget_networks()
    networks.body_and_head.cache_clear()


@pytest.fixture(autouse=True)
def _as_new():
    forget()
    yield
    forget()


def record(spec, path, **context):
    with Store(path) as store:
        runner.perform([spec], store, Context(**context))
        assert store.states([spec])[0] == ("finished", "")
        (found,) = store.records([spec])
    del found["seconds"]
    found.pop("train_seconds", None)
    return found


@pytest.fixture(scope="module")
def two():
    return kr.distribution.strategy("mirrored", ["CPU:0", "CPU:1"])


def assert_close(one, other):
    assert one.keys() == other.keys()
    for name, value in one.items():
        if isinstance(value, str):
            assert other[name] == value
        else:  # None, for what is not finite, is NaN
            arrays = (np.array(each, "float64") for each in (other[name], value))
            np.testing.assert_allclose(*arrays, rtol=1e-3, atol=3e-3, err_msg=name)


@pytest.mark.slow
@pytest.mark.parametrize("task", SPECS)
def test_a_run_on_two_replicas_is_that_on_one(task, two, tmp_path):
    spec = SPECS[task]
    together = strategy.Replicas(two, [spec])
    backups = tmp_path / "backups"
    found = record(spec, tmp_path / "two.sqlite", place=together, backups=backups)
    forget()
    assert_close(record(spec, tmp_path / "one.sqlite"), found)


def test_a_forgotten_session_is_still_in_its_place(two):
    assert devices.count() == 1
    with strategy.Replicas(two, [])({}):
        devices.clear_session()
        assert devices.count() == 2
        assert keras.layers.Dense(1).name == "dense"
        assert len(two.experimental_local_results(keras.Variable(0.0).value)) == 2
    assert devices.count() == 1


@pytest.mark.parametrize(
    ("task", "changes", "message"),
    [
        ("comparison", {"batch_size": 5}, "Received: 5 examples, .* for 2 replicas. Expected a"),
        ("warm_start", {"first_batch_size": 7}, "Received: 7 examples"),
        ("images", {"dropout": 0.5}, "Received: dropout=0.5 on 2 replicas. Expected 0."),
    ],
)
def test_what_replicas_would_change_is_refused(task, changes, message, two):
    specs = [SPECS[task], SPECS[task] | changes]
    with pytest.raises(UsageError, match=message):
        strategy.Replicas(two, specs)


def test_a_stage_whose_last_batch_cannot_be_shared(two, tmp_path):
    spec = SPECS["warm_start"] | {"train_size": 75}
    with pytest.raises(UsageError, match="Received: 25 examples, of a batch or a set, for 2"):
        record(spec, tmp_path / "runs.sqlite", place=strategy.Replicas(two, [spec]))


@pytest.mark.parametrize("name", ["synthetic_table1", "init_propagation", "warm_figure5"])
def test_tasks_that_do_not_train_by_fit_are_refused(name):
    experiment = catalogue.find(name)
    specs = experiment.runs(experiment.sizes["smoke"])
    message = f"Received: --strategy mirrored for the task '{specs[0]['task']}'.* --workers shares"
    with pytest.raises(UsageError, match=message):
        strategy.place("mirrored", specs)


def test_the_other_tasks_do():
    kinds = {task: type(catalogue.run(spec)) for task, spec in SPECS.items()}
    assert all(kind.fitted for kind in kinds.values())


COMMAND = ["compare", "--backbone", "mlp", "--method", "BL", "LW", "--seeds", "1", "--epochs", "1"]
COMMAND += ["--train-size", "20", "--batch-size", "10"]


def runs(folder):
    records = json.loads((folder / "runs.json").read_text())["runs"]
    return [{name: run[name] for name in run if name != "seconds"} for run in records]


def test_the_command(tmp_path, capsys, monkeypatch):
    monkeypatch.delenv("TF_CONFIG", raising=False)
    command = [*COMMAND, "--out", str(tmp_path), "--strategy"]
    assert main([*command, "mirrored", "--workers", "2"]) == 2
    assert "Received: --strategy mirrored --workers 2 --engine local" in capsys.readouterr().err
    assert main([*command, "mirrored", "--engine", "ray"]) == 2
    assert "Received: --strategy mirrored --workers 1 --engine ray" in capsys.readouterr().err
    assert main([*command, "multiworker"]) == 2
    assert "Without TF_CONFIG each process would train alone" in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []
    assert main([*command, "mirrored"]) == 0  # of one replica, where there is no GPU
    forget()
    assert main([*COMMAND, "--out", str(tmp_path / "alone")]) == 0
    for one, other in zip(runs(tmp_path / "alone"), runs(tmp_path), strict=True):
        assert_close(one, other)


@pytest.mark.slow
def test_two_workers_do_each_run_together_and_the_first_records_it(tmp_path):
    command = ["-m", "experiments", *COMMAND, "--strategy", "multiworker", "--out"]
    done = run_two(lambda index: [*command, str(tmp_path / f"worker{index}")], timeout=600)
    assert [each.returncode for each in done] == [0, 0], done
    assert "Runs: 2, finished 2 (0 of them before)" in done[0].stderr
    assert done[1].stdout == ""
    assert [path.name for path in tmp_path.iterdir()] == ["worker0"]
    assert main([*COMMAND, "--out", str(tmp_path / "alone")]) == 0
    for one, other in zip(runs(tmp_path / "alone"), runs(tmp_path / "worker0"), strict=True):
        assert_close(one, other)
