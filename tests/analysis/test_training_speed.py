"""Epochs that a round needs."""

import pytest

from keras_reinit.analysis import epochs_to_reach


def test_first_epoch_at_the_threshold_in_each_round():
    accuracy = [0.5, 0.99, 0.4, 0.8, 0.9, 1.0, 0.2, 0.995, 1.0]
    rounds = [0, 0, 0, 1, 1, 2, 5, 5, 5]
    assert epochs_to_reach(accuracy, rounds) == [2, None, 1, 2]
    assert epochs_to_reach(accuracy, rounds, threshold=0.9) == [2, 2, 1, 2]


def test_no_epoch():
    assert epochs_to_reach([], []) == []


def test_bad_input():
    with pytest.raises(ValueError, match="Received: 2 accuracies, 1 round numbers"):
        epochs_to_reach([0.1, 0.2], [0])
    with pytest.raises(ValueError, match=r"Received: rounds=\[1.0, 0.0\]"):
        epochs_to_reach([0.1, 0.2], [1, 0])
