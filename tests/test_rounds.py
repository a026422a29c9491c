"""When rounds end: sequences of monitored values and what the rules make of them."""

import copy
import itertools
import math

import keras
import pytest

from keras_reinit.rounds import Accuracy, Converged, Fixed
from keras_reinit.rounds import Progress as Start

NAN, INF = math.nan, math.inf


def follow(rule, values):
    """The progress after each epoch, up to the end of the round."""
    progress, steps = Start(), []
    for value in values:
        progress = rule.update(progress, value)
        steps.append(progress)
        if progress.ended:
            break
    return steps


def ends_after(rule, values):
    steps = follow(rule, values)
    return len(steps) if steps[-1].ended else None


@pytest.mark.parametrize("epochs", [1, 2, 7])
def test_fixed(epochs):
    assert ends_after(Fixed(epochs), itertools.repeat(None)) == epochs
    assert Fixed(epochs).max_epochs == epochs
    assert Fixed(epochs).monitor is None


@pytest.mark.parametrize(
    ("values", "arguments", "end"),
    [
        ([1, 2, 3, 4], {"patience": 3}, 4),
        ([1, 0.9, 0.8, 0.7, 0.6], {"patience": 2}, None),
        ([1, 2, 0.5, 2, 0.6, 2], {"patience": 3}, 6),
        ([1, 1, 1], {"patience": 2}, 3),  # equal is not better
        ([5, 4, 3, 2], {"patience": 9, "max_epochs": 3}, 3),
        ([1, 0.95, 0.9, 0.85], {"patience": 2, "min_delta": 0.1}, 3),  # against the best so far
        ([1, 0.85, 0.7], {"patience": 2, "min_delta": 0.1}, None),
        ([0.1, 0.2, 0.3, 0.3, 0.3], {"patience": 2, "mode": "max"}, 5),
        ([0.1, 0.2, 0.3, 0.3, 0.3], {"patience": 2, "monitor": "val_accuracy"}, 5),
        ([3, 3], {"patience": 1}, 2),
        ([NAN, 1, 2, 2], {"patience": 2}, 4),
        ([1, NAN, NAN], {"patience": 2}, 3),
        ([-INF, -1], {"patience": 2, "mode": "max"}, None),
        ([NAN, -INF, INF], {"patience": 3}, 3),
    ],
)
def test_converged(values, arguments, end):
    assert ends_after(Converged(**arguments), values) == end


def test_progress_counts_epochs_best_and_waiting():
    steps = follow(Converged(patience=3), [3, 2, 4, 1, 5])
    assert [step.epochs for step in steps] == [1, 2, 3, 4, 5]
    assert [step.best for step in steps] == [3, 2, 2, 1, 1]
    assert [step.wait for step in steps] == [0, 0, 1, 0, 1]


def test_the_learning_rate_is_cut_each_time_that_nothing_is_better_for_long():
    rule = Converged(patience=7, lr_factor=0.5, lr_patience=2)
    steps = follow(rule, [1, 2, 2, 2, 2, 0.5, 1, 1, 1, 1, 1, 1, 1])
    assert [step.cuts for step in steps] == [0, 0, 1, 1, 2, 2, 2, 3, 3, 4, 4, 5, 5]
    assert steps[-1].ended
    assert not any(step.ended for step in steps[:-1])


def test_no_cut_without_a_factor():
    assert follow(Converged(patience=30, lr_patience=2), [1] * 20)[-1].cuts == 0


@pytest.mark.parametrize(
    ("values", "arguments", "end"),
    [
        ([0.5, 0.98, 0.99, 1], {}, 3),
        ([0.5, 0.6, 0.7], {}, None),
        ([0.5, 0.6, 0.7], {"max_epochs": 2}, 2),
        ([0.5, 1.0], {"threshold": 1}, 2),
        ([NAN, 1.0], {"threshold": 0.9}, 2),
    ],
)
def test_accuracy(values, arguments, end):
    assert ends_after(Accuracy(**arguments), values) == end


@pytest.mark.parametrize(
    ("make", "message"),
    [
        *(
            (lambda n=n: Fixed(n), "`epochs` must be an int, at least 1. Received: epochs=")
            for n in (0, -1, 1.5, True, None, "3", NAN)
        ),
        *((lambda n=n: Converged(patience=n), "`patience` must.*patience=") for n in (0, -1, 0.5)),
        *((lambda n=n: Converged(max_epochs=n), "`max_epochs` must") for n in (0, None)),
        *((lambda n=n: Converged(lr_patience=n), "`lr_patience` must") for n in (0, 1.0)),
        *((lambda n=n: Converged(min_delta=n), "Received: min_delta=") for n in (-1, NAN, INF)),
        *((lambda n=n: Converged(lr_factor=n), "Received: lr_factor=") for n in (0, 1, -0.5, NAN)),
        (lambda: Converged(patience=20, lr_factor=0.5), "patience=20, lr_patience=20"),
        (lambda: Converged(mode="up"), "Received: mode='up'"),
        (lambda: Converged(monitor="dice"), "Received: monitor='dice'.*mode='min' or"),
        *((lambda n=n: Accuracy(n), "Received: threshold=") for n in (0, -1, 1.01, NAN)),
        (lambda: Accuracy(max_epochs=0), "`max_epochs` must"),
    ],
)
def test_bad_arguments_are_named(make, message):
    with pytest.raises(ValueError, match=message):
        make()


@pytest.mark.parametrize(
    ("monitor", "sign"),
    [
        ("val_loss", -1),
        ("loss", -1),
        ("val_mean_squared_error", -1),
        ("categorical_crossentropy", -1),
        ("val_accuracy", 1),
        ("sparse_top_k_categorical_accuracy", 1),
        ("auc", 1),
        ("val_precision", 1),
        ("f1_score", 1),
    ],
)
def test_the_direction_follows_from_the_name(monitor, sign):
    rule = Converged(monitor=monitor, patience=1)
    assert ends_after(rule, [0.5, 0.5 + 0.1 * sign, 0.5]) == 3
    assert ends_after(rule, [0.5, 0.5 - 0.1 * sign]) == 2


RULES = [
    Fixed(3),
    Converged(),
    Converged("val_accuracy", 30, 200, 0.01, 0.5, 10, restore_best=False),
    Converged("dice", 5, mode="max"),
    Accuracy(),
    Accuracy(0.9, 20, "binary_accuracy"),
]


@pytest.mark.parametrize("rule", RULES, ids=repr)
def test_rules_survive_serialisation_and_copies(rule):
    config = keras.saving.serialize_keras_object(rule)
    twins = [
        keras.saving.deserialize_keras_object(config),
        type(rule).from_config(rule.get_config()),
        copy.deepcopy(rule),
        eval(repr(rule), {"Fixed": Fixed, "Converged": Converged, "Accuracy": Accuracy}),
    ]
    for twin in twins:
        assert twin == rule
        assert hash(twin) == hash(rule)
        assert repr(twin) == repr(rule)
        assert follow(twin, [0.5, 0.7, 0.6]) == follow(rule, [0.5, 0.7, 0.6])


def test_different_rules_differ():
    for one, other in itertools.combinations(RULES, 2):
        assert one != other
    assert Fixed(3) != Fixed(4)
    assert Fixed(3) != 3
    assert len({Fixed(3), Fixed(3), Fixed(4)}) == 2


def test_rules_keep_no_state():
    rule = Converged(patience=2)
    first = follow(rule, [1, 2, 2])
    assert follow(rule, [1, 2, 2]) == first
    assert rule == Converged(patience=2)
