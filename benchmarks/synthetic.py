"""A cell of Table 1, one method at one signal strength on 100 seeds: stacked, and one by one.

Command: `python -m benchmarks.synthetic [--repeats 2] [--json FILE]`, about 8 minutes; without JAX
(`pip install jax`) its ratios are left out.

128-32-32-8, full-batch gradient descent on 256 examples, 9 rounds of 200 steps, on one core. Timed
on one batch of the runner and multiplied. Ratios of times, each within one run:
  stacked / one by one, as `alabdulmohsin2021.synthetic_run` executes runs together and alone;
  stacked / a plain JAX program that does no more than the training, mapped over seeds: aim <= 1.5;
  the published table, of six methods, on two cores, half the sum of its cells, / 4 minutes: aim
    <= 1; and ours, which has two more.
"""

import functools
import importlib.util
import itertools
import os

import numpy as np

from benchmarks.ratios import arguments, in_turn, ratio, report, seconds_of
from experiments.engine.experiment import Context
from experiments.engine.runner import BATCH
from experiments.papers.alabdulmohsin2021 import synthetic_run
from experiments.papers.alabdulmohsin2021.synthetic_run import SyntheticRun
from experiments.papers.alabdulmohsin2021.table1 import METHODS, ROUNDS, STEPS, Settings

SEEDS, ALONE = 100, 2
PUBLISHED = [method for method in METHODS if method not in ("FC head", "LW kernels")]
MINUTES = 4  # that the published table may take


def seconds_of_cell(action, seeds):
    """How long a cell takes, from an action that does some of its seeds, as a list of one."""
    (taken,) = seconds_of(action)
    return [taken * SEEDS / seeds]


def use_one_core():
    """Let this process have one core, where the system can be told; before a backend starts."""
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})


def tables(seconds, methods):
    """How long a table of some methods takes on two cores, a list of as many as were timed."""
    cells = (seconds[method] for method in methods)
    return [len(Settings().alpha) * sum(each) / 2 for each in zip(*cells, strict=True)]


def runs(method, number):
    """Some runs of a cell."""
    return [SyntheticRun(method, 1.0, seed, ROUNDS, STEPS) for seed in range(number)]


def stacked(method):
    """Runs as the runner executes them."""
    synthetic_run._stacked_data.cache_clear()
    SyntheticRun.execute_together(runs(method, BATCH), Context())


def one_by_one(method):
    """Runs, each with `fit`."""
    for run in runs(method, ALONE):
        run.execute(Context())


def jax_training():
    """A function that trains networks with JAX, without any re-initialisation."""
    import jax
    from jax import numpy as jnp

    def loss(weights, x, y):
        for kernel, bias in weights[:-1]:
            x = jax.nn.relu(x @ kernel + bias)
        logits = x @ weights[-1][0] + weights[-1][1]
        return -jnp.mean(jnp.take_along_axis(jax.nn.log_softmax(logits), y[:, None], 1))

    def train(weights, x, y):
        def step(weights, _):
            gradients = jax.grad(loss)(weights, x, y)
            rate = synthetic_run.LEARNING_RATE
            return jax.tree.map(lambda w, g: w - rate * g, weights, gradients), None

        return jax.lax.scan(step, weights, length=ROUNDS * STEPS)[0]

    rng, sizes = np.random.default_rng(0), (128, 32, 32, 8)
    weights = [
        (
            0.1 * rng.normal(size=(BATCH, *shape)).astype("float32"),
            np.zeros((BATCH, shape[1]), "f4"),
        )
        for shape in itertools.pairwise(sizes)
    ]
    x = rng.normal(size=(BATCH, 256, 128)).astype("float32")
    y = rng.integers(8, size=(BATCH, 256))
    compiled = jax.jit(jax.vmap(train))
    return lambda: jax.block_until_ready(compiled(weights, x, y))


def main():
    """Measure and print."""
    options = arguments(__doc__, repeats=2).parse_args()
    use_one_core()
    timed = {
        method: functools.partial(seconds_of_cell, functools.partial(stacked, method), BATCH)
        for method in METHODS
    }
    alone = functools.partial(one_by_one, "LW")
    timed["one by one"] = functools.partial(seconds_of_cell, alone, ALONE)
    if importlib.util.find_spec("jax"):
        timed["JAX"] = functools.partial(seconds_of_cell, jax_training(), BATCH)
    seconds = in_turn(options.repeats, **timed)
    ratios = {"time, LW, stacked / one by one": ratio(seconds["LW"], seconds["one by one"])}
    if "JAX" in seconds:
        for method in METHODS:
            ratios[f"time, {method}, stacked / JAX"] = ratio(
                seconds[method], seconds["JAX"], at_most=1.5
            )
    ratios[f"time, published table on two cores / {MINUTES} minutes"] = ratio(
        tables(seconds, PUBLISHED), [60 * MINUTES], at_most=1
    )
    ratios[f"time, our table on two cores / {MINUTES} minutes"] = ratio(
        tables(seconds, METHODS), [60 * MINUTES]
    )
    report(f"A cell of Table 1, {SEEDS} seeds, one core", seconds, ratios, options.json)


if __name__ == "__main__":
    main()
