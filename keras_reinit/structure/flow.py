"""Which layers feed a BatchNormalization, and in which mode it runs: read off a call of the model.

The model is called on symbolic tensors as `fit` calls it, with every layer laid open that has a
BatchNormalization inside, and the tensors are followed back. Where a layer cannot work on symbolic
tensors of Keras, a call on those of the backend tells the mode, and in which order layers run. What
is only called by a `train_step` is called by itself.
"""

import contextlib
import functools
import weakref
from typing import NamedTuple

import keras
from keras import ops

from keras_reinit import keras_private
from keras_reinit.keras_private import all_layers, own_trainable_variables, sublayers
from keras_reinit.structure.graph import is_open
from keras_reinit.structure.layers import NORMALIZATIONS

_BATCH = 2  # examples of a symbolic batch
_KEPT: weakref.WeakKeyDictionary = weakref.WeakKeyDictionary()  # model: (its layers, what was read)


class Fed(NamedTuple):
    """How a BatchNormalization is used.

    Attributes:
        feeders: ids of the layers whose weights made its inputs, as far back as to layers with
            kernels and to other normalisations.
        trains: whether it normalises with the statistics of the batch in training.
    """

    feeders: frozenset
    trains: bool


class _Use(NamedTuple):
    """One call of a BatchNormalization, or of a layer with weights: its input, its mode."""

    layer: keras.layers.Layer
    inputs: object
    training: bool
    around: tuple  # the layers laid open that the call is a part of


def batch_normalizations(layer):
    """The BatchNormalization layers of a model or layer, at any depth."""
    return [own for own in all_layers(layer) if isinstance(own, keras.layers.BatchNormalization)]


def fed(model):
    """How each BatchNormalization of a model is used.

    Args:
        model: a built `keras.Model`.

    Returns:
        A dict {id(layer): `Fed`}, without the layers of which nothing could be learnt.
    """
    layers = tuple(map(id, all_layers(model)))
    if model in _KEPT and _KEPT[model][0] == layers:
        return _KEPT[model][1]
    found: dict[int, Fed] = {}
    pending = [model]
    while pending:
        root = pending.pop(0)
        if all(id(layer) in found for layer in batch_normalizations(root)):
            continue
        with keras_private.nodes_forgotten(model):
            found |= {key: value for key, value in _read(root).items() if key not in found}
        pending.extend(sublayers(root))
    if all(map(is_open, _opened(model))):  # code of a user's own may call in another mode tomorrow
        _KEPT[model] = layers, found
    return found


def _read(root):
    """What a call of a model or layer tells, or nothing."""
    if isinstance(root, keras.layers.BatchNormalization):
        return {}
    for look in (_by_tensors, _by_order):
        with contextlib.suppress(Exception):  # whatever a user's own code raises on such tensors
            return look(root, _symbolic(root))
    return {}


def _symbolic(root):
    """Inputs like those that a model or layer was built with."""

    def like(shape, dtype="float32", sparse=False):
        batch = _BATCH if shape[0] is None else shape[0]
        return keras.KerasTensor((batch, *shape[1:]), dtype, sparse=sparse)

    if isinstance(root, keras.Model) and keras_private.has_graph(root):
        structure = root.inputs[0] if isinstance(root, keras.Sequential) else root.input
        return keras.tree.map_structure(lambda t: like(t.shape, t.dtype, t.sparse), structure)
    return keras.tree.map_shape_structure(like, root.get_build_config()["input_shape"])


def _call(root, inputs):
    """Call a model as `fit` does."""
    return root(inputs, training=True) if keras_private.takes_training(root) else root(inputs)


def _by_tensors(root, inputs):
    """Follow the tensors of a symbolic call back from each BatchNormalization."""
    uses, inside, around = [], {}, []

    def outside(tensor):
        """A new tensor for the outside of a layer: the layer takes its output for its own."""
        if not isinstance(tensor, keras.KerasTensor):
            return tensor
        alias = keras.KerasTensor(tensor.shape, tensor.dtype, sparse=tensor.sparse)
        inside[id(alias)] = alias, tensor  # kept alive, so that no id is used twice
        return alias

    def lay_open(layer, _, *args, **kwargs):
        around.append(layer)
        call = _once if isinstance(layer, keras.layers.TimeDistributed) else type(layer).call
        outputs = call(layer, *args, **kwargs)
        around.pop()
        return keras.tree.map_structure(outside, outputs)

    def watch(layer, call, inputs, training=None, **kwargs):
        uses.append(_Use(layer, inputs, bool(training), tuple(around)))
        return call(inputs, training=training, **kwargs)

    with (
        replaced(_opened(root), "symbolic_call", lay_open),
        replaced(batch_normalizations(root), "symbolic_call", watch),
    ):
        _call(root, inputs)
    return _joined((use, _feeders(use, inside)) for use in uses)


def _feeders(use, inside):
    """The layers with weights that a tensor was made by, the nearest ones."""
    found = {id(layer) for layer in use.around if own_trainable_variables(layer)}
    pending, seen = keras.tree.flatten(use.inputs), set()
    while pending:
        tensor = pending.pop()
        if id(tensor) in seen:
            continue
        seen.add(id(tensor))
        if id(tensor) in inside:
            pending.append(inside[id(tensor)][1])
            continue
        operation, inputs = keras_private.maker(tensor)
        parts = all_layers(operation) if isinstance(operation, keras.layers.Layer) else []
        found |= set(map(id, parts))
        if not any(isinstance(part, NORMALIZATIONS) or _has_kernel(part) for part in parts):
            pending.extend(inputs)
    return found


def _by_order(root, inputs):
    """Take the layer with a kernel that ran just before for what feeds a BatchNormalization."""
    uses = []

    def watch(layer, call, *args, **kwargs):
        uses.append(_Use(layer, None, bool(kwargs.get("training")), ()))
        return call(*args, **kwargs)

    watched = [*batch_normalizations(root), *filter(_has_kernel, all_layers(root))]
    with replaced(watched, "call", watch):
        keras_private.run_abstractly(functools.partial(_call, root), inputs)
    pairs, before = [], set()
    for use in uses:
        if _has_kernel(use.layer):
            before = {id(use.layer)}
        else:
            pairs.append((use, before))
    return _joined(pairs)


def _joined(pairs):
    """A layer that is called several times is fed by all, and trains where one call does."""
    found: dict[int, Fed] = {}
    for use, feeders in pairs:
        known = found.get(id(use.layer), Fed(frozenset(), False))
        found[id(use.layer)] = Fed(known.feeders | feeders, known.trains or use.training)
    return found


def _once(layer, inputs, training=None, mask=None):
    """`TimeDistributed.call` on one moment of time, which all others have the layers of."""
    outputs = layer.layer(inputs[:, 0], training=training)
    return ops.stack([outputs] * (inputs.shape[1] or 1), axis=1)


def _opened(root):
    """The layers and models with a BatchNormalization inside of them, the root among them."""
    return [
        layer
        for layer in all_layers(root)
        if not isinstance(layer, keras.layers.BatchNormalization) and batch_normalizations(layer)
    ]


def _has_kernel(layer):
    """Whether a layer has a weight matrix of its own, and no slopes alone."""
    if isinstance(layer, (*NORMALIZATIONS, keras.layers.PReLU)):
        return False
    return any(len(variable.shape) > 1 for variable in own_trainable_variables(layer))


@contextlib.contextmanager
def replaced(layers, method, function):
    """Put `function(layer, method, *args)` in the place of one method of some layers."""
    before = [(layer, dict(vars(layer))) for layer in layers]
    for layer in layers:
        vars(layer)[method] = functools.partial(function, layer, getattr(layer, method))
    try:
        yield
    finally:
        for layer, attributes in before:
            vars(layer).pop(method)
            if method in attributes:
                vars(layer)[method] = attributes[method]
