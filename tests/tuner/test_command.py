"""`python -m experiments tune`: what it prints and writes, and how it goes on."""

import itertools
import json

import pytest

from experiments.__main__ import main
from experiments.commands import tune
from tests.killed import run_until

COMMAND = [
    *("tune", "--backbone", "mlp", "--trials", "2", "--epochs", "2"),
    *("--train-size", "20", "--batch-size", "10", "--method", "BL", "S&P"),
]


def test_a_search_is_written_and_gone_on_with(tmp_path, capsys, monkeypatch):
    out, file = tmp_path / "out", tmp_path / "copy.json"
    command = [*COMMAND, "--out", str(out), "--json", str(file)]
    assert main(command) == 0
    printed = capsys.readouterr()
    content = json.loads(file.read_text())
    assert content == json.loads((out / "trials.json").read_text())
    assert [trial["status"] for trial in content["trials"]] == ["COMPLETED"] * 2
    best, other = (trial["score"] for trial in content["trials"])
    assert best >= other
    assert 0 < content["test_accuracy"] < 1
    assert content["settings"]["trials"] == 2
    assert "mlp on 10 training images of digits" in printed.out
    assert f"{100 * content['test_accuracy']:.1f} % on the test set" in printed.out
    assert printed.err.count(" %") == 2
    names = {path.name for path in out.iterdir()}
    assert names == {"search", "settings.json", "trials.csv", "trials.json", "trials.png"}

    monkeypatch.setattr("keras.Model.fit", None)  # nothing is trained again
    assert main(command) == 0
    assert capsys.readouterr().out.endswith(printed.out)
    assert json.loads(file.read_text()) == content
    assert main([*command, "--epochs", "3"]) == 2
    assert "epochs=3 instead of 2. Expected the same options" in capsys.readouterr().err


CHILD = """
import sys
from experiments.__main__ import main

sys.stderr = sys.stdout
main(sys.argv[1:])
"""


@pytest.mark.slow
def test_a_search_whose_process_is_killed_goes_on_to_the_same_trials(tmp_path):
    command = [*COMMAND, "--trials", "4", "--epochs", "8"]
    scored = itertools.count(1)
    run_until(
        lambda line: line.endswith(" %") and next(scored) == 2,
        *("-c", CHILD, *command, "--out", tmp_path / "killed"),
    )
    done = {file.parent.name for file in (tmp_path / "killed").rglob("trial.json")}
    assert 1 < len(done) < 4
    trials = []
    for name in ("killed", "whole"):
        assert main([*command, "--out", str(tmp_path / name)]) == 0
        content = json.loads((tmp_path / name / "trials.json").read_text())
        trials.append((content["test_accuracy"], content["trials"]))
    assert trials[0] == trials[1]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--validation", "0"], "validation=0.0, train_size=20, which holds out none"),
        (["--batch-size", "11"], "batch_size=11 for 10 images"),
        (["--dataset", "digit"], "Did you mean 'digits'?"),
        (["--backbone", "scnn", "--method", "LW"], "epochs=2 for the 4 blocks of scnn"),
    ],
)
def test_settings_that_cannot_work(arguments, message, tmp_path, capsys):
    assert main([*COMMAND, "--out", str(tmp_path / "out"), *arguments]) == 2
    assert message in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def test_a_tuner_that_does_not_exist(capsys):
    with pytest.raises(SystemExit):
        main(["tune", "--tuner", "baysian"])
    assert "Received: 'baysian'. Did you mean 'bayesian'?" in capsys.readouterr().err


def test_tables_of_trials_that_failed():
    trials = [
        {"trial": "1", "status": "COMPLETED", "score": 0.5, "method": "S&P", "error": None},
        {"trial": "0", "status": "FAILED", "score": None, "method": "BL", "error": "why"},
    ]
    first, second = tune.tables(tune.Settings(), trials, None)
    assert [row[1] for row in first.rows] == ["50.0", "FAILED"]
    assert "- 0: why" in first.notes
    assert [row[0] for row in second.rows] == ["S&P"]
