"""Random streams: the same everywhere, and never the same twice."""

import itertools
import subprocess
import sys

import keras
import numpy as np
import pytest

from keras_reinit.core import fold_in, stream

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


STREAMS = {  # likewise
    (0, "fresh", 0, 0): 269276775,
    (7, "fresh", 5, 2): 1070702280,
}


@pytest.mark.parametrize(("seed", "name", "position", "part"), STREAMS)
def test_literal_streams(seed, name, position, part):
    assert stream(seed, name, position=position, part=part) == STREAMS[seed, name, position, part]


@pytest.mark.parametrize("seed", [0, 113102, 2**40, -1])
def test_no_two_streams_of_a_draw_are_the_same(seed):
    """10 000 hashes of 31 bits would collide in one draw of forty."""
    positions = [*range(10_000), 2**20 - 1]
    streams = {stream(seed, "fresh", position=i, part=j) for i in positions for j in range(3)}
    assert len(streams) == 3 * len(positions)
    assert all(0 <= each < 2**31 - 2 for each in streams)


def test_streams_of_two_draws_have_next_to_nothing_in_common():
    one, other = ({stream(seed, "fresh", position=i) for i in range(20_000)} for seed in (3, 4))
    assert len(one & other) < 5


@pytest.mark.parametrize(("position", "part"), [(-1, 0), (2**20, 0), (0, -1), (0, 2047)])
def test_a_stream_out_of_range_is_refused(position, part):
    with pytest.raises(ValueError, match="No stream has such a number"):
        stream(0, "fresh", position=position, part=part)


@pytest.mark.parametrize("seed", [0, 2**31 - 20])
def test_every_backend_takes_streams_from_end_to_end(seed):
    """And tells two at the ends of the range apart."""
    draws = [
        np.array(keras.random.normal((8,), seed=each)) for each in (seed, (seed + 1) % (2**31 - 19))
    ]
    assert not np.array_equal(*draws)


def test_numpy_integers_are_seeds_and_names():
    assert fold_in(np.int64(3), np.uint8(1)) == fold_in(3, 1)
