"""A fresh draw for any variable of any layer, from that layer's own initializer.

An initializer fixes its seed when it is made: calling `layer.kernel_initializer` a second time
gives the *original* values back. Some layers also replace the initializer they were given while
they are built. So the layer is rebuilt from its config in a scope where variables are not given
values but keep the initializer that would have made them, and that initializer is given a new seed.
"""

import copy
import functools
import inspect
import itertools
import weakref

import keras
import numpy as np
from keras import ops

from keras_reinit import keras_private
from keras_reinit.core import stream
from keras_reinit.layers import WeightNormalization
from keras_reinit.layers.kernels import kernels
from keras_reinit.layers.weight_normalization import unit_norms
from keras_reinit.weights import draws

_KEPT: weakref.WeakKeyDictionary = weakref.WeakKeyDictionary()  # layer: (description, initializers)

_DETERMINISTIC = (
    keras.initializers.Constant,
    keras.initializers.Identity,
    keras.initializers.Ones,
    keras.initializers.Zeros,
)


def _fresh_alone(old, fresh):
    return fresh


class FreshValues:
    """Fresh values for a list of weights, all layers checked before the first draw.

    `w_fresh ~ the initializer of w`, a stream of its own for each seed and position. The `g` of a
    `WeightNormalization` without an initializer for it is the norm of the `v` drawn along with it.

    Args:
        weights: list of `Weight`.

    Raises:
        ValueError: if a layer is quantised, has LoRA enabled, cannot be rebuilt from its config, or
            draws a variable from a fixed seed or from none that can be set.

    Example:
        >>> fresh = FreshValues(list_weights(model))
        >>> for weight in list_weights(model):
        ...     weight.variable.assign(fresh.draw(weight, seed=7))
    """

    def __init__(self, weights):
        self._initializers = {}
        self._weights = {id(weight.variable): weight for weight in weights}
        layers = {id(weight.layer): weight.layer for weight in weights}
        for layer in layers.values():
            _check_supported(layer)
        with keras_private.seeded(
            0
        ):  # an initializer without a seed draws one from Python's generator
            initializers = {key: _initializers(layer) for key, layer in layers.items()}
        for weight in weights:
            initializer = initializers[id(weight.layer)][id(weight.variable)]
            self._initializers[weight.position] = initializer
            if initializer is not None and not _is_reseedable(initializer):
                _check_seedable(weight, initializer)

    def draw(self, weight, seed, combine=_fresh_alone, *operands):
        """Draw one variable anew, and combine the fresh values with those it has.

        Args:
            weight: one of the weights given.
            seed: int.
            combine: a pure function `(old, fresh, *operands)` of arrays, such as `core.blend`;
                left out, the fresh values are the result.
            *operands: arrays.

        Returns:
            An array of the variable's shape and dtype.
        """
        initializer = self._initializers[weight.position]
        if initializer is None:
            return combine(weight.variable.value, self._norms(weight, seed), *operands)
        return _draw(weight, initializer, seed, combine, operands)

    def _norms(self, weight, seed):
        """The norm of each unit's `v`: of the one drawn with the same seed, or of the one kept."""
        layer = weight.layer
        place = next(i for i, g in enumerate(layer.gains) if g is weight.variable)
        kernel = kernels(layer.layer)[place]
        drawn = self._weights.get(id(kernel.variable))
        v = kernel.variable.value if drawn is None else self.draw(drawn, seed)
        norms = ops.reshape(unit_norms(v, kernel), weight.variable.shape)
        return ops.cast(norms, weight.variable.dtype)


def _draw(weight, initializer, seed, combine=_fresh_alone, operands=()):
    streams = functools.partial(stream, seed, "fresh", position=weight.position)
    old, shape, dtype = weight.variable.value, weight.variable.shape, weight.variable.dtype
    if isinstance(initializer, _DETERMINISTIC):
        fresh = initializer(shape, dtype=dtype)
    elif _is_reseedable(initializer):
        kind, config = type(initializer), _with_seeds(initializer.get_config(), streams)
        if draws.pays(initializer, shape):
            return draws.draw(kind, config, old, dtype, combine, operands)
        fresh = kind.from_config(config)(shape, dtype=dtype)
    else:
        # A function of the layer's own may hold initializers of any kind: make the layer once more.
        with keras_private.seeded(streams(part=0)):
            initializer = _initializers(weight.layer, streams)[id(weight.variable)]
            fresh = initializer(shape, dtype=dtype)
    return combine(old, ops.convert_to_tensor(fresh, dtype=dtype), *operands)


def _is_reseedable(initializer):
    """Whether a new seed, or none, is all that a new draw needs."""
    return isinstance(initializer, _DETERMINISTIC) or (
        isinstance(initializer, keras.Initializer) and "seed" in initializer.get_config()
    )


def _check_supported(layer):
    if layer.quantization_mode is not None:
        raise ValueError(
            f"Layer '{layer.name}' is quantised and its integers have no fresh draw. "
            f"Received: quantization_mode={layer.quantization_mode!r}. Re-initialise first, then "
            "quantise"
        )
    if getattr(layer, "lora_enabled", False):
        raise ValueError(
            f"Layer '{layer.name}' has LoRA enabled: its kernel is the sum of a frozen and a "
            "low-rank part and has no fresh draw. Leave it out with `where`"
        )


def _initializers(layer, streams=None):
    """The initializer of each own variable of a layer: {id(variable): initializer}.

    None for a `g` that is to be the norm of its `v`.
    """
    if isinstance(layer, WeightNormalization):
        return {id(g): layer.gain_initializer for g in layer.gains}
    own = _own_variables(layer)
    kept = None if streams is not None else _kept(layer, own)
    if kept is None:
        kept = _twins_initializers(layer, own, streams)
    return {id(v): initializer for v, initializer in zip(own, kept, strict=True)}


def _kept(layer, own):
    """The initializers of an earlier draw, where nothing about the layer has changed since."""
    try:
        description = _config(layer), [(tuple(v.shape), v.dtype) for v in own]
        if layer in _KEPT and _KEPT[layer][0] == description:
            return _KEPT[layer][1]
        description = copy.deepcopy(description)  # a layer may change its config in place
    except Exception:  # arrays in a config, or none at all: `_rebuilt` explains
        return None
    initializers = _twins_initializers(layer, own)
    if all(map(_is_reseedable, initializers)) and not any(map(_holds_an_array, initializers)):
        _KEPT[layer] = description, initializers
    return initializers


def _holds_an_array(initializer):
    return isinstance(initializer, keras.initializers.Constant) and np.ndim(initializer.value) > 0


def _twins_initializers(layer, own, streams=None):
    """The initializers of a layer's own variables, in their order, from a twin of it."""
    twin = _rebuilt(layer, streams)
    own_of_twin = _own_variables(twin)
    if [tuple(v.shape) for v in own] != [tuple(v.shape) for v in own_of_twin]:
        raise ValueError(
            f"Layer '{layer.name}' rebuilt from its config has other variables. "
            f"Received: {[(v.name, v.shape) for v in own_of_twin]}. "
            f"Expected: {[(v.name, v.shape) for v in own]}"
        )
    return [keras_private.deferred_initializer(v) or _Value(v) for v in own_of_twin]


def _own_variables(layer):
    return [
        *keras_private.own_trainable_variables(layer),
        *keras_private.own_other_variables(layer),
    ]


class _Value:
    """Stands for an initializer where a layer makes its variable from an array."""

    def __init__(self, variable):
        self._variable = variable

    def __call__(self, shape, dtype=None):
        return self._variable.value


def _rebuilt(layer, streams=None):
    """A twin of a layer whose variables have initializers and, where possible, no values."""

    def build(entries):
        config = {name: value for name, value in _config(layer).items() if name in entries}
        twin = type(layer).from_config(config if streams is None else _with_seeds(config, streams))
        if not twin.built:
            twin.build_from_config(layer.get_build_config() or {})
        return twin

    def deferred(entries):
        try:
            with keras_private.values_deferred():
                return build(entries)
        # A variable made from an array cannot be deferred; `from_config` makes it a TypeError.
        except (TypeError, ValueError):
            return build(entries)

    try:
        entries = set(_config(layer))
        taken = entries & _taken(layer.__class__)
        try:
            return deferred(entries)
        except Exception:
            if taken == entries:
                raise
            return deferred(taken)  # entries that are derived from others
    except Exception as error:
        raise ValueError(
            f"Layer '{layer.name}' of {type(layer)} cannot give a fresh draw, because it cannot be "
            f"rebuilt from its config: {error}. Give it a `get_config` that mirrors `__init__` and "
            "create its variables with `add_weight`, or leave it out with `where`"
        ) from error


def _config(layer):
    """A layer's config, with what its constructor needs and Keras's own ConvLSTMCell leaves out."""
    with keras_private.without_tensorflow():
        config = layer.get_config()
    left_out = _required(layer.__class__) - set(config)
    return config | {name: getattr(layer, name) for name in left_out if hasattr(layer, name)}


@functools.lru_cache(maxsize=256)
def _taken(kind):
    """The arguments that a class takes, those that its constructor hands on included."""
    names: set[str] = set()
    for base in kind.__mro__:
        if "__init__" not in vars(base):
            continue
        parameters = inspect.signature(base.__init__).parameters.values()
        names |= {parameter.name for parameter in parameters}
        if not any(parameter.kind is parameter.VAR_KEYWORD for parameter in parameters):
            break
    return names


@functools.lru_cache(maxsize=256)
def _required(kind):
    """The arguments that the constructor of a class has no default for."""
    return {
        each.name
        for each in inspect.signature(kind).parameters.values()
        if each.default is each.empty and each.kind is each.POSITIONAL_OR_KEYWORD
    }


def _with_seeds(config, streams):
    """A config with every nested "seed" replaced, each by one of its own, in their order.

    Args:
        config: of an initializer or a layer.
        streams: function from `part=0, 1, ...` to a seed.
    """
    parts = itertools.count()

    def rewritten(node):
        if isinstance(node, dict):
            return {
                key: streams(part=next(parts)) if key == "seed" else rewritten(value)
                for key, value in node.items()
            }
        return type(node)(map(rewritten, node)) if isinstance(node, list | tuple) else node

    return rewritten(config)


def _check_seedable(weight, initializer):
    """Refuse an initializer of the user's own whose values no seed decides."""
    first, again, second = (
        ops.convert_to_numpy(_draw(weight, initializer, seed)) for seed in (0, 0, 1)
    )
    # A structured constant, such as an LSTM's bias with its unit forget gate, repeats few values.
    looks_random = first.size > 2 and len(np.unique(first)) > first.size / 2
    if not np.array_equal(first, again):
        _refuse(weight, initializer, "gives other values for the same seed")
    if looks_random and np.array_equal(first, second):
        _refuse(weight, initializer, "gives the same values every time")


def _refuse(weight, initializer, reason):
    raise ValueError(
        f"Variable '{weight.name}' of layer '{weight.layer.name}' cannot be drawn afresh: its "
        f"initializer {reason}. Received: {initializer!r}. Use an initializer whose config has a "
        "`seed`, or leave the variable out with `where`"
    )
