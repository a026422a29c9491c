"""Label noise: exact counts, laws, seeds, and what is refused."""

import subprocess
import sys

import numpy as np
import pytest

from keras_reinit.training import asymmetric_noise, symmetric_noise

LABELS = np.repeat(np.arange(5), 200)
tf_data = pytest.mark.backends("tensorflow", reason="tf.data")


@pytest.mark.parametrize("rate", [0, 0.2, 0.4, 0.6, 1])
def test_the_rate_of_wrong_labels_is_exact(rate):
    noisy = symmetric_noise(LABELS, rate, 5, seed=0)
    assert (noisy != LABELS).sum() == rate * 1000
    assert noisy.min() >= 0
    assert noisy.max() < 5


def test_wrong_labels_are_uniform_over_the_other_classes():
    noisy = symmetric_noise(np.full(40000, 2), 1.0, 5, seed=1)
    np.testing.assert_allclose(
        np.bincount(noisy, minlength=5) / 40000, [0.25, 0.25, 0, 0.25, 0.25], atol=0.01
    )


def test_with_the_true_class_fewer_labels_are_wrong():
    noisy = symmetric_noise(np.zeros(40000, int), 0.5, 5, seed=1, exclude_true_class=False)
    assert (noisy != 0).mean() == pytest.approx(0.5 * 4 / 5, abs=0.01)


def test_the_seed_decides_and_nothing_else():
    first = symmetric_noise(LABELS, 0.3, 5, seed=0)
    np.random.seed(9)
    np.testing.assert_array_equal(first, symmetric_noise(LABELS, 0.3, 5, seed=0))
    assert (first != symmetric_noise(LABELS, 0.3, 5, seed=1)).any()
    assert (np.repeat(np.arange(5), 200) == LABELS).all()


def test_more_noise_keeps_the_labels_that_were_wrong():
    some, more = (symmetric_noise(LABELS, rate, 5, seed=0) != LABELS for rate in (0.2, 0.5))
    assert (more | ~some).all()


def test_transition_counts_are_exact():
    transition = np.array([[0.9, 0.1, 0], [0, 1, 0], [0.25, 0.25, 0.5]])
    labels = np.repeat([0, 1, 2], 100)
    noisy = asymmetric_noise(labels, transition, seed=4)
    for label in range(3):
        counts = np.bincount(noisy[labels == label], minlength=3)
        np.testing.assert_array_equal(counts, 100 * transition[label])


def test_transition_counts_add_up_after_rounding():
    transition = np.full((3, 3), 1 / 3)
    noisy = asymmetric_noise(np.zeros(100, int), transition, seed=0)
    assert sorted(np.bincount(noisy)) == [33, 33, 34]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((LABELS, 1.1, 5, 0), "rate=1.1"),
        ((LABELS, float("nan"), 5, 0), "rate=nan"),
        ((LABELS, 0.1, 4, 0), "Received: from 0 to 4"),
        ((LABELS, 0.1, 1, 0), "classes=1"),
        ((np.eye(3), 0.1, 3, 0), "not one-hot"),
    ],
)
def test_bad_symmetric_noise(arguments, message):
    with pytest.raises(ValueError, match=message):
        symmetric_noise(*arguments)


@pytest.mark.parametrize(
    "transition", [np.ones((2, 3)), [[0.5, 0.4], [0, 1]], [[2, -1], [0, 1]], 3]
)
def test_bad_transition(transition):
    with pytest.raises(ValueError, match="rows that sum to 1"):
        asymmetric_noise(np.array([0, 1]), transition, seed=0)


# -- Data sets ------------------------------------------------------------------------------------


def examples(order=None):
    """The `LABELS`, in another order perhaps, each with its position as x."""
    import tensorflow as tf

    positions = np.arange(len(LABELS)) if order is None else order
    return tf.data.Dataset.from_tensor_slices((positions, LABELS[positions].astype("int32")))


def labels_of(data):
    return np.array([y for _, y, *_ in data.as_numpy_iterator()])


@tf_data
@pytest.mark.parametrize("rate", [0, 0.2, 1])
def test_data_set_gets_the_labels_of_the_array(rate):
    noisy = symmetric_noise(examples(), rate, 5, seed=3)
    np.testing.assert_array_equal(labels_of(noisy), symmetric_noise(LABELS, rate, 5, seed=3))
    assert (labels_of(noisy) != LABELS).sum() == rate * len(LABELS)
    assert noisy.element_spec == examples().element_spec
    assert int(noisy.cardinality()) == len(LABELS)


@tf_data
def test_data_set_by_a_transition_matrix():
    transition = 0.8 * np.eye(5) + 0.2 * np.roll(np.eye(5), 1, axis=1)
    noisy = asymmetric_noise(examples(), transition, seed=3)
    np.testing.assert_array_equal(labels_of(noisy), asymmetric_noise(LABELS, transition, seed=3))


@tf_data
def test_every_epoch_has_the_same_labels_in_any_order():
    noisy = symmetric_noise(examples(), 0.4, 5, seed=0)
    expected = symmetric_noise(LABELS, 0.4, 5, seed=0)
    for x, y in noisy.shuffle(1000, seed=1).repeat(3).batch(100).as_numpy_iterator():
        np.testing.assert_array_equal(y, expected[x])


@tf_data
def test_a_data_set_that_is_filtered_and_weighted():
    data = examples().filter(lambda x, y: y != 3).map(lambda x, y: (x, y, 0.5))
    noisy = symmetric_noise(data, 0.25, 5, seed=0)
    expected = symmetric_noise(LABELS[LABELS != 3], 0.25, 5, seed=0)
    np.testing.assert_array_equal(labels_of(noisy), expected)
    assert {weight for *_, weight in noisy.as_numpy_iterator()} == {0.5}


@tf_data
def test_another_order_is_noticed():
    import tensorflow as tf

    noisy = symmetric_noise(examples().shuffle(1000), 0.4, 5, seed=0)
    with pytest.raises(tf.errors.InvalidArgumentError, match="come in another order"):
        labels_of(noisy)
    once = symmetric_noise(examples().shuffle(1000, 7, reshuffle_each_iteration=False), 0.4, 5, 0)
    np.testing.assert_array_equal(labels_of(once), labels_of(once))


@tf_data
@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: examples().batch(10), r"not yet batched.*data.unbatch\(\)"),
        (lambda: examples().map(lambda x, y: x), "single examples"),
        (lambda: examples().map(lambda x, y: {"image": x, "label": y}), "single examples"),
        (lambda: examples().repeat(), "repeats for ever"),
        (lambda: examples().map(lambda x, y: (x, y / 2)), "vector of ints"),
        (lambda: examples().map(lambda x, y: (x, y + 1)), "Received: from 1 to 5"),
    ],
)
def test_bad_data_sets(make, message):
    with pytest.raises(ValueError, match=message):
        symmetric_noise(make(), 0.1, 5, seed=0)


@pytest.mark.slow
@tf_data
def test_another_process_draws_the_same_labels():
    program = """
import numpy as np
import tensorflow as tf
from keras_reinit.training import symmetric_noise
y = np.repeat(np.arange(5), 200).astype("int32")
noisy = symmetric_noise(tf.data.Dataset.from_tensor_slices((y, y)), 0.4, 5, seed=0)
print(*(int(label) for _, label in noisy.as_numpy_iterator()))
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    own = labels_of(symmetric_noise(examples(), 0.4, 5, seed=0))
    np.testing.assert_array_equal(own, [int(label) for label in done.stdout.split()])


@pytest.mark.parametrize(
    ("dtype", "classes", "expected"),
    [
        ("int8", 200, "int16"),
        ("uint8", 500, "uint16"),
        ("uint8", 200, "uint8"),
        ("int64", 3, "int64"),
    ],
)
def test_labels_of_a_small_type_do_not_wrap_around(dtype, classes, expected):
    """What counts no class too many is widened."""
    true = np.full(2000, min(classes - 1, 100), dtype)
    symmetric = symmetric_noise(true, 1.0, classes, seed=0)
    transition = np.roll(np.eye(classes), 1, axis=1)
    asymmetric = asymmetric_noise(true, transition, seed=0)
    assert symmetric.dtype == asymmetric.dtype == expected
    assert symmetric.min() >= 0
    assert symmetric.max() > 0.9 * (classes - 2)
    assert (symmetric != true).all()
    assert set(asymmetric.tolist()) == {int(true[0] + 1) % classes}
