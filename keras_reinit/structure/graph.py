"""The graph of a Functional model as a list of calls, and the same graph with layers put in.

Nested and Sequential models are inlined, so that a cut may lie inside them. Layers are shared with
the model given, never copied.
"""

import inspect
import itertools
from typing import Any, NamedTuple

import keras

from keras_reinit.keras_private import has_graph, run_through_graph


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
    """List the calls of a Functional or Sequential model.

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


def _run(model, visit):
    plain = _functional(model)
    inputs = keras.tree.map_structure(
        lambda tensor: keras.Input(batch_shape=tensor.shape, dtype=tensor.dtype, name=tensor.name),
        plain.input,
    )
    return inputs, _run_inlined(plain, inputs, visit, {})


def _run_inlined(model, inputs, visit, context):
    """Run a graph, nested graphs inlined; `context` holds a caller's `training=False`."""

    def call(operation, *args, **kwargs):
        arguments = {**kwargs, **_accepted(operation, context)}
        if not args and "inputs" in arguments:  # called by keyword
            args = (arguments.pop("inputs"),)
        if isinstance(operation, keras.Model) and has_graph(operation):
            nested = {key: value for key, value in arguments.items() if key == "training"}
            return _run_inlined(_functional(operation), args[0], visit, nested)
        return visit(operation, args, arguments)

    return run_through_graph(model, inputs, call)


def _accepted(operation, context):
    if not context:
        return {}
    parameters = inspect.signature(operation.call).parameters
    return {key: value for key, value in context.items() if key in parameters}


def _functional(model):
    if not has_graph(model) or not model.built:
        raise ValueError(
            "A graph of layers is needed: a Functional model, or a Sequential one with an input "
            f"shape. Received: model={model!r} of {type(model)}, built={model.built}"
        )
    if isinstance(model, keras.Sequential):
        return keras.Model(model.inputs[0], model.outputs[0])
    return keras.Model(model.input, model.output)
