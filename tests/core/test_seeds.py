"""Random streams: the same everywhere, and never the same twice."""

import itertools
import subprocess
import sys

import pytest

from keras_reinit.core import fold_in

# Literal values: a change of these breaks every stored experiment.
LITERALS = {
    (0,): 436422930,
    (0, "mask", 3): 1809975102,
    (7, "fresh", 2, 11): 2067336197,
    (-1, "noise"): 1767553590,
    (2**63, "größe"): 888027990,
}


@pytest.mark.parametrize("names", LITERALS)
def test_literal_values(names):
    assert fold_in(*names) == LITERALS[names]


def test_stable_across_processes():
    """Nothing depends on Python's own salted `hash`."""
    code = (
        "import runpy, sys\n"
        "fold_in = runpy.run_path(sys.argv[1])['fold_in']\n"
        "print(fold_in(0, 'mask', 3), fold_in(7, 'fresh', 2, 11))"
    )
    expected = f"{fold_in(0, 'mask', 3)} {fold_in(7, 'fresh', 2, 11)}"
    file = sys.modules[fold_in.__module__].__file__
    for salt in ("0", "1"):
        result = subprocess.run(
            [sys.executable, "-c", code, file],
            env={"PYTHONHASHSEED": salt},
            capture_output=True,
            text=True,
        )
        assert result.stdout.strip() == expected, result.stderr


def test_streams_differ():
    names = [
        (seed, *parts)
        for seed in (0, 1, 10, 11)
        for parts in [(), (0,), (1,), (0, 1), (1, 0), ("0",), ("a",), ("a", "b"), ("ab",), ("a,b",)]
    ]
    values = {fold_in(*each) for each in names}
    assert len(values) == len(names)


def test_range_and_spread():
    values = [fold_in(seed, "x", i) for seed, i in itertools.product(range(20), range(50))]
    assert all(isinstance(value, int) and 0 <= value < 2**31 for value in values)
    assert len(set(values)) == len(values)
    assert 0.45 < sum(values) / len(values) / 2**31 < 0.55


@pytest.mark.parametrize("bad", [1.0, None, True, (1, 2), b"x"])
def test_only_ints_and_strings_name_a_stream(bad):
    with pytest.raises(TypeError, match="Received"):
        fold_in(0, bad)
    with pytest.raises(TypeError, match="Received"):
        fold_in(bad, "a")


def test_a_seed_is_an_int():
    with pytest.raises(TypeError, match="seed"):
        fold_in("0", "a")
