"""The stages, blocks and shortcuts of a residual network, read from its graph."""

from typing import Any, NamedTuple

import keras

from keras_reinit.layers import WeightNormalization
from keras_reinit.structure.graph import trace
from keras_reinit.structure.layers import NORMALIZATIONS

_LINEAR = (None, "linear")
_NOT_WEIGHTED = (*NORMALIZATIONS, keras.layers.Embedding, keras.layers.PReLU)


class ResidualBlock(NamedTuple):
    """A residual block: `h -> shortcut(h) + F(h)`.

    Attributes:
        layers: the weight-normalised layers of `F`, from input to output, a tuple.
        shortcut: the weight-normalised layer of the shortcut, or None where it has none.
    """

    layers: tuple[Any, ...]
    shortcut: Any


class Structure:
    """What a Functional model is made of, as far as the gains of its layers need it.

    Args:
        model: a built Functional or Sequential `keras.Model`.

    Attributes:
        calls: list of `keras_reinit.structure.graph.Call`.
        stages: tuple of tuples of `ResidualBlock`, from input to output.
        stem: the weight-normalised layers before the first block, those nearest to it first.

    Raises:
        ValueError: if the model has no graph, or branches meet that are no residual block.
    """

    def __init__(self, model):
        graph = trace(model)
        self.calls = graph.calls
        self._maker = {tensor: i for i, call in enumerate(self.calls) for tensor in call.outputs}
        self._users: dict[int, list[int]] = {}
        for i, call in enumerate(self.calls):
            for tensor in set(call.inputs):
                self._users.setdefault(tensor, []).append(i)
        self._below_weights = self._tensors_below_weights()
        self.stages, self.stem = self._residual()

    def activation_after(self, i):
        """The name of the activation that the output of a call goes through, or None.

        Layers without weights (dropout, pooling, reshaping) may lie in between.
        """
        own = activation(self.calls[i].operation)
        while own in _LINEAR:
            users = self._users.get(self.calls[i].outputs[0], [])
            if len(users) != 1 or is_weighted(self.calls[users[0]].operation):
                return None
            i = users[0]
            if len(set(self.calls[i].inputs)) > 1:
                return None
            own = activation(self.calls[i].operation)
        return own

    def is_head(self, i):
        """Whether no layer with weights comes after a call."""
        return not self._below_weights.intersection(self.calls[i].outputs)

    def _tensors_below_weights(self):
        below: set[int] = set()
        for call in reversed(self.calls):
            if is_weighted(call.operation) or below.intersection(call.outputs):
                below.update(call.inputs)
        return below

    def _residual(self):
        stages: list[list[ResidualBlock]] = []
        stem: list[Any] = []
        before = None  # the output of the block before
        for i, call in enumerate(self.calls):
            if len(set(call.inputs)) < 2:
                continue
            start, block, is_identity = self._block(i)
            tensors, between = self._chain(start)
            weighted = self._weighted(between)
            if not stages:
                stem = weighted
            follows = before in tensors and not self._weighted(between[: tensors.index(before)])
            if not (follows and is_identity):
                stages.append([])
            stages[-1].append(block)
            before = call.outputs[0]
        return tuple(map(tuple, stages)), tuple(stem)

    def _block(self, i):
        """The block that an addition closes: the tensor it begins with, itself, is it identity."""
        name, inputs = self.calls[i].operation.name, self.calls[i].inputs
        if not _is_addition(self.calls[i].operation) or len(inputs) != 2:
            raise ValueError(
                f"Branches meet in '{name}', which is not the addition of two tensors. Expected "
                "residual blocks: shortcut(h) + F(h)"
            )
        (left, left_calls), (right, right_calls) = map(self._chain, inputs)
        start = next((tensor for tensor in left if tensor in set(right)), None)
        if start is None:
            raise ValueError(
                f"'{name}' closes no residual block: its two inputs do not come from one tensor by "
                "two plain chains of layers"
            )
        branches = [left_calls[: left.index(start)], right_calls[: right.index(start)]]
        shortcut, residual = sorted(branches, key=lambda calls: len(self._weighted(calls)))
        layers, of_shortcut = self._weighted(residual)[::-1], self._weighted(shortcut)
        if len(of_shortcut) > 1 or len(of_shortcut) == len(layers):
            raise ValueError(
                f"The block that ends in '{name}' has no shortcut that can be told from its "
                f"residual branch. Received: branches with {[layer.name for layer in layers]} and "
                f"{[layer.name for layer in of_shortcut]}. Expected at most one layer with weights "
                "in the shortcut, and more in the other branch"
            )
        block = ResidualBlock(tuple(layers), of_shortcut[0] if of_shortcut else None)
        return start, block, not shortcut

    def _chain(self, tensor):
        """A tensor and those it is made of, one after the other, back to where branches meet.

        Returns:
            (tensors, calls): `calls[k]` makes `tensors[k]` from `tensors[k + 1]`.
        """
        tensors, calls = [tensor], []
        while tensor in self._maker and len(set(self.calls[self._maker[tensor]].inputs)) == 1:
            calls.append(self._maker[tensor])
            tensor = self.calls[calls[-1]].inputs[0]
            tensors.append(tensor)
        return tensors, calls

    def _weighted(self, calls):
        operations = [self.calls[i].operation for i in calls]
        return [operation for operation in operations if is_weighted(operation)]


def is_weighted(operation):
    """Whether a layer maps features to others by weights: no normalisation, no embedding."""
    if isinstance(operation, WeightNormalization):
        return True
    return (
        isinstance(operation, keras.layers.Layer)
        and not isinstance(operation, _NOT_WEIGHTED)
        and any(len(weight.shape) > 1 for weight in operation.weights)
    )


def activation(operation):
    """The name of the activation that a layer or raw operation applies, or None."""
    if isinstance(operation, WeightNormalization):
        operation = operation.layer
    function = getattr(operation, "activation", None)
    if function is not None:
        return getattr(function, "__name__", type(function).__name__)
    if isinstance(operation, keras.layers.ReLU):
        is_plain = not operation.negative_slope and not operation.threshold
        return "relu" if is_plain else "leaky_relu"
    name = type(operation).__name__
    if isinstance(operation, keras.layers.Layer):
        return name if name in ("LeakyReLU", "PReLU", "ELU", "Softmax") else None
    return name.lower() if hasattr(keras.activations, name.lower()) else None


def _is_addition(operation):
    return isinstance(operation, keras.layers.Add) or (
        not isinstance(operation, keras.layers.Layer) and type(operation).__name__ == "Add"
    )


def residual_stages(model):
    """The stages of a residual network, as `keras_reinit.initialize` finds them.

    A block is what an addition closes, `shortcut(h) + F(h)`, with at most one layer with weights in
    the shortcut. A stage begins with a block whose shortcut is not the identity, or after a layer
    with weights that lies between two blocks.

    Args:
        model: a built Functional or Sequential `keras.Model`.

    Returns:
        A tuple of stages from input to output, each a tuple of `ResidualBlock`; empty for a
        network without residual blocks.

    Raises:
        ValueError: if the model has no graph, or branches meet that are no residual block.

    Example:
        >>> [len(stage) for stage in residual_stages(model)]  # the B_k of each stage
        [6, 6, 6]

    Reference:
        Arpit et al. 2019, "Initialization Scheme for Residual Networks".
    """
    return Structure(model).stages
