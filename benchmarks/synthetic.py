"""A cell of Table 1, one method at one signal strength on 100 seeds: stacked, and one by one.

Command: `python -m benchmarks.synthetic [--repeats 3] [--json FILE]`, about 3 minutes; without JAX
(`pip install jax`) the last ratio is left out.

128-32-32-8, full-batch gradient descent on 256 examples, 9 rounds of 200 steps. Timed on one batch
of the runner and multiplied; on one core, start it with `taskset -c 0`. Ratios of times, each
within one run:
  stacked / one by one, as `experiments.tasks.synthetic` executes runs together and alone;
  stacked / a plain JAX program that does no more than the training, mapped over seeds: aim <= 1.5.
"""

import functools
import importlib.util
import itertools
import time

import numpy as np

from benchmarks.ratios import arguments, in_turn, ratio, report
from experiments.experiment import Context
from experiments.runner import BATCH
from experiments.tasks import synthetic

SEEDS, ROUNDS, STEPS, ALONE = 100, 9, 200, 3
METHODS = ("BL", "WELSR", "LW")


def seconds_of_cell(action, seeds):
    """How long a cell takes, from an action that does some of its seeds, as a list of one."""
    start = time.perf_counter()
    action()
    return [(time.perf_counter() - start) * SEEDS / seeds]


def specs(method, number):
    """Some runs of a cell."""
    return [synthetic.spec(method, 1.0, seed, ROUNDS, STEPS) for seed in range(number)]


def stacked(method):
    """Runs as the runner executes them."""
    synthetic._stacked_data.cache_clear()
    synthetic.execute_together(specs(method, BATCH), Context())


def one_by_one(method):
    """Runs, each with `fit`."""
    for spec in specs(method, ALONE):
        synthetic.execute(spec, Context())


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
            rate = synthetic.LEARNING_RATE
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
    options = arguments(__doc__, repeats=3).parse_args()
    timed = {}
    for method in METHODS:
        timed[f"{method}, stacked"] = functools.partial(
            seconds_of_cell, functools.partial(stacked, method), BATCH
        )
    alone = functools.partial(one_by_one, METHODS[-1])
    timed["one by one"] = functools.partial(seconds_of_cell, alone, ALONE)
    if importlib.util.find_spec("jax"):
        timed["JAX"] = functools.partial(seconds_of_cell, jax_training(), BATCH)
    seconds = in_turn(options.repeats, **timed)
    ratios = {
        f"time, {method}, stacked / {other}": ratio(seconds[f"{method}, stacked"], seconds[other])
        for method in METHODS
        for other in ("one by one", "JAX")
        if other in seconds
    }
    report(f"A cell of Table 1, {SEEDS} seeds", seconds, ratios, options.json)


if __name__ == "__main__":
    main()
