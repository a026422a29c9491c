"""Files are written whole, or stay as they were."""

import csv
import json

import pytest

from experiments.engine.errors import UsageError
from experiments.engine.files import write_csv, write_json


def test_a_write_that_fails_leaves_the_old_file(tmp_path):
    file = tmp_path / "new" / "runs.json"
    write_json(file, {"runs": [1]})
    with pytest.raises(TypeError):
        write_json(file, {"runs": [object()]})
    assert json.loads(file.read_text()) == {"runs": [1]}
    assert list(file.parent.iterdir()) == [file]


def test_csv_leaves_lists_out(tmp_path):
    file = tmp_path / "runs.csv"
    write_csv(file, [{"method": "LW", "seed": seed, "curve": [[1, 0.5]]} for seed in range(2)])
    rows = list(csv.DictReader(file.read_text().splitlines()))
    assert rows == [{"method": "LW", "seed": "0"}, {"method": "LW", "seed": "1"}]


def test_a_file_that_cannot_be_written(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(UsageError, match="cannot be written.*Expected a file in a folder"):
        write_json(tmp_path / "file" / "runs.json", {})
