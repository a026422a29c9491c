"""Where a network's blocks end: every cut leaves exactly one open tensor."""

import re
from typing import Any, NamedTuple

import keras

from keras_reinit.structure.graph import Call, Graph
from keras_reinit.structure.layers import (
    ACTIVATIONS,
    CONVOLUTIONS,
    DEPTHWISE,
    NORMALIZATIONS,
    is_convolutional,
    is_made_of_convolutions,
    unwrapped,
)

_HEAD_ACTIVATIONS = ("linear", "softmax", "sigmoid", "log_softmax")


class Cut(NamedTuple):
    """A block, before its normalisation exists."""

    name: str
    layers: tuple[str, ...]  # names of the layers that belong to it
    call: int  # the call whose output is the block's output


class _Step(NamedTuple):
    """What lies between two neighbouring tensors that each carry everything."""

    calls: tuple[int, ...]
    end: int  # index of the call that makes the tensor at its end


def find(graph: Graph, blocks: Any = "auto") -> list[Cut]:
    """The blocks of a graph, from input to output.

    Args:
        graph: what `keras_reinit.structure.graph.trace` returns.
        blocks: "auto"; or a list, one entry a block, each a regular expression over layer names or
            a list of layer names.

    Returns:
        A list of `Cut`, at least one.

    Raises:
        ValueError: if no block is found, a name or pattern matches nothing, blocks overlap or come
            out of order, weighted layers below a cut belong to no block, or a cut leaves more than
            one open tensor.
    """
    below = _ancestors(graph)
    if isinstance(blocks, str) and blocks == "auto":
        return _cuts(graph, below, _automatic_ends(graph, below))
    if not isinstance(blocks, list | tuple) or not blocks:
        raise ValueError(
            "`blocks` is 'auto' or a list with one pattern, or one list of layer names, a block. "
            f"Received: blocks={blocks!r}"
        )
    return _cuts(graph, below, _listed_ends(graph, below, blocks))


def channel_axis(graph, cut, rank):
    """The axis of the channels of a block's output: 1 where its layers keep channels first.

    Args:
        graph: `Graph`.
        cut: one of its blocks.
        rank: number of axes of the output.

    Returns:
        1 or -1.
    """
    below = _ancestors(graph)[cut.call]
    layers = [unwrapped(graph.calls[i].operation) for i in sorted(below)]
    formats = [layer.data_format for layer in layers if hasattr(layer, "data_format")]
    return 1 if formats and formats[-1] == "channels_first" and rank > 2 else -1


def _ancestors(graph):
    """For each call, the set of the calls that its output depends on, itself included."""
    maker = {tensor: i for i, call in enumerate(graph.calls) for tensor in call.outputs}
    below: list[set[int]] = []
    for i, call in enumerate(graph.calls):
        makers = (maker[tensor] for tensor in call.inputs if tensor in maker)
        below.append({i}.union(*(below[j] for j in makers)))
    return below


def _open_tensors(graph, below, inside, end):
    """Tensors that something after a cut needs and nothing after it makes.

    A head on a tensor below the cut (of several outputs each may have its own) passes by the cut.
    """
    outside = [i for i in range(len(graph.calls)) if i not in inside]
    after = [i for i in outside if end in below[i]]
    beside = [i for i in outside if end not in below[i]]
    has_heads = len(graph.outputs) > 1 and bool(beside)
    if has_heads and _continues(graph, after) and _are_heads(graph, below, beside):
        outside = after
    known = {tensor for i in outside for tensor in graph.calls[i].outputs}
    needed = {tensor for i in outside for tensor in graph.calls[i].inputs}
    return (needed - known) | (set(graph.outputs) & set(graph.calls[end].outputs))


def _continues(graph, after):
    """Whether some of these calls are those of hidden layers or heads with weights."""
    return any(_is_hidden_layer(unwrapped(graph.calls[i].operation)) for i in after)


def _are_heads(graph, below, beside):
    """Whether of some calls no layer with weights leads to another."""
    weighted = [i for i in beside if _continues(graph, [i])]
    return not any(i != j and i in below[j] for i in weighted for j in weighted)


def _carries_everything(graph, below, i):
    return _open_tensors(graph, below, below[i], i) == set(graph.calls[i].outputs) and (
        len(graph.calls[i].outputs) == 1
    )


def _cuts(graph, below, ends):
    """Blocks that end with the given calls, once every cut is known to be clean."""
    cuts: list[Cut] = []
    owner: dict[int, int] = {}  # of each weighted layer, by id
    inside: set[int] = set()
    for number, end in enumerate(ends, start=1):
        name = f"block{number}"
        _check_single(graph, below, below[end], name, end)
        own = sorted(below[end] - inside)
        operations = [graph.calls[i].operation for i in own]
        layers = [o.name for o in operations if isinstance(o, keras.layers.Layer)]
        owner |= {id(o): number for o in operations if id(o) not in owner}
        cuts.append(Cut(name, tuple(dict.fromkeys(layers)), end))
        inside = below[end]
    for i, call in enumerate(graph.calls):
        of_call = next((k for k, end in enumerate(ends, start=1) if i in below[end]), None)
        of_layer = owner.get(id(call.operation))
        if of_layer != of_call and _has_weights(call.operation):
            raise ValueError(
                f"Layer '{_name(call)}' is shared: it is called in block {of_layer} and again "
                "after its end, and cannot be kept and re-initialised at once. Cut so that all "
                "its calls lie in one block"
            )
    return cuts


def _automatic_ends(graph, below):
    steps = _steps(graph, below)
    named = [i for i, call in enumerate(graph.calls) if re.fullmatch(r"block\d+_out", _name(call))]
    if named:
        ends = sorted(named, key=lambda i: len(below[i]))
    elif any(isinstance(unwrapped(call.operation), CONVOLUTIONS) for call in graph.calls):
        ends = _convolutional_ends(graph, steps)
    else:
        ends = _dense_ends(graph, below, steps)
    if not named:
        ends = [end for end in ends if not _splits_a_layer(graph, below[end])]
    if not ends:
        raise ValueError(
            "No block was found: there is no hidden layer whose output alone carries everything. "
            "Received: blocks='auto'. Name the blocks: blocks=[['layer1', 'layer2'], ...]"
        )
    return ends


def _splits_a_layer(graph, inside):
    """Whether a layer with weights is called before a cut and again after it."""
    calls = {True: set(), False: set()}
    for i, call in enumerate(graph.calls):
        if _has_weights(call.operation):
            calls[i in inside].add(id(call.operation))
    return not calls[True].isdisjoint(calls[False])


def _steps(graph, below):
    """Cut a graph at every tensor that carries everything, one after the other."""
    ends = [i for i in range(len(graph.calls)) if _carries_everything(graph, below, i)]
    ends = [i for i in ends if all(i in below[j] or j in below[i] for j in ends)]
    steps, inside = [], set()
    for end in sorted(ends, key=lambda i: len(below[i])):
        steps.append(_Step(tuple(sorted(below[end] - inside)), end))
        inside = below[end]
    return steps


def _convolutional_ends(graph, steps):
    """Ends of convolutional units; depthwise + pointwise are one, so is a residual block."""
    units: list[list[_Step]] = []
    growing = False  # whether the unit may still take a normalisation, activation, or pointwise
    residual = []
    for step in steps:
        operations = [unwrapped(graph.calls[i].operation) for i in step.calls]
        if any(map(is_convolutional, operations)):
            pointwise = growing and len(step.calls) == 1 and _is_depthwise(graph, units[-1])
            if pointwise and not isinstance(operations[0], DEPTHWISE):
                units[-1].append(step)
            else:
                units.append([step])
                residual.append(len(step.calls) > 1)
            growing = True
        elif growing and len(operations) == 1 and _completes(operations[0]):
            units[-1].append(step)
        else:
            growing = False
    if units and _is_head(graph, units[-1]):
        units, residual = units[:-1], residual[:-1]
    if any(residual):  # the stem of a residual network belongs to its first block
        units = units[residual.index(True) :]
    return [unit[-1].end for unit in units]


def _is_depthwise(graph, unit):
    operations = [unwrapped(graph.calls[i].operation) for step in unit for i in step.calls]
    convolutions = [o for o in operations if isinstance(o, CONVOLUTIONS)]
    return len(convolutions) == 1 and isinstance(convolutions[0], DEPTHWISE)


def _is_head(graph, unit):
    """Whether a last convolutional unit gives the scores: no normalisation, no activation."""
    operations = [unwrapped(graph.calls[i].operation) for step in unit for i in step.calls]
    return not any(map(_shapes_features, operations))


def _shapes_features(operation):
    """Whether an operation normalises, or applies an activation that hidden layers have."""
    if isinstance(operation, NORMALIZATIONS) or is_made_of_convolutions(operation):
        return True
    activation = getattr(operation, "activation", None)
    if activation is None:
        return _completes(operation)
    return getattr(activation, "__name__", "custom") not in _HEAD_ACTIVATIONS


def _completes(operation):
    """Whether an operation belongs to the unit before it: a normalisation or an activation."""
    is_layer = isinstance(operation, keras.layers.Layer)
    if not is_layer:  # a raw operation such as `keras.ops.relu`
        return hasattr(keras.activations, _snake_case(type(operation).__name__))
    return isinstance(operation, (*NORMALIZATIONS, *ACTIVATIONS)) and not isinstance(
        operation, keras.layers.Softmax
    )


def _snake_case(name):
    return re.sub(r"(?<=[a-z])(?=[A-Z])", "_", name).lower()


def _dense_ends(graph, below, steps):
    """Ends of hidden layers with weights; the last one is the head, unless heads come after it."""
    units: list[_Step] = []
    growing = False
    for step in steps:
        operations = [unwrapped(graph.calls[i].operation) for i in step.calls]
        if any(map(_is_hidden_layer, operations)):
            units.append(step)
            growing = True
        elif growing and len(operations) == 1 and _completes(operations[0]):
            units[-1] = step
        else:
            growing = False
    if units and not _continues(graph, set(range(len(graph.calls))) - below[units[-1].end]):
        units = units[:-1]
    return [unit.end for unit in units]


def _has_weights(operation):
    return isinstance(operation, keras.layers.Layer) and bool(operation.trainable_weights)


def _is_hidden_layer(operation):
    return _has_weights(operation) and not isinstance(operation, NORMALIZATIONS)


def _listed_ends(graph, below, blocks):
    layers = list(dict.fromkeys(map(_name, graph.calls)))
    owner: dict[str, int] = {}
    for number, block in enumerate(blocks, start=1):
        for name in _chosen(layers, block):
            if name in owner:
                raise ValueError(
                    f"Blocks overlap: layer '{name}' is in block {owner[name]} and in block "
                    f"{number}. Received: blocks={blocks!r}"
                )
            owner[name] = number
    ends, before = [], set()
    for number in range(1, len(blocks) + 1):
        own = [i for i, call in enumerate(graph.calls) if owner.get(_name(call)) == number]
        end = max(own, key=lambda i: len(below[i]))
        inside = before.union(*(below[i] for i in own))
        _check_single(graph, below, inside, f"block{number}", end)
        _check_coverage(graph, own, before, inside, owner, number)
        ends.append(end)
        before = inside
    return ends


def _chosen(layers, block):
    if isinstance(block, str):
        try:
            chosen = [name for name in layers if re.fullmatch(block, name)]
        except re.error as error:
            raise ValueError(
                f"A block's pattern is no regular expression. Received: {block!r} ({error})"
            ) from error
    elif isinstance(block, list | tuple):
        chosen = list(block)
    else:
        raise ValueError(f"A block is a pattern or a list of layer names. Received: {block!r}")
    missing = [name for name in chosen if name not in layers]
    if not chosen or missing:
        raise ValueError(
            f"A block names layers that are not there. Received: {block!r}. Layers: {layers}"
        )
    return chosen


def _check_coverage(graph, own, before, inside, owner, number):
    """Blocks in order from input to output, and every weighted layer below a cut in one."""
    below = [call for i, call in enumerate(graph.calls) if i in inside]
    stray = [graph.calls[i] for i in own if i in before]
    later = [call for call in below if owner.get(_name(call), number) > number]
    if stray or later:
        names = sorted({_name(call) for call in [*stray, *later]})
        raise ValueError(
            "Blocks go from input to output, one after the other. Block "
            f"{number} does not: layers out of order are {names}"
        )
    uncovered = {_name(call) for call in below if _has_weights(call.operation)} - set(owner)
    if uncovered:
        raise ValueError(
            f"Layers with weights lie below the end of block {number} but in no block: "
            f"{sorted(uncovered)}. Add them to a block"
        )


def _check_single(graph, below, inside, name, end):
    open_tensors = _open_tensors(graph, below, inside, end)
    if open_tensors != set(graph.calls[end].outputs) or len(open_tensors) != 1:
        makers = {t: _name(call) for call in graph.calls for t in call.outputs}
        sources = sorted(makers.get(tensor, "an input of the model") for tensor in open_tensors)
        raise ValueError(
            f"Block '{name}' cannot end after '{_name(graph.calls[end])}': a cut there leaves "
            f"{len(open_tensors)} open tensors (from {sources}), and one alone can be normalised. "
            "Cut where the branches have met, such as after the addition of a residual block"
        )


def _name(call: Call) -> str:
    return call.operation.name
