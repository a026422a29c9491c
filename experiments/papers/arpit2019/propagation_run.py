"""How long a signal is after each layer of a network as initialised, and a gradient before each.

Examples are `x ~ N(0, I)`, and so is `dL/da_L`, the gradient at the last layer: no loss is needed.
In an MLP `a_l = W_l h_(l-1) + b_l` and `h_l = relu(a_l)`; in the residual network, one stage
without a stem, `h_b = h_(b-1) + W2 relu(W1 h_(b-1) + b1) + b2` keeps the size of the input.
"""

import dataclasses
import time

import keras
import numpy as np
from keras import ops

import keras_reinit as kr
from experiments.engine.errors import UsageError
from experiments.engine.experiment import Context
from experiments.engine.run import Run, keep_network
from keras_reinit.core import fold_in
from keras_reinit.layers import WeightNormalization

NETWORKS = ("mlp", "residual")
PART = 20  # blocks of a nested model: Keras cannot follow some hundreds in a row
PROBE_DEPTH = 20


@dataclasses.dataclass(frozen=True)
class PropagationRun(Run):
    """One network, initialised once; the defaults are the paper's.

    Args:
        network: "mlp" or "residual".
        depth: layers of the MLP, blocks of the residual network.
        width: middle of the interval in which the units of each layer lie, of the inner layer of
            each block.
        spread: half of its length.
        inputs: entries of an example.
        samples: number of examples; all of them are the batch of the data-dependent scheme.
        scheme: of `keras_reinit.initialize`, and so are `v` and `direction`.
        v: see there.
        direction: see there.
        seed: of weights, of units and of examples; the latter are the same for all schemes.
    """

    task = "propagation"

    network: str
    depth: int = 20
    width: int = 200
    spread: int = 50
    inputs: int = 500
    samples: int = 1000
    scheme: str = "arpit"
    v: str = "orthogonal"
    direction: str = "forward"
    seed: int = 0

    def check(self, context):
        self.check_names(network=NETWORKS)
        if not 0 <= self.spread < self.width:
            raise UsageError(
                "Every layer has a unit or more. "
                f"Received: width={self.width}, spread={self.spread}. Expected 0 <= spread < width."
            )
        if self.scheme == "hanin" and self.network == "mlp":
            raise UsageError(
                "Scheme 'hanin' is for residual blocks. Received: network='mlp'. "
                "Expected 'residual'."
            )

    def result(self, context, folder):
        """Initialise once, and follow all examples through the network and back.

        Returns:
            A dict: "forward", for each layer the mean over examples of `|h_l| / |x|`; "backward",
            of `|dL/da_l| / |dL/da_L|`, in the residual network of `|dL/dh_b| / |dL/dh_B|`.
        """
        model, steps = _network(self.network, self.inputs, _units(self))
        rng = np.random.default_rng(fold_in(self.seed, "examples"))
        x = rng.normal(size=(self.samples, self.inputs)).astype("float32")
        slope = rng.normal(size=(self.samples, model.output_shape[-1])).astype("float32")
        needs_data = self.scheme == "data_dependent"
        kr.initialize(
            model,
            self.scheme,
            self.v,
            self.direction,
            data=x if needs_data else None,
            seed=self.seed,
        )
        activation = ops.relu if self.network == "mlp" else keras.activations.linear
        states, forward = follow(steps, activation, x, homogeneous=not needs_data)
        return {
            "forward": _rounded(forward),
            "backward": _rounded(follow_back(steps[1:], states[:-1], slope)),
        }

    @property
    def total_steps(self):
        """The layers or blocks that a run goes through."""
        return self.depth

    @property
    def step_key(self):
        return self.network, self.width, self.samples, self.scheme

    def seconds_per_step(self):
        """The time of one layer or block, initialisation included, measured on a short network."""
        probe = dataclasses.replace(self, depth=min(self.depth, PROBE_DEPTH))
        start = time.perf_counter()
        probe.result(Context(), None)
        return (time.perf_counter() - start) / probe.depth


def follow(steps, activation, x, homogeneous):
    """Follow examples from the input to the end of a network, however much they shrink or grow.

    Args:
        steps: list of functions, each from one state to the next, of the input first.
        activation: function of a state whose norm is asked for.
        x: array (n, inputs).
        homogeneous: whether `step(c * state) = c * step(state)` for `c > 0`, as without biases:
            states are then kept at the norm of `x`, within the range of their precision.

    Returns:
        (states, ratios): a list of arrays after each step, scaled where homogeneous; an array
        (steps, n) of `|activation(state)| / |x|` as without scaling.
    """
    length = _norms(x)
    scale = np.ones_like(length)
    state, states, ratios = x, [], []
    for step in steps:
        state = ops.convert_to_numpy(step(state))
        ratio = _norms(ops.convert_to_numpy(activation(state))) / length
        ratios.append(scale * ratio)
        if homogeneous:
            scale = scale * ratio
            state = (state / np.where(ratio > 0, ratio, 1)[:, None]).astype(x.dtype)
        states.append(state)
    return states, np.array(ratios)


def follow_back(steps, states, slope):
    """Follow gradients from the end of a network to the state after its first step.

    Args:
        steps: list of functions, each from one state to the next.
        states: list of arrays, what each step is given.
        slope: array (n, outputs), the gradient at the end.

    Returns:
        An array (steps + 1, n) of the norms of the gradients at each state and at the end, which
        is 1.
    """
    import tensorflow as tf

    length = _norms(slope)
    slope = slope / length[:, None]
    ratios = [np.ones_like(length)]
    for step, state in zip(reversed(steps), reversed(states), strict=True):
        state = tf.constant(state)
        with tf.GradientTape(watch_accessed_variables=False) as tape:
            tape.watch(state)
            outputs = step(state)
        slope = tape.gradient(outputs, state, tf.cast(slope, outputs.dtype)).numpy()
        norms = _norms(slope)
        ratios.append(ratios[-1] * norms)
        slope = slope / np.where(norms > 0, norms, 1)[:, None]
    return np.array(ratios[::-1])


def _norms(rows):
    return np.linalg.norm(rows.astype("float64"), axis=-1)


def _rounded(ratios):
    return [float(f"{mean:.5g}") for mean in ratios.mean(axis=-1)]


# The network.


def _units(run):
    """The units of each layer, the same for all schemes."""
    low, high = run.width - run.spread, run.width + run.spread
    rng = np.random.default_rng(fold_in(run.seed, "units"))
    return tuple(map(int, rng.integers(low, high, size=run.depth, endpoint=True)))


@keep_network
def _network(name, inputs, units):
    """A network and the functions that lead from one of its states to the next."""
    return _mlp(inputs, units) if name == "mlp" else _residual(inputs, units)


def _mlp(inputs, units):
    """From the input to `a_1`, `a_2`, .. `a_L`; the network ends with the last activation."""
    whole = kr.backbones.mlp((inputs,), classes=1, hidden=units, norm="weight")
    model = keras.Model(whole.input, whole.get_layer("head").input)
    layers = [layer for layer in model.layers if isinstance(layer, WeightNormalization)]
    after = [lambda state, layer=layer: layer(ops.relu(state)) for layer in layers[1:]]
    return model, [layers[0], *after]


def _residual(inputs, units):
    """From block to block, in models of `PART` blocks."""
    start = end = keras.Input((inputs,))
    steps = []
    for first in range(0, len(units), PART):
        x = part = keras.Input((inputs,))
        for block, inner in enumerate(units[first : first + PART], start=first + 1):
            one = WeightNormalization(
                keras.layers.Dense(inner, activation="relu", name=f"block{block}_1_dense")
            )
            two = WeightNormalization(keras.layers.Dense(inputs, name=f"block{block}_2_dense"))
            x = keras.layers.Add(name=f"block{block}_out")([x, two(one(x))])
            steps.append(lambda state, one=one, two=two: state + two(one(state)))
        end = keras.Model(part, x, name=f"part{first // PART + 1}")(end)
    return keras.Model(start, end, name="residual"), steps
