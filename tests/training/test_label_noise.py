"""Label noise: exact counts, laws, seeds, and what is refused."""

import numpy as np
import pytest

from keras_reinit.training import asymmetric_noise, symmetric_noise

LABELS = np.repeat(np.arange(5), 200)


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
        ((LABELS, 0.1, 4, 0), "labels from 0 to 4"),
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
