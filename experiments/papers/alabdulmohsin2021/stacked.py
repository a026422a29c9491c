"""Many small perceptrons at once: runs are the leading axis of every array.

What a method does to one network, `keras_reinit.core` does here to each of a stack of them, with
the same random streams as the callbacks; training is one compiled function for the whole stack. A
run's results are those of `fit` up to the order of sums.
"""

import functools

import keras
import numpy as np
from keras import ops

from keras_reinit import core
from keras_reinit.weights.select import list_weights

TOGETHER = 5  # runs whose examples and weights fit into a processor's cache together


class Stack:
    """Perceptrons of one shape, each of another seed, as new.

    Args:
        model: a `ReinitModel` of dense layers with biases, ReLU between them, one a block and the
            head among them; gives shapes, initializers and the names of the random streams.
        seeds: list of ints, one for each run: each network is `reinitialize(seed=seed)` of the
            model.

    Attributes:
        weights: dict {name: array (runs, ...)}, as the model orders them.
        normalizations: float32 array (runs, 2, blocks): mean and stddev of each block.
    """

    def __init__(self, model, seeds):
        self._slots = {slot.name: slot for slot in list_weights(model)}
        self._draw = _drawing(model)
        self.seeds = list(seeds)
        self._round_seeds = self.seeds
        self.layers = list(dict.fromkeys(name.split("/")[0] for name in self._slots))
        self.weights = self._fresh()
        self._norms = _compiled(_norms)(self.weights)
        identity = np.array([[0.0] * len(self.layers), [1.0] * len(self.layers)], "float32")
        self.normalizations = np.tile(identity, (len(self.seeds), 1, 1))

    def begin_round(self, index):
        """Draw from the streams of a round from now on, as `Reinit` does."""
        self._round_seeds = [core.fold_in(seed, "round", index) for seed in self.seeds]

    def names(self, first=0, last=None, kernels=False):
        """The names of the weights of some layers, from the first to before the last."""
        chosen = self.layers[first:last]
        return [
            name
            for name, slot in self._slots.items()
            if name.split("/")[0] in chosen and (slot.is_kernel or not kernels)
        ]

    def reinitialize_weights(self, first):
        """Draw all layers from the first on afresh; their normalisations are the identity."""
        fresh = self._fresh()
        self.weights |= {name: fresh[name] for name in self.names(first)}
        self.normalizations[:, 0, first:], self.normalizations[:, 1, first:] = 0, 1

    def redraw_share(self, fraction, by, kept=False):
        """Draw an exact share of the entries of each kernel afresh.

        Args:
            fraction: share of the entries, in [0, 1].
            by: "random" or "magnitude", as `keras_reinit.reinitialize_subset`.
            kept: whether a random share is the same in every round.
        """
        fresh, streams = self._fresh(), {}
        if by == "random":
            owners = self.seeds if kept else self._round_seeds
            streams = self._streams([core.fold_in(seed, "mask") for seed in owners])
        for name in self.names(kernels=True):
            old = self.weights[name]
            if by == "random":
                masks = [core.random_mask(old.shape[1:], fraction, s) for s in streams[name]]
            else:
                masks = [core.smallest_mask(w, fraction) for w in old]
            self.weights[name] = core.blend(old, fresh[name], ops.stack(masks))

    def rescale(self, upto, kernels=False):
        """Scale the layers up to and with one back to their norms at initialisation."""
        rescaled = _compiled(_rescaled)(self.weights, self._norms)
        self.weights |= {
            name: rescaled[name] for name in self.names(last=upto + 1, kernels=kernels)
        }

    def calibrate(self, block, x):
        """Set a block's normalisation to the mean and stddev of its output on examples.

        Args:
            block: its index.
            x: examples (runs, features, examples).

        Raises:
            ValueError: if a network's block is dead: its output is constant.
        """
        z = self._by_parts(_compiled_output(block), x)[0]
        means, variances = core.per_example(
            ops.reshape(ops.transpose(z, (0, 2, 1)), (-1, z.shape[1]))
        )
        runs = len(self.seeds)
        by_run = (ops.convert_to_numpy(each).reshape(runs, -1).T for each in (means, variances))
        mean, stddev = core.pooled(*by_run)
        if not (stddev > np.finfo("float32").eps * np.abs(mean)).all():
            raise ValueError(f"A network's block is dead. Received: block={block}, stddev={stddev}")
        self.normalizations[:, :, block] = np.stack([mean, stddev], axis=1)

    def train(self, x, y, learning_rate, l2, steps):
        """Full-batch gradient descent on each run's own examples.

        `w = w - learning_rate * d(mean cross-entropy + l2 * sum(kernel^2)) / dw`

        Args:
            x: examples (runs, features, examples).
            y: labels as one-hot columns (runs, classes, examples).
            learning_rate: float.
            l2: float, of the kernels.
            steps: int.

        Raises:
            ValueError: if a weight is not finite then.
        """
        descent, l2 = _descent(steps, learning_rate), ops.convert_to_tensor(l2, "float32")
        arrays = self._by_parts(functools.partial(descent, l2), x, y)
        if not all(np.isfinite(ops.convert_to_numpy(ops.sum(w))) for w in arrays):
            raise ValueError("Training of at least one of the networks has diverged")
        self.weights = dict(zip(self.weights, arrays, strict=True))

    def accuracy(self, x, y):
        """The share of each run's examples whose largest logit is that of their label.

        Args:
            x: examples (runs, features, examples).
            y: labels (runs, examples).

        Returns:
            A list of floats.
        """
        logits = self._by_parts(_compiled_output(len(self.layers) - 1), x)[0]
        return (ops.convert_to_numpy(ops.argmax(logits, axis=1)) == y).mean(axis=1).tolist()

    def _by_parts(self, function, *data):
        """Apply a function that gives arrays to a few networks at a time."""
        made = []
        for start in range(0, len(self.seeds), TOGETHER):
            part = slice(start, start + TOGETHER)
            weights = [w[part] for w in self.weights.values()]
            made.append(function(weights, self.normalizations[part], *(d[part] for d in data)))
        return [ops.concatenate(parts) for parts in zip(*made, strict=True)]

    def _fresh(self):
        """What `redraw` of `keras_reinit.weights` would draw, all weights of all networks."""
        return self._draw(self._streams(self._round_seeds, "fresh"))

    def _streams(self, seeds, *kind):
        """Seeds of the streams of each weight: {name: one for each run}."""
        return {
            name: [core.stream(seed, *kind, position=slot.position) for seed in seeds]
            for name, slot in self._slots.items()
        }


@functools.lru_cache(maxsize=8)
def _drawing(model):
    """A function from seeds {name: list} to what the initializers of a model draw with them."""
    import tensorflow as tf

    generator = keras.random.SeedGenerator(0)

    def drawing(slot):
        layer, shape = slot.layer, tuple(slot.variable.shape)
        initializer = layer.kernel_initializer if slot.is_kernel else layer.bias_initializer
        config = initializer.get_config()
        if "seed" in config:
            initializer = type(initializer).from_config(config | {"seed": generator})

        def draw(seed):
            generator.state.assign([seed, 0])  # as if the seed were the generator's own
            return initializer(shape, dtype="float32")

        return draw

    draws = {slot.name: drawing(slot) for slot in list_weights(model)}

    @tf.function
    def compiled(seeds):
        options = {"parallel_iterations": 1, "fn_output_signature": "float32"}
        return {name: tf.map_fn(draws[name], values, **options) for name, values in seeds.items()}

    def drawn(seeds):
        dtype = generator.state.dtype
        return compiled({name: tf.constant(values, dtype) for name, values in seeds.items()})

    return drawn


@functools.cache
def _compiled(function):
    import tensorflow as tf

    return tf.function(function)


def _norms(weights):
    """The Frobenius norm of each run's arrays: {name: one for each run}."""
    return {name: ops.vectorized_map(core.frobenius_norm, w) for name, w in weights.items()}


def _rescaled(weights, norms):
    """Each run's arrays at their own norms."""
    return {
        name: ops.vectorized_map(lambda pair: core.rescale(*pair), (w, norms[name]))
        for name, w in weights.items()
    }


def _output(arrays, normalizations, x, block):
    """The output (runs, units, examples) of a block, before its own normalisation."""
    z = x
    for k in range(block + 1):
        kernel, bias = arrays[2 * k : 2 * k + 2]
        z = ops.matmul(ops.transpose(kernel, (0, 2, 1)), z) + bias[:, :, None]
        if 2 * k + 2 < len(arrays):
            z = ops.relu(z)
        if k < block:
            z = _normalized(z, normalizations, k)
    return z


@functools.cache
def _compiled_output(block):
    import tensorflow as tf

    @tf.function(jit_compile=True)
    def output(arrays, normalizations, x):
        return [_output(arrays, normalizations, x, block)]

    return output


def _normalized(z, normalizations, block):
    mean, stddev = (normalizations[:, i, block, None, None] for i in range(2))
    return (z - mean) / stddev


@functools.cache
def _descent(steps, learning_rate):
    """Full-batch gradient descent as one compiled function."""
    import tensorflow as tf

    def loss(arrays, normalizations, x, y, l2):
        last = len(arrays) // 2 - 1
        z = _normalized(_output(arrays, normalizations, x, last), normalizations, last)
        z -= tf.stop_gradient(tf.reduce_max(z, axis=1, keepdims=True))
        entropy = tf.math.log(tf.reduce_sum(tf.exp(z), axis=1)) - tf.reduce_sum(z * y, axis=1)
        penalty = sum(tf.reduce_sum(tf.square(kernel)) for kernel in arrays[::2])
        return tf.reduce_sum(tf.reduce_mean(entropy, axis=1)) + l2 * penalty

    @tf.function(jit_compile=True)
    def descent(l2, arrays, normalizations, x, y):
        for _ in tf.range(steps):
            with tf.GradientTape() as tape:
                tape.watch(arrays)
                value = loss(arrays, normalizations, x, y, l2)
            gradients = tape.gradient(value, arrays)
            arrays = [w - learning_rate * g for w, g in zip(arrays, gradients, strict=True)]
        return arrays

    return descent
