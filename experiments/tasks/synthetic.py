"""One network on the generated task of Alabdulmohsin et al. 2021: Section 1.1 and Appendix A.

Full-batch gradient descent on 256 examples; two hidden layers of 32 units, as in the paper. Ours
where it is silent: Glorot uniform kernels, 8192 test examples, data and initial weights of a seed
shared by all methods, optimizer as new in every round.
"""

import functools
import time

import keras
import numpy as np

import keras_reinit as kr
from experiments import data, methods, protocol
from experiments.experiment import Context
from experiments.stacked import TOGETHER, Stack
from keras_reinit.callbacks.base import ReinitCallback

BLOCKS = [["block1_dense", "block1_out"], ["block2_dense", "block2_out"], ["head"]]
LEARNING_RATE = 0.05
PHASES = ("rescaling", "LW in phases")  # the methods of Appendix A


class Phases(ReinitCallback):
    """Appendix A's schedule: at the start of each of five phases all layers are rescaled.

    Then the layers above the first one (phases 1 and 2), above the second one (3 and 4), or the top
    layer (5) are drawn afresh. With two hidden layers the last two are the same.

    Args:
        until: a rule of `keras_reinit.rounds`: when a phase ends.
        reinitialize: False for rescaling alone.
        seed: int.
    """

    KEPT = (0, 0, 1, 1, 1)  # the last block that is kept in each phase

    def __init__(self, until, reinitialize, seed):
        super().__init__(until, rounds=len(self.KEPT), seed=seed)
        self.reinitialize = reinitialize

    def start_round(self, index, seed):
        self.model.rescale(upto=len(BLOCKS) - 1)
        return self.model.reinitialize(self.KEPT[index], seed) if self.reinitialize else 0


def spec(method, alpha, seed, rounds, steps, l2=0.0):
    """The run as the store knows it.

    Args:
        method: as `experiments.methods.callbacks` names it, or one of `PHASES`.
        alpha: signal strength.
        seed: int, of data, weights and method.
        rounds: number of training phases; LW's is a multiple of 3, its blocks; Appendix A's is 5.
        steps: optimizer steps of a round.
        l2: penalty `l2 * sum(w^2)` on the kernels.

    Returns:
        A dict.
    """
    return {
        "task": "synthetic",
        "method": method,
        "alpha": alpha,
        "seed": seed,
        "rounds": rounds,
        "steps": steps,
        "l2": l2,
    }


def check(spec, context):
    """Nothing that a run needs can be missing."""


def execute(spec, context):
    """Train once; returns the accuracies."""
    model = _model(spec["steps"], spec["l2"])
    whole, stream, sample = _data(spec["alpha"], spec["seed"])
    protocol.restart(model, spec["seed"])
    callbacks = [*_method(spec, sample), *context.callbacks]
    protocol.fit(model, stream, spec["rounds"], spec["steps"], callbacks)
    return {
        "test_accuracy": protocol.accuracy(model, whole.x_test, whole.y_test),
        "train_accuracy": protocol.accuracy(model, whole.x_train, whole.y_train),
    }


def batch_key(spec):
    """Runs that differ in their seed alone are executed together."""
    return tuple(value for name, value in spec.items() if name != "seed")


def execute_together(specs, context):
    """Train runs with the same `batch_key` at once; returns the accuracies of each.

    Raises:
        ValueError: if one of them cannot go on; which one, `execute` tells.
    """
    for callback in context.callbacks:
        callback.on_train_begin()
    first, seeds = specs[0], tuple(spec["seed"] for spec in specs)
    x, labels, x_test, y_test = _stacked_data(first["alpha"], seeds)
    y = np.moveaxis(np.eye(8, dtype="float32")[labels], -1, 1)
    stack = Stack(_model(first["steps"], first["l2"]), seeds)
    for index in range(first["rounds"]):
        stack.begin_round(index)
        _start_round(stack, first, index, x)
        stack.train(x, y, LEARNING_RATE, first["l2"], first["steps"])
    scores = zip(stack.accuracy(x_test, y_test), stack.accuracy(x, labels), strict=True)
    return [{"test_accuracy": test, "train_accuracy": train} for test, train in scores]


def _start_round(stack, spec, index, x):
    """What the callback of a method does at the start of a round, to a stack of networks."""
    method, last = spec["method"], len(BLOCKS) - 1
    if method in PHASES:
        stack.rescale(last)
        if method != "rescaling":
            stack.redraw(Phases.KEPT[index] + 1)
    elif method in ("LW", "LW kernels"):
        block = index // (spec["rounds"] // len(BLOCKS))
        stack.rescale(block, kernels=method == "LW kernels")
        stack.calibrate(block, x)
        stack.redraw(block + 1)
    elif index == 0 or method == "BL":
        return
    elif method in ("FC", "FC head"):
        stack.redraw(1 if method == "FC" else last)
    else:
        by = "magnitude" if method == "DSD" else "random"
        stack.redraw_share(0.2, by, kept=method == "WELS")


def steps(spec):
    """The optimizer steps of a run."""
    return spec["rounds"] * spec["steps"]


def step_key(spec):
    """Runs with the same key take the same time for a step."""
    return "mlp", spec["steps"], bool(spec["l2"])


def seconds_per_step(spec):
    """The time of a whole run, one of a few that are executed together, by step."""
    seconds = []
    for first in (0, TOGETHER):  # the first time compiles
        specs = [spec | {"seed": seed} for seed in range(first, first + TOGETHER)]
        start = time.perf_counter()
        execute_together(specs, Context())
        seconds.append(time.perf_counter() - start)
    return seconds[-1] / TOGETHER / steps(spec)


def _method(spec, sample):
    until = kr.rounds.Fixed(epochs=1)
    if spec["method"] in PHASES:
        return [Phases(until, spec["method"] != "rescaling", spec["seed"])]
    iterations = spec["rounds"] // len(BLOCKS)
    return methods.callbacks(
        spec["method"], until, spec["rounds"], iterations, sample, spec["seed"]
    )


@functools.lru_cache(maxsize=8)
def _model(steps, l2):
    """A compiled network, which every run makes a new one of."""
    model = kr.ReinitModel(kr.backbones.mlp((128,), classes=8), blocks=BLOCKS)
    if l2:
        for layer in model.layers:
            if isinstance(layer, keras.layers.Dense):
                layer.kernel.regularizer = keras.regularizers.L2(l2)
    protocol.compile_for(model, keras.optimizers.SGD(LEARNING_RATE), steps)
    return model


@functools.lru_cache(maxsize=1)
def _data(alpha, seed):
    whole = data.synthetic(alpha, seed)
    stream = data.full_batch(whole.x_train, whole.y_train)
    return whole, stream, data.one_batch(whole.x_train)


@functools.lru_cache(maxsize=1)
def _stacked_data(alpha, seeds):
    """Examples as columns (runs, features, examples) and labels (runs, examples)."""
    sets = [data.synthetic(alpha, seed) for seed in seeds]
    return (
        np.stack([each.x_train.T for each in sets]),
        np.stack([each.y_train for each in sets]),
        np.stack([each.x_test.T for each in sets]),
        np.stack([each.y_test for each in sets]),
    )
