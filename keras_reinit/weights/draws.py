"""A draw of one of Keras's own initializers and what is made of it, as one TensorFlow graph.

Eagerly, each step of an initializer (a raw draw, times a scale, plus a mean) and of what follows
passes over memory and holds an array of its own; in a graph they share one. The values are the
same, bit by bit. The seed is an input, so that one graph serves all rounds.
"""

import functools
import json
import math

import keras

_LARGE = 2**18  # entries from which a graph repays its tracing within some ten rounds


class _GivenSeed(keras.random.SeedGenerator):
    """Gives an initializer a tensor as its seed."""

    def __init__(self, value):  # no variable: nothing is counted on
        self._value = value

    def next(self, ordered=True):
        return self._value


def pays(initializer, shape):
    """Whether a draw of this initializer and shape is to be a graph.

    Args:
        initializer: a `keras.Initializer`.
        shape: tuple of ints.

    Returns:
        A bool. An initializer of the user's own may need its seed as an int: never.
    """
    return (
        keras.backend.backend() == "tensorflow"
        and math.prod(shape) >= _LARGE
        and type(initializer).__module__.startswith("keras.")
    )


def draw(kind, config, old, dtype, combine, operands):
    """Draw values and combine them with the old ones.

    `combine(w_old, w_fresh, *operands)`

    Args:
        kind: class of the initializer, one of Keras's own.
        config: dict, its config, with an int as "seed".
        old: array of the shape of the draw.
        dtype: string, of both.
        combine: a pure function of arrays, such as `core.blend`.
        operands: list of arrays, its other arguments.

    Returns:
        What `combine` gives, an array.

    Example:
        >>> config = {"mean": 0.0, "stddev": 1.0, "seed": 7}
        >>> draw(keras.initializers.RandomNormal, config, old, "float32", core.blend, [mask])
    """
    rest = {name: value for name, value in config.items() if name != "seed"}
    dtypes = tuple(keras.backend.standardize_dtype(operand.dtype) for operand in operands)
    graph = _graph(kind, json.dumps(rest), tuple(old.shape), dtype, combine, dtypes)
    return graph(keras.ops.convert_to_tensor([config["seed"], 0], "int64"), old, *operands)


@functools.lru_cache(maxsize=512)
def _graph(kind, config, shape, dtype, combine, dtypes):
    import tensorflow as tf

    def graph(seed, old, *operands):
        initializer = kind.from_config({**json.loads(config), "seed": _GivenSeed(seed)})
        return combine(old, initializer(shape, dtype=dtype), *operands)

    # Of unknown shape, or the optimizer of graphs would multiply factors with each other first.
    others = (tf.TensorSpec(None, dtype) for dtype in dtypes)
    signature = tf.TensorSpec((2,), "int64"), tf.TensorSpec(shape, dtype), *others
    return tf.function(graph, input_signature=signature, autograph=False)
