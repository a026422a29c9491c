"""Every method under what changes how Keras takes a step: precision, XLA, accumulation, averages.

The oracle is what people do without this package: for each round a new model with a new optimizer,
to which the weights are carried over. What a method must forget between rounds (accumulated
gradients, averages, slots, a loss scale) the new optimizer never had.
"""

import functools
import itertools

import keras
import numpy as np
import pytest

from tests.settings import METHODS, ROUNDS

# Without XLA nothing is compiled on JAX.
JIT = keras.backend.backend() == "jax"

SCALE = {"initial_scale": 2.0**10, "dynamic_growth_steps": 2}

# name: (dtype policy, arguments of the optimizer, arguments of compile)
OPTIONS = {
    "mixed precision": ("mixed_float16", {}, {}),
    "bfloat16": ("mixed_bfloat16", {}, {}),
    "XLA": ("float32", {}, {"jit_compile": True}),
    "XLA in mixed precision": ("mixed_float16", {}, {"jit_compile": True}),
    "steps per execution": ("float32", {}, {"steps_per_execution": 3}),
    "accumulated gradients": ("float32", {"gradient_accumulation_steps": 2}, {}),
    "average at the end": ("float32", {"use_ema": True, "ema_momentum": 0.5}, {}),
    "average now and then": (
        "float32",
        {"use_ema": True, "ema_momentum": 0.5, "ema_overwrite_frequency": 2},
        {},
    ),
    "clipped and decayed": ("float32", {"global_clipnorm": 0.1, "weight_decay": 0.01}, {}),
}


@functools.cache
def compiled(needs_blocks, option):
    """A model compiled with an option, and the values of all its variables and the optimizer's."""
    setting = next(each for each in METHODS if each.needs_blocks == needs_blocks)
    policy, of_optimizer, of_compile = OPTIONS[option]
    keras.config.set_dtype_policy(policy)
    model = setting.model()
    optimizer = keras.optimizers.Adam(0.01, **of_optimizer)
    if policy == "mixed_float16":  # one that changes in so few steps
        optimizer = keras.optimizers.LossScaleOptimizer(optimizer, **SCALE)
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(optimizer, loss, **{"jit_compile": JIT} | of_compile)
    optimizer.build(model.trainable_variables)
    variables = [*model.variables, *optimizer.variables]
    return model, [(variable, variable.numpy()) for variable in variables]


def new(setting, option):
    """A model for a method as it was when new; traced once for all that can work on it."""
    model, values = compiled(setting.needs_blocks, option)
    for variable, value in values:
        variable.assign(value)
    return model


class Weights(keras.callbacks.Callback):
    """All weights at the beginning and at the end of each epoch."""

    def __init__(self):
        super().__init__()
        self.begins, self.ends = [], []

    def on_epoch_begin(self, epoch, logs=None):
        self.begins.append(self.model.get_weights())

    def on_epoch_end(self, epoch, logs=None):
        self.ends.append(self.model.get_weights())


def same(ours, expected):
    return all(np.array_equal(a, b) for a, b in zip(ours, expected, strict=True))


# Every option with two methods, every method with two options; the other cells repeat them.
WITH_EVERY_OPTION, WITH_EVERY_METHOD = ("LW", "S&P"), ("mixed precision", "average now and then")


def cells():
    for setting, (option, (_, _, of_compile)) in itertools.product(METHODS, OPTIONS.items()):
        marks = []
        if of_compile:
            marks.append(pytest.mark.backends("tensorflow", "jax", reason=option))
        if setting.identifier not in WITH_EVERY_OPTION and option not in WITH_EVERY_METHOD:
            marks.append(pytest.mark.slow)
        yield pytest.param(setting, option, marks=marks, id=f"{setting.identifier}-{option}")


@pytest.mark.parametrize(("setting", "option"), list(cells()))
def test_rounds_are_those_of_new_models(setting, option, fit):
    model, seen = new(setting, option), Weights()
    fit(model, setting.callback(), seen, eager=False)
    trained = model.get_weights()
    assert len(seen.ends) == ROUNDS
    assert same(trained, seen.ends[-1]) == ("average" not in option)
    for number in range(1, ROUNDS):
        assert not same(seen.begins[number], seen.ends[number - 1])
        twin, alone = new(setting, option), Weights()
        twin.set_weights(seen.begins[number])
        fit(twin, alone, epochs=1, eager=False)
        assert same(seen.ends[number], alone.ends[0])
        assert not same(seen.ends[number], seen.begins[number])
    assert same(trained, twin.get_weights())
