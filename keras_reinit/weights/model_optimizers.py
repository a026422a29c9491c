"""All optimizers of a model at the start of a round: as new, in part, or left alone."""

import keras
from keras import ops

from keras_reinit.keras_private import all_layers
from keras_reinit.weights.optimizer import (
    learning_rate_of,
    reset_entries,
    reset_optimizer,
    reset_steps,
    set_learning_rate,
)
from keras_reinit.weights.snapshot import Snapshot

RESETS = (True, "drawn", "steps", False)


def optimizers(model):
    """The optimizers of a model: that of `compile` first, then those in its other attributes.

    Attributes of the models inside it count, too, and lists and dicts of optimizers.

    Args:
        model: a `keras.Model`.

    Returns:
        A list of `keras.optimizers.Optimizer`, each once.
    """
    known = {}
    owners = [layer for layer in all_layers(model) if isinstance(layer, keras.Model)]
    values = [getattr(model, "optimizer", None), *(v for owner in owners for v in _values(owner))]
    for value in values:
        if isinstance(value, keras.optimizers.Optimizer):
            known.setdefault(id(value), value)
    return list(known.values())


def _values(owner):
    for value in vars(owner).values():
        if isinstance(value, dict):
            yield from value.values()
        elif isinstance(value, list | tuple):
            yield from value
        else:
            yield value


def learning_rates_of(optimizers):
    """The learning rates as `set_learning_rates` takes them back: a list."""
    return [learning_rate_of(optimizer) for optimizer in optimizers]


def check_cuts(optimizers, factor):
    """Refuse a factor on learning rates that follow a schedule.

    Args:
        optimizers: list of `keras.optimizers.Optimizer`.
        factor: None, or the factor on their rates.

    Raises:
        ValueError: if a rate cannot be multiplied.
    """
    if factor is not None and None in keras.tree.flatten(learning_rates_of(optimizers)):
        raise ValueError(
            "The learning rate follows a schedule and cannot be cut. Received: "
            f"lr_factor={factor}. Expected None, or a plain number as the rate"
        )


def set_learning_rates(optimizers, rates, factor=1.0):
    """Set the learning rates, times a factor, and nothing else; schedules stay where they are.

    Args:
        optimizers: list of `keras.optimizers.Optimizer`.
        rates: list of what `learning_rate_of` gives.
        factor: number.
    """
    for optimizer, rate in zip(optimizers, rates, strict=True):
        scaled = keras.tree.map_structure(lambda each: each and each * factor, rate)
        set_learning_rate(optimizer, scaled)


class Drawn:
    """Tells which entries of the trainable variables have changed since it was made.

    Args:
        model: a built `keras.Model`, of whose trainable variables a copy is held.
    """

    def __init__(self, model):
        self._before = Snapshot(model.trainable_variables)

    def masks(self):
        """True where an entry is another one: {id(variable): boolean array}."""
        pairs = zip(self._before.variables, self._before.values, strict=True)
        return {id(v): ops.not_equal(v.value, before) for v, before in pairs}


def reset_optimizers(optimizers, mode, rates, drawn=None):
    """Bring optimizers to where a round is to begin.

    Args:
        optimizers: list of `keras.optimizers.Optimizer`.
        mode: one of `RESETS`.
        rates: learning rates that a round begins with.
        drawn: `Drawn`, made before the weights changed, for "drawn"; None where nothing did.
    """
    if mode is True:
        for optimizer, rate in zip(optimizers, rates, strict=True):
            reset_optimizer(optimizer, rate)
        return
    masks = drawn.masks() if drawn is not None else {}
    for optimizer in optimizers:
        if mode == "drawn":
            reset_entries(optimizer, masks)
        elif mode == "steps":
            reset_steps(optimizer)
    if mode is not False:
        set_learning_rates(optimizers, rates)
