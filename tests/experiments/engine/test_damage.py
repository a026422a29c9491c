"""A damaged store: told by name, set aside, and no finished run lost with it."""

import contextlib
import os
import random
import sqlite3

import pytest

from experiments.__main__ import main
from experiments.engine import damage, rows
from experiments.engine.errors import UsageError
from experiments.engine.store import Store

SPECS = [{"task": "t", "method": method, "seed": seed} for method in ("BL", "LW") for seed in "012"]
REQUESTS = {"table2": {"seeds": 3, "method": ["BL"]}}


def fill(file):
    """A store of five finished runs, one of them longer than a page, and one that failed."""
    with Store(file) as store:
        store.request("table2", REQUESTS["table2"])
        for number, spec in enumerate(SPECS[:5]):
            assert store.claim(spec)
            curve = [[epoch, epoch / 7] for epoch in range(300 if number == 3 else 3)]
            store.finish(spec, {"test_accuracy": number / 16, "curve": curve}, number + 0.5)
        assert store.claim(SPECS[5])
        store.fail(SPECS[5], "ValueError: no")
        return store.results(SPECS)


@pytest.fixture
def file(tmp_path):
    return tmp_path / "runs.sqlite"


def change(file, statement, *values):
    with contextlib.closing(sqlite3.connect(file)) as connection, connection:
        connection.execute(statement, values)


def repaired(file):
    """What a store holds after its repair: results, and the path of the damaged file."""
    _, kept = damage.repair(file)
    with Store(file) as store:
        return store.results(SPECS), kept


@pytest.mark.parametrize(
    ("column", "value", "why"),
    [
        ("result", '{"test_accuracy"; 0.5}', "its checksum is that of another result"),
        ("result", '{"test_accuracy": 0.7}', "its checksum is that of another result"),
        ("result", b"\xff\xfe", "its result is no text"),
        ("result", None, "its result is no text"),
        ("seconds", "soon", "its seconds are no number"),
    ],
)
def test_a_damaged_row_is_told_by_name_and_run_again(file, column, value, why):
    right = fill(file)
    change(file, f"UPDATE runs SET {column} = ? WHERE spec = ?", value, rows.key(SPECS[1]))
    with pytest.raises(UsageError) as caught:
        Store(file)
    for part in (why, rows.key(SPECS[1]), f"--store {file}", "store check", "--repair"):
        assert part in str(caught.value)
    found, kept = repaired(file)
    assert found == [right[0], None, *right[2:]]
    assert kept.name == "runs.sqlite-damaged-1"
    with Store(file) as store:
        assert store.requests() == REQUESTS
        assert store.claim(SPECS[1])


@pytest.mark.parametrize(
    ("result", "why"), [("{", "not JSON"), ("[1]", "not JSON"), ('{"a": "\\ud8"}', "not JSON")]
)
def test_a_damaged_row_of_a_store_without_checksums(file, result, why):
    right = fill(file)
    change(file, "DROP TABLE checksums")
    with Store(file) as store:
        assert store.results(SPECS) == right
    change(file, "UPDATE runs SET result = ? WHERE spec = ?", result, rows.key(SPECS[1]))
    with pytest.raises(UsageError, match=why):
        Store(file)
    assert repaired(file)[0] == [right[0], None, *right[2:]]


@pytest.mark.parametrize(
    ("statement", "values"),
    [
        ("UPDATE runs SET born = 'x' WHERE spec = ?", ()),
        ("UPDATE runs SET pid = -1 WHERE spec = ?", ()),
        ("UPDATE runs SET host = x'ff' WHERE spec = ?", ()),
        ("UPDATE runs SET status = 'failed' WHERE spec = ?", ()),
    ],
)
def test_a_damaged_row_of_a_run_that_is_not_finished(file, statement, values):
    with Store(file) as store:
        assert store.claim(SPECS[0])
    change(file, statement, rows.key(SPECS[0]))
    with pytest.raises(UsageError, match="store check"):
        Store(file)
    damage.repair(file)
    with Store(file) as store:
        assert store.claim(SPECS[0])


def test_a_damaged_request(file):
    right = fill(file)
    change(file, "UPDATE requests SET settings = ?", '{"seeds": 5}')
    with pytest.raises(UsageError, match="the request of table2: its checksum"):
        Store(file)
    assert repaired(file)[0] == right


def test_a_table_that_lacks(file):
    right = fill(file)
    change(file, "DROP TABLE requests")
    with pytest.raises(UsageError, match="the table requests has the columns of no table"):
        Store(file)
    assert repaired(file)[0] == right


def test_what_a_result_does_not_depend_on(file):
    right = fill(file)
    change(file, "UPDATE runs SET host = x'ff', born = 'x' WHERE status = 'finished'")
    with Store(file) as store:
        assert store.results(SPECS) == right
        assert store.requests() == REQUESTS


def test_a_spec_is_mended_by_its_checksum(file):
    """Else the result would be that of another run."""
    right = fill(file)
    content = file.read_bytes().replace(b'"LW","seed":"1"', b'"LW","seed":"7"', 1)
    file.write_bytes(content)
    with pytest.raises(UsageError, match="damaged"):
        Store(file)
    assert repaired(file)[0] == right


def flips(content, bit):
    for place in range(len(content)):
        yield place, content[:place] + bytes([content[place] ^ bit(place)]) + content[place + 1 :]


def check_flip(file, place, content, right):
    """A store with one damaged byte is right, or refused by name and repaired: what is lost?"""
    for left in file.parent.glob(file.name + "*"):
        left.unlink()
    file.write_bytes(content)
    refusal = ""
    try:
        with Store(file) as store:
            assert store.results(SPECS) == right, place
            assert store.requests() == REQUESTS, place
    except UsageError as error:
        refusal = str(error)
    if not refusal:
        return 0
    assert f"--store {file}" in refusal, place
    found, kept = repaired(file)
    assert kept.read_bytes() == content, place
    assert all(now in (None, was) for was, now in zip(right, found, strict=True)), place
    lost = sum(now != was for was, now in zip(right, found, strict=True))
    assert lost <= 1, place  # the run that the byte is of
    return lost


def test_some_bytes_damaged(file):
    right = fill(file)
    every = list(flips(file.read_bytes(), lambda place: 1 << place % 8))
    for place, content in random.Random(0).sample(every, 60):
        check_flip(file, place, content, right)


@pytest.mark.slow
def test_each_byte_damaged_once(file):
    right = fill(file)
    content = file.read_bytes()
    every = flips(content, lambda place: 1 << place % 8)
    lost = sum(check_flip(file, place, damaged, right) for place, damaged in every)
    assert lost < len(content) / 2  # a result of its own byte, and nothing else


def test_a_file_cut_off_anywhere(file):
    right = fill(file)
    content = file.read_bytes()
    for size in [50, 100, 600, *range(4096, len(content), 4096)]:
        for left in file.parent.glob("runs.sqlite*"):
            left.unlink()
        file.write_bytes(content[:size])
        with pytest.raises(UsageError, match="damaged"):
            Store(file)
        if size < 4096:
            with pytest.raises(UsageError, match="Nothing in the file is of a store"):
                damage.repair(file)
            assert file.read_bytes() == content[:size]
            continue
        found = []
        with contextlib.suppress(UsageError):
            found, _ = repaired(file)
        assert all(now in (None, was) for was, now in zip(right, found, strict=False))


def test_a_process_that_has_the_store_open_goes_on_with_the_repaired_one(file):
    right = fill(file)
    with Store(file) as store:
        change(file, "UPDATE runs SET result = 'x' WHERE spec = ?", rows.key(SPECS[1]))
        with pytest.raises(UsageError, match="damaged"):
            store.results(SPECS)
        damage.repair(file)
        assert store.claim(SPECS[1])
        store.finish(SPECS[1], *right[1])
        os.unlink(file)
        store.finish(SPECS[2], *right[2])
    with Store(file) as again:
        assert again.results(SPECS) == [None, None, right[2], None, None, None]


def test_the_command(file, capsys):
    right = fill(file)
    assert main(["store", "check", "--store", str(file)]) == 0
    assert "The store is whole: finished runs 5, others 1." in capsys.readouterr().out
    change(file, "UPDATE runs SET result = 'x' WHERE spec = ?", rows.key(SPECS[1]))
    content = file.read_bytes()
    assert main(["store", "check", "--store", str(file)]) == 1
    printed = capsys.readouterr()
    assert "The store is damaged. What is whole: finished runs 4, others 1." in printed.out
    assert f"- the run {rows.key(SPECS[1])}: its checksum" in printed.err
    assert file.read_bytes() == content
    assert main(["store", "check", "--repair", "--store", str(file)]) == 0
    assert "runs.sqlite-damaged-1" in capsys.readouterr().out
    assert main(["store", "check", "--repair", "--store", str(file)]) == 0
    assert "The store is whole: finished runs 4" in capsys.readouterr().out
    with Store(file) as store:
        assert store.results(SPECS) == [right[0], None, *right[2:]]


@pytest.mark.parametrize("content", [b"no database at all " * 300, b"", None])
def test_what_is_no_store_is_not_repaired(file, content, capsys):
    if content is not None:
        file.write_bytes(content)
    assert main(["store", "check", "--repair", "--store", str(file)]) == 2
    assert f"--store {file}" in capsys.readouterr().err
    assert [each.name for each in file.parent.iterdir()] == (
        [file.name] if content is not None else []
    )


def test_another_database_is_not_repaired(file, capsys):
    change(file, "CREATE TABLE addresses (name TEXT)")
    content = file.read_bytes()
    assert main(["store", "check", "--repair", "--store", str(file)]) == 2
    assert "Nothing in the file is of a store" in capsys.readouterr().err
    assert file.read_bytes() == content
