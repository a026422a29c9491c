"""The commands: what they print and write, and what they say to a mistake."""

import json
import types

import pytest

from experiments import experiment
from experiments.__main__ import _collect, main
from experiments.records import RunLog

NAMES = experiment.names()


@pytest.mark.parametrize("name", NAMES)
def test_every_experiment_says_what_it_is(name):
    module = __import__(f"experiments.configs.{name}", fromlist=["EXPERIMENT"])
    for part in ("Paper: ", "Command: ", "Cost: ", "ublished"):
        assert part in module.__doc__
    assert f"python -m experiments run {name}" in module.__doc__
    found = experiment.find(name)
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
    assert not (tmp_path / "out").exists()


def test_interrupt_keeps_finished_runs(tmp_path, capsys):
    def run(settings, callbacks):
        yield {"seed": 0}
        raise KeyboardInterrupt

    source = types.SimpleNamespace(run=run, count=lambda settings: 2)
    log = RunLog(len, {}, [tmp_path / "runs.json"])
    assert _collect(log, source, None) == 130
    assert json.loads((tmp_path / "runs.json").read_text())["runs"] == [{"seed": 0}]
    assert "Interrupted. Finished runs: 1" in capsys.readouterr().err


def test_synthetic_table1(tmp_path, capsys):
    file = tmp_path / "table1.json"
    command = ["run", "synthetic_table1", "--seeds", "1", "--alpha", "1", "--json", str(file)]
    assert main([*command, "--method", "BL", "LW"]) == 0
    printed = capsys.readouterr().out
    assert "50.7 ± 5.4" in printed
    assert "What contradicts the paper" in printed
    content = json.loads(file.read_text())
    assert [(run["method"], run["alpha"], run["seed"]) for run in content["runs"]] == [
        ("BL", 1.0, 0),
        ("LW", 1.0, 0),
    ]
    baseline, layerwise = content["runs"]
    assert baseline["train_accuracy"] >= 0.995
    assert layerwise["train_accuracy"] >= 0.995
    assert 0.4 < baseline["test_accuracy"] < layerwise["test_accuracy"] < 0.9
    assert [row["mean"] for row in content["summary"]] == [
        run["test_accuracy"] for run in content["runs"]
    ]


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
    methods = ["BL", "FC", "WELSR", "WELS", "DSD", "LW", "S&P"]
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
    ]
