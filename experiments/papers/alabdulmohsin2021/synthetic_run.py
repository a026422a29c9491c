"""One network on the generated task of Alabdulmohsin et al. 2021: Section 1.1 and Appendix A.

Full-batch gradient descent on 256 examples; two hidden layers of 32 units, as in the paper. Ours
where it is silent: Glorot uniform kernels, 8192 test examples, data and initial weights of a seed
shared by all methods, optimizer as new in every round.
"""

import dataclasses
import functools
import time

import keras
import numpy as np

import keras_reinit as kr
from experiments import data
from experiments.engine.experiment import Context
from experiments.engine.run import Run
from experiments.papers.alabdulmohsin2021.stacked import TOGETHER, Stack
from experiments.training import methods, protocol
from keras_reinit.methods import Method

BLOCKS = [["block1_dense", "block1_out"], ["block2_dense", "block2_out"], ["head"]]
LEARNING_RATE = 0.05
PHASES = ("rescaling", "LW in phases")  # the methods of Appendix A


@dataclasses.dataclass(frozen=True)
class Phases(Method):
    """Appendix A's schedule: at the start of each of five phases all layers are rescaled.

    Then the layers above the first one (phases 1 and 2), above the second one (3 and 4), or the top
    layer (5) are drawn afresh. With two hidden layers the last two are the same.

    Args:
        reinitialize: False for rescaling alone.
    """

    KEPT = (0, 0, 1, 1, 1)  # the last block that is kept in each phase
    acts_first = True

    reinitialize: bool = True

    def apply(self, model, context):
        model.rescale(upto=len(BLOCKS) - 1)
        if not self.reinitialize:
            return 0
        return model.reinitialize(self.KEPT[context.round], context.seed)

    def rounds(self, model):
        return len(self.KEPT)


@dataclasses.dataclass(frozen=True)
class SyntheticRun(Run):
    """One training run.

    Args:
        method: as `experiments.training.methods.callbacks` names it, or one of `PHASES`.
        alpha: signal strength.
        seed: int, of data, weights and method.
        rounds: number of training phases; LW's is a multiple of 3, its blocks; Appendix A's is 5.
        steps: optimizer steps of a round.
        l2: penalty `l2 * sum(w^2)` on the kernels.
    """

    task = "synthetic"

    method: str
    alpha: float
    seed: int
    rounds: int
    steps: int
    l2: float = 0.0

    def check(self, context):
        """Nothing that a run needs can be missing."""

    def result(self, context, folder):
        model = _model(self.steps, self.l2)
        whole, stream, sample = _data(self.alpha, self.seed)
        protocol.restart(model, self.seed)
        callbacks = [*_method(self, sample), *context.callbacks]
        protocol.fit(model, stream, self.rounds, self.steps, callbacks)
        return {
            "test_accuracy": protocol.accuracy(model, whole.x_test, whole.y_test),
            "train_accuracy": protocol.accuracy(model, whole.x_train, whole.y_train),
        }

    @property
    def batch_key(self):
        """Runs that differ in their seed alone are executed together."""
        return dataclasses.replace(self, seed=0)

    @classmethod
    def execute_together(cls, runs, context):
        """As for all runs.

        Raises:
            ValueError: if one of them cannot go on; which one, `execute` tells.
        """
        if len(runs) == 1:
            return super().execute_together(runs, context)
        for callback in context.callbacks:
            callback.on_train_begin()
        first, seeds = runs[0], tuple(run.seed for run in runs)
        x, labels, x_test, y_test = _stacked_data(first.alpha, seeds)
        y = np.moveaxis(np.eye(8, dtype="float32")[labels], -1, 1)
        stack = Stack(_model(first.steps, first.l2), seeds)
        for index in range(first.rounds):
            stack.begin_round(index)
            _start_round(stack, first, index, x)
            stack.train(x, y, LEARNING_RATE, first.l2, first.steps)
        scores = zip(stack.accuracy(x_test, y_test), stack.accuracy(x, labels), strict=True)
        return [{"test_accuracy": test, "train_accuracy": train} for test, train in scores]

    @property
    def total_steps(self):
        return self.rounds * self.steps

    @property
    def step_key(self):
        return "mlp", self.steps, bool(self.l2)

    def seconds_per_step(self):
        """The time of a whole run, one of a few that are executed together, by step."""
        seconds = []
        for first in (0, TOGETHER):  # the first time compiles
            runs = [dataclasses.replace(self, seed=seed) for seed in range(first, first + TOGETHER)]
            start = time.perf_counter()
            self.execute_together(runs, Context())
            seconds.append(time.perf_counter() - start)
        return seconds[-1] / TOGETHER / self.total_steps


def _start_round(stack, run, index, x):
    """What the callback of a method does at the start of a round, to a stack of networks."""
    method, last = run.method, len(BLOCKS) - 1
    if method in PHASES:
        stack.rescale(last)
        if method != "rescaling":
            stack.reinitialize_weights(Phases.KEPT[index] + 1)
    elif method in ("LW", "LW kernels"):
        block = index // (run.rounds // len(BLOCKS))
        stack.rescale(block, kernels=method == "LW kernels")
        stack.calibrate(block, x)
        stack.reinitialize_weights(block + 1)
    elif index == 0 or method == "BL":
        return
    elif method in ("FC", "FC head"):
        stack.reinitialize_weights(1 if method == "FC" else last)
    else:
        by = "magnitude" if method == "DSD" else "random"
        stack.redraw_share(0.2, by, kept=method == "WELS")


def _method(run, sample):
    until = kr.rounds.Fixed(epochs=1)
    if run.method in PHASES:
        method = Phases(run.method != "rescaling")
        return [kr.callbacks.Reinit(method, until, seed=run.seed)]
    iterations = run.rounds // len(BLOCKS)
    return methods.callbacks(run.method, until, run.rounds, iterations, sample, run.seed)


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
