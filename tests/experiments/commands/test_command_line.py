"""The commands: what they print and write, and what they say to a mistake."""

import argparse
import dataclasses
import importlib
import json
import pathlib

import pytest

import keras_reinit as kr
from experiments.__main__ import main
from experiments.commands import compare, tune
from experiments.engine import catalogue
from experiments.engine.settings import add_options
from experiments.engine.store import Store

NAMES = catalogue.names()


@pytest.mark.parametrize("name", NAMES)
def test_every_experiment_says_what_it_is(name):
    module = importlib.import_module(catalogue.EXPERIMENTS[name])
    for part in ("Paper: ", "Command: ", "Cost: ", "ublished"):
        assert part in module.__doc__
    assert f"python -m experiments run {name}" in module.__doc__
    found = catalogue.find(name)
    assert found.paper in module.__doc__
    assert found.item in module.__doc__
    assert found.sizes.keys() == found.cost.keys() == {"smoke", "paper"}


def test_list_names_every_experiment(tmp_path, capsys):
    assert main(["list", "--json", str(tmp_path / "list.json")]) == 0
    printed = capsys.readouterr().out
    entries = json.loads((tmp_path / "list.json").read_text())["experiments"]
    assert [entry["name"] for entry in entries] == NAMES
    for entry in entries:
        assert entry["name"] in printed
        assert entry["paper"] in printed
        assert entry["item"] in printed
        assert set(entry["sizes"]) == set(entry["cost"])


def test_unknown_experiment(capsys):
    assert main(["run", "synthetic_tabel1"]) == 2
    error = capsys.readouterr().err
    assert "Received: 'synthetic_tabel1'. Did you mean 'synthetic_table1'?" in error


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["compare", "--method", "BL", "WLES"], "Received: 'WLES'. Did you mean 'WELS'?"),
        (["compare", "--backbone", "snn"], "Received: 'snn'. Did you mean 'scnn'?"),
        (["compare", "--seeds", "0"], "Received: '0'. Expected at least 1."),
        (["compare", "--seeds", "x"], "Received: 'x'. Expected int."),
        (["compare", "--learning-rate", "nan"], "Received: 'nan'. Expected at least 0.0."),
        (["compare", "--learning-rate", "inf"], "Received: 'inf'. Expected a finite number."),
        (["compare", "--epochs", "1" + 10 * "0"], "argument --epochs: Out of range. Received: '1"),
        (["compare", "--seeds", str(2**31)], "Expected a finite number of at most 2147483647."),
        (["tune", "--validation", "1"], "argument --validation: Out of range. Received: '1'."),
        (["run", "figure2", "--dropout", "0.5", "1.5"], "argument --dropout: Out of range."),
        (["run", "init_robustness", "--momenta", "nan"], "argument --momenta: Out of range."),
        (["plan", "table2", "--speedup=-inf"], "argument --speedup: Out of range."),
        (["plan", "table2", "--devices", "1.5"], "argument --devices: Not a number."),
        (["run", "figure8", "--width", "0"], "Received: '0'. Expected at least 0.01."),
        (["run", "synthetic_table1", "--method", "FC hed"], "Did you mean 'FC head'?"),
        (["run", "synthetic_table1", "--alpha", "-1"], "Expected at least 0."),
    ],
)
def test_bad_option(arguments, message, capsys):
    with pytest.raises(SystemExit) as caught:
        main(arguments)
    assert caught.value.code == 2
    assert message in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--dataset", "digit"], "Unknown dataset. Received: 'digit'. Did you mean 'digits'?"),
        (["--train-size", "10"], "Received: batch_size=25, train_size=10."),
        (["--train-size", "5000"], "Received: train_size=5000. Expected 1 to 898."),
        (["--rounds", "3"], "Received: rounds=3 for a network of 4 blocks."),
    ],
)
def test_settings_that_cannot_work(arguments, message, tmp_path, capsys):
    assert main(["compare", "--out", str(tmp_path / "out"), *arguments]) == 2
    assert message in capsys.readouterr().err
    assert not (tmp_path / "out" / "runs.json").exists()


SETTINGS = {name: catalogue.find(name).sizes["smoke"] for name in NAMES}
SETTINGS |= {"compare": compare.Settings(), "tune": tune.Settings()}


@pytest.mark.parametrize("name", SETTINGS)
def test_every_number_is_checked_by_its_option(name, capsys):
    parser = argparse.ArgumentParser()
    add_options(parser, SETTINGS[name])
    fields = dataclasses.fields(SETTINGS[name])
    for field in (each for each in fields if each.metadata["kind"] in (int, float)):
        flag = "--" + field.name.replace("_", "-")
        for text in ("nan", "inf", "-inf", "-1", "x", "", "1e400"):
            with pytest.raises(SystemExit):
                parser.parse_args([f"{flag}={text}"])
            message = capsys.readouterr().err
            assert f"argument {flag}: " in message
            assert f"Received: '{text}'" in message


def test_what_is_given_twice_is_run_once(tmp_path, capsys):
    command = ["run", "synthetic_table1", "--store", str(tmp_path / "runs.sqlite"), "--seeds", "1"]
    assert main([*command, "--alpha", "1", "1.0", "--method", "BL", "BL"]) == 0
    assert "Runs: 1, finished 1 (0 of them before)" in capsys.readouterr().err


def test_a_mistake_is_found_before_anything_is_run_and_forgets_no_request(tmp_path, capsys):
    file = tmp_path / "runs.sqlite"
    with Store(file) as store:
        store.request("table2", {"seeds": 3})
    command = ["run", "table2", "--store", str(file), "--image-size", "8", "--dataset", "digits"]
    assert main([*command, "digit"]) == 2
    assert "Received: 'digit'. Did you mean 'digits'?" in capsys.readouterr().err
    assert main([*command, "--validation", "0"]) == 2
    assert "Expected a larger share of them, such as --validation 0.5" in capsys.readouterr().err
    with Store(file) as store:
        assert store.requests() == {"table2": {"seeds": 3}}
    assert list(tmp_path.iterdir()) == [file]


def interrupted(model, *arguments):
    raise KeyboardInterrupt


def test_interrupt_keeps_finished_runs(tmp_path, capsys, monkeypatch):
    store, file = str(tmp_path / "runs.sqlite"), tmp_path / "table1.json"
    command = ["run", "synthetic_table1", "--alpha", "1", "--method", "BL", "--store", store]
    assert main([*command, "--seeds", "1"]) == 0
    with monkeypatch.context() as patch:
        patch.setattr("experiments.papers.alabdulmohsin2021.stacked.Stack.train", interrupted)
        assert main([*command, "--seeds", "3", "--json", str(file)]) == 130
    printed = capsys.readouterr()
    assert "Interrupted. The same command does the rest." in printed.err
    assert "Runs: 3, finished 1 (1 of them before), left 2" in printed.err
    assert len(json.loads(file.read_text())["runs"]) == 1


def diverged(model, *arguments):
    raise ValueError("The loss is not finite")


def test_failed_runs(tmp_path, capsys, monkeypatch):
    for training in (
        "experiments.papers.alabdulmohsin2021.stacked.Stack.train",
        "experiments.training.protocol.fit",
    ):
        monkeypatch.setattr(training, diverged)
    command = ["run", "synthetic_table1", "--alpha", "1", "--method", "BL", "--seeds", "2"]
    assert main([*command, "--store", str(tmp_path / "runs.sqlite")]) == 1
    printed = capsys.readouterr()
    assert printed.err.splitlines()[-3:] == [
        "Runs: 2, finished 0 (0 of them before), failed 2",
        "- failed: seed=0: ValueError: The loss is not finite",
        "- failed: seed=1: ValueError: The loss is not finite",
    ]
    assert main(["report", "--store", str(tmp_path / "runs.sqlite"), "--out", str(tmp_path)]) == 0
    assert "synthetic_table1" in (tmp_path / "index.html").read_text()


def test_an_interrupt_of_a_plan(monkeypatch, capsys):
    monkeypatch.setattr("experiments.engine.planning.probe", interrupted)
    assert main(["plan", "synthetic_table1"]) == 130
    assert capsys.readouterr().err == "Interrupted.\n"


def test_files_that_cannot_be_written(tmp_path, capsys):
    store, occupied = str(tmp_path / "runs.sqlite"), tmp_path / "occupied"
    occupied.write_text("")
    command = ["run", "synthetic_table1", "--alpha", "1", "--method", "BL", "--seeds", "1"]
    assert main([*command, "--store", store, "--json", str(occupied / "table.json")]) == 2
    printed = capsys.readouterr()
    assert "finished 1 (0 of them before)" in printed.err
    message = f"The file cannot be written (File exists: {occupied}). Received: {occupied}/"
    assert message in printed.err
    assert main(["report", "--store", store, "--out", str(occupied)]) == 2
    assert message in capsys.readouterr().err


def test_synthetic_table1(tmp_path, capsys):
    file = tmp_path / "table1.json"
    command = ["run", "synthetic_table1", "--seeds", "1", "--alpha", "1", "--json", str(file)]
    command += ["--method", "BL", "LW", "LW kernels", "--store", str(tmp_path / "runs.sqlite")]
    assert main(command) == 0
    printed = capsys.readouterr()
    assert "50.7 ± 5.4" in printed.out
    assert "What contradicts the paper" in printed.out
    assert "finished 3 (0 of them before)" in printed.err
    content = json.loads(file.read_text())
    assert [(run["method"], run["alpha"], run["seed"]) for run in content["runs"]] == [
        ("BL", 1.0, 0),
        ("LW", 1.0, 0),
        ("LW kernels", 1.0, 0),
    ]
    baseline, layerwise, _ = content["runs"]
    assert baseline["train_accuracy"] >= 0.995
    assert layerwise["train_accuracy"] >= 0.995
    assert 0.4 < baseline["test_accuracy"] < layerwise["test_accuracy"] < 0.9
    assert [row["mean"] for row in content["summary"]] == [
        run["test_accuracy"] for run in content["runs"]
    ]
    assert content["experiment"] == "synthetic_table1"
    assert content["settings"]["seeds"] == 1
    assert set(content["versions"]) == {"python", "keras", "tensorflow", "numpy", "keras_reinit"}
    assert main(command) == 0
    assert "finished 3 (3 of them before)" in capsys.readouterr().err
    assert json.loads(file.read_text()) == content


def test_plan(tmp_path, capsys):
    file, store = tmp_path / "plan.json", str(tmp_path / "runs.sqlite")
    command = ["synthetic_table1", "--alpha", "1", "--method", "BL", "--store", store]
    assert main(["run", *command, "--seeds", "1"]) == 0
    capsys.readouterr()
    arguments = ["--seeds", "4", "--devices", "2", "--speedup", "3", "--json", str(file)]
    assert main(["plan", *command, *arguments]) == 0
    plan = json.loads(file.read_text())
    assert (plan["finished"], plan["missing"], plan["steps"]) == (1, 3, 3 * 9 * 200)
    assert plan["seconds_shared"] == pytest.approx(plan["seconds_here"] / 6)
    printed = capsys.readouterr().out
    assert "Runs: 4, finished 1, missing 3" in printed
    assert "5,400" in printed
    assert "On 2 devices, each 3 times as fast as this one" in printed


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["report"], "There is no store of runs."),
        (["report", "synthetic_tabel1"], "Did you mean 'synthetic_table1'?"),
        (["plan", "synthetic_tabel1"], "Did you mean 'synthetic_table1'?"),
    ],
)
def test_mistakes(arguments, message, tmp_path, capsys):
    store = ["--store", str(tmp_path / "runs.sqlite")]
    assert main([*arguments, *store]) == 2
    assert message in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []


def test_a_store_that_is_none(tmp_path, capsys):
    file = tmp_path / "runs.sqlite"
    file.write_text("no database at all " * 100)
    assert main(["run", "synthetic_table1", "--store", str(file)]) == 2
    assert "error: The store is damaged, or is no SQLite file" in capsys.readouterr().err


def test_report_of_what_was_run(tmp_path, capsys):
    store = str(tmp_path / "runs.sqlite")
    Store(store).__exit__()
    assert main(["report", "--store", store]) == 2
    assert "Nothing was run yet." in capsys.readouterr().err
    command = ["run", "synthetic_table1", "--alpha", "1", "--method", "BL", "LW", "--seeds", "1"]
    assert main([*command, "--store", store]) == 0
    capsys.readouterr()
    assert main(["report", "--store", store, "--out", str(tmp_path / "page")]) == 0
    written = [pathlib.Path(line) for line in capsys.readouterr().out.splitlines()]
    assert written
    assert all(file.stat().st_size and file.is_relative_to(tmp_path / "page") for file in written)


def test_compare(tmp_path, capsys):
    out, file = tmp_path / "out", tmp_path / "copy.json"
    command = [
        "compare",
        "--backbone",
        "mlp",
        "--seeds",
        "2",
        "--epochs",
        "2",
        "--train-size",
        "20",
    ]
    arguments = ["--batch-size", "10", "--out", str(out), "--json", str(file)]
    assert main(command + arguments) == 0
    printed = capsys.readouterr().out
    content = json.loads(file.read_text())
    assert content == json.loads((out / "runs.json").read_text())
    methods = list(compare.METHODS)
    assert [run["method"] for run in content["runs"]] == 2 * methods
    assert [row["method"] for row in content["summary"]] == methods
    assert all([epoch for epoch, _ in run["curve"]] == [1, 2, 3, 4] for run in content["runs"])
    assert all(row["seeds"] == 2 for row in content["summary"])
    assert "Too few seeds" in printed
    assert sorted(path.name for path in out.iterdir()) == [
        "accuracy.png",
        "learning_curves.png",
        "runs.csv",
        "runs.json",
        "runs.sqlite",
    ]
    assert main(command + arguments) == 0
    assert "finished 14 (14 of them before)" in capsys.readouterr().err
    assert json.loads(file.read_text()) == content


@pytest.mark.parametrize("backbone", compare.BLOCKS)
def test_blocks_of_the_backbones(backbone):
    model = kr.ReinitModel(getattr(kr.backbones, backbone)((32, 32, 3), 10))
    assert len(model.blocks) == compare.BLOCKS[backbone]
