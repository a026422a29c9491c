"""Finished runs are on disk, whole, at any time."""

import csv
import json

import pytest

from experiments.records import RunLog, write_json


def test_files_are_complete_after_every_run(tmp_path):
    files = [tmp_path / "a.json", tmp_path / "new" / "b.json"]
    log = RunLog(len, {"experiment": "x"}, files, tmp_path / "runs.csv")
    for seed in range(3):
        log.add({"method": "LW", "seed": seed, "curve": [[1, 0.5]]})
        for file in files:
            content = json.loads(file.read_text())
            assert content["runs"] == log.runs
            assert content["summary"] == seed + 1
            assert content["experiment"] == "x"
            assert "keras" in content["versions"]
        rows = list(csv.DictReader((tmp_path / "runs.csv").read_text().splitlines()))
        assert rows[-1] == {"method": "LW", "seed": str(seed)}
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.json", "new", "runs.csv"]


def test_a_write_that_fails_leaves_the_old_file(tmp_path):
    file = tmp_path / "runs.json"
    write_json(file, {"runs": [1]})
    with pytest.raises(TypeError):
        write_json(file, {"runs": [object()]})
    assert json.loads(file.read_text()) == {"runs": [1]}
