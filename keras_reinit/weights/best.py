"""The weights of the best epoch, with the averages that an optimizer keeps of them."""

import numpy as np

from keras_reinit.weights.optimizer import averages_of


def best_values(model, optimizer):
    """Weights and averages as they are: a list of arrays."""
    return [np.array(variable) for variable in _variables(model, optimizer)]


def restore_best(model, optimizer, values):
    """Give weights and averages back the values that `best_values` gave; nothing for an empty list.

    Args:
        model: `keras.Model`.
        optimizer: the one that trains it, or None.
        values: list of arrays.
    """
    if values:
        for variable, value in zip(_variables(model, optimizer), values, strict=True):
            variable.assign(value)


def restore_averages(model, optimizer, values):
    """Give the averages alone back their values: Keras makes them the weights when `fit` ends."""
    averages = averages_of(optimizer)
    if values and averages:
        for average, value in zip(averages, values[len(model.weights) :], strict=True):
            average.assign(value)


def finish(model, optimizer, values):
    """As `restore_best` after `fit`: averages are the weights then, where there are any."""
    restore_best(model, optimizer, values)
    if values and averages_of(optimizer):
        optimizer.finalize_variable_values(model.trainable_variables)


def _variables(model, optimizer):
    return [*model.weights, *averages_of(optimizer)]
