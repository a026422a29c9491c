"""The graph of a Functional model as a list of calls, and the same graph with layers put in.

Nested and Sequential models are inlined, so that a cut may lie inside them; one with a `call` of
its own is a layer like any other. Layers are shared with the model given, never copied.
"""

import inspect
import itertools
from typing import Any, NamedTuple

import keras

from keras_reinit.keras_private import (
    has_graph,
    nodes_forgotten,
    overridden,
    run_through_graph,
)
from keras_reinit.layers.recomputed import Recomputed


class Call(NamedTuple):
    """One call of a layer or raw operation; tensors are numbered as they come into being."""

    operation: Any
    inputs: tuple[int, ...]
    outputs: tuple[int, ...]


class Graph(NamedTuple):
    """A model's calls in an order in which they can be run.

    Masks are left out, as inputs and with all that only they are made of: they pass by the cuts,
    and nothing normalises them.
    """

    calls: list[Call]
    inputs: tuple[int, ...]
    outputs: tuple[int, ...]


def trace(model):
    """List the calls of a Functional or Sequential model, and leave nothing behind on its layers.

    Args:
        model: a built Functional or Sequential `keras.Model`.

    Returns:
        A `Graph`.

    Raises:
        ValueError: if the model has no graph (a subclassed model, or one that is not built).
    """
    calls: list[Call] = []
    numbers: dict[int, int] = {}
    alive = []  # keeps every tensor alive, so that no id is used twice

    def number(tensors):
        flat = [t for t in keras.tree.flatten(tensors) if isinstance(t, keras.KerasTensor)]
        alive.extend(flat)
        return tuple(numbers.setdefault(id(tensor), len(numbers)) for tensor in flat)

    def record(operation, args, kwargs):
        outputs = operation(*args, **kwargs)
        features = {key: value for key, value in kwargs.items() if not key.endswith("mask")}
        calls.append(Call(operation, number((args, features)), number(outputs)))
        return outputs

    check_graph(model)
    with nodes_forgotten(model):
        inputs, outputs = _run(model, record)
    return Graph(_connected(calls, number(outputs)), number(inputs), number(outputs))


def _connected(calls, outputs):
    """The calls, those without inputs that no output depends on."""
    needed, connected = set(outputs), []
    for call in reversed(calls):
        if needed.isdisjoint(call.outputs):
            call = call._replace(inputs=())
        needed.update(call.inputs)
        connected.append(call)
    return connected[::-1]


def rebuild(model, call):
    """Run a model's graph once more, each call in the hands of a function.

    Args:
        model: the model that was traced.
        call: function of (index of the call, operation, args, kwargs) that returns the outputs to
            go on with; `operation(*args, **kwargs)` where nothing is to change.

    Returns:
        New (inputs, outputs) in the structure of the model's own.
    """
    indices = itertools.count()
    return _run(model, lambda *of_call: call(next(indices), *of_call))


def run(model, inputs, call):
    """Run a model's graph on data, each call in the hands of a function, in inference mode.

    Args:
        model: the model that was traced.
        inputs: a tensor, or a structure of tensors as the model's inputs.
        call: function of (operation, args, kwargs) that returns the outputs to go on with.

    Returns:
        The outputs, in the structure of the model's own.
    """
    return _run_inlined(_functional(model), inputs, call, {"training": False})


def is_open(operation):
    """Whether an operation is a model that is its graph, and no `call` of its own."""
    is_graph = isinstance(operation, keras.Model) and has_graph(operation)
    return is_graph and (isinstance(operation, Recomputed) or not overridden(operation, ["call"]))


def _run(model, visit):
    plain = _functional(model)
    layers = {id(layer.output): layer for layer in plain.layers if _is_input(layer)}
    inputs = keras.tree.map_structure(lambda tensor: _like(layers[id(tensor)]), plain.input)
    return inputs, _run_inlined(plain, inputs, visit, {})


def _is_input(layer):
    return isinstance(layer, keras.layers.InputLayer)


def _like(layer):
    """A new input that is all that another one is: optional, sparse, of a fixed batch size."""
    return type(layer).from_config(layer.get_config()).output


def _run_inlined(model, inputs, visit, context):
    """Run a graph, nested graphs inlined; `context` holds a caller's `training=False`."""

    def call(operation, *args, **kwargs):
        arguments = {**kwargs, **_accepted(operation, context)}
        if not args and "inputs" in arguments:  # called by keyword
            args = (arguments.pop("inputs"),)
        if is_open(operation):
            nested = {key: value for key, value in arguments.items() if key == "training"}
            plain = _functional(operation)
            return _run_inlined(plain, _in_order(plain, args[0]), visit, nested)
        return visit(operation, args, arguments)

    return run_through_graph(model, inputs, call)


def _in_order(model, inputs):
    """What a nested model is called with, in the order of its own inputs."""
    if not isinstance(inputs, dict):
        return inputs
    if isinstance(model.input, dict):
        return {name: inputs[name] for name in model.input}
    return [inputs[tensor.name] for tensor in keras.tree.flatten(model.input)]


def _accepted(operation, context):
    if not context:
        return {}
    parameters = inspect.signature(operation.call).parameters
    return {key: value for key, value in context.items() if key in parameters}


def check_graph(model):
    """Refuse a model that is no graph of layers.

    Raises:
        ValueError: if so.
    """
    if not has_graph(model) or not model.built:
        raise ValueError(
            "A graph of layers is needed: a Functional model, or a Sequential one with an input "
            f"shape. Received: model={model!r} of {type(model)}, built={model.built}"
        )


def _functional(model):
    check_graph(model)
    if isinstance(model, keras.Sequential):
        return keras.Model(model.inputs[0], model.outputs[0])
    return keras.Model(model.input, model.output)
