"""Which variables: every weight of a model under a stable name, chosen by patterns."""

import itertools
import logging
import re
from typing import Any, NamedTuple

import keras

from keras_reinit.keras_private import (
    all_layers,
    makes_weights_when_built,
    own_other_variables,
    own_trainable_variables,
    sublayers,
)

logger = logging.getLogger(__name__)

# How Keras names a variable that its layer does not: by the count of those of the process.
_COUNTED = re.compile(r"^variable_\d+$")


class Weight(NamedTuple):
    """One weight of a model and where it lives."""

    name: str  # "dense/kernel", "encoder/lstm/lstm_cell/bias"
    variable: Any
    layer: keras.layers.Layer  # the innermost layer that owns the variable
    position: int  # among all weights of the model; names the random stream
    statistic: bool  # a moving statistic of a BatchNormalization, not a trained weight

    @property
    def is_kernel(self):
        """Whether this is a weight matrix or filter bank: no bias, scale, offset, or slope."""
        own_name = self.variable.name
        return (
            not self.statistic
            and len(self.variable.shape) >= 2
            and "bias" not in own_name
            and own_name not in ("gamma", "beta", "scale", "alpha")
        )

    @property
    def is_bias(self):
        return not self.statistic and "bias" in self.variable.name


def list_weights(model):
    """List the trainable weights (frozen layers' too) and BatchNormalization statistics.

    Shared layers and variables come once, in the order of `model.layers`, and after these come the
    layers that a model has beside its graph, such as those that `train_step` alone calls. Other
    state (statistics of preprocessing layers, frozen normalisations, the vectors of spectral ones,
    seed generators) is nothing that an initializer makes anew, and is left out.

    Args:
        model: a `keras.Model` whose weights exist, with a `call` of its own or without one.

    Returns:
        A list of `Weight`.

    Raises:
        TypeError: if `model` is not a `keras.Model`.
        ValueError: if a layer of the model has no weights yet.
    """
    if not isinstance(model, keras.Model):
        raise TypeError(f"Expected a keras.Model. Received: model={model!r} ({type(model)})")
    if not model.built:  # nor is one without a `call`, although its weights may exist
        _check_weights_exist(model)
    weights: list[Weight] = []
    _visit(model, (), weights, seen=set(), names=set())
    return weights


def _check_weights_exist(model):
    layers = [layer for layer in all_layers(model) if not isinstance(layer, keras.Model)]
    late = [each.name for each in layers if not each.built and makes_weights_when_built(each)]
    if late or not model.weights:
        raise ValueError(
            f"Model '{model.name}' has no weights yet. Call `model.build(input_shape)`, or call it "
            "on a batch of data, before re-initialising it"
            + (f". Received: {late}" if late else "")
        )


def _visit(layer, path, weights, seen, names):
    if id(layer) in seen:
        return
    seen.add(id(layer))
    children = [*(layer.layers if isinstance(layer, keras.Model) else ()), *sublayers(layer)]
    statistics = (
        own_other_variables(layer) if isinstance(layer, keras.layers.BatchNormalization) else []
    )
    own = [*own_trainable_variables(layer), *statistics]
    of_parts = _of_parts(layer, children) if own else ()
    for variable in own:
        if id(variable) in seen or id(variable) in of_parts:  # a wrapper may hold them, too
            continue
        seen.add(id(variable))
        own_name = _COUNTED.sub("variable", variable.name)
        name = _unused("/".join((*path, own_name)), names)
        names.add(name)
        is_statistic = any(variable is statistic for statistic in statistics)
        weights.append(Weight(name, variable, layer, len(weights), is_statistic))
    for child in children:
        _visit(child, (*path, child.name), weights, seen, names)


def _of_parts(layer, children):
    """The ids of the trainable variables that the layers inside of a layer made."""
    parts = [part for child in children for part in all_layers(child) if part is not layer]
    return {id(variable) for part in parts for variable in own_trainable_variables(part)}


def _unused(name, names):
    """The name, with the first number after it that makes it one of its own."""
    numbered = (f"{name}_{number}" for number in itertools.count(1))
    return next(free for free in itertools.chain([name], numbered) if free not in names)


def select_weights(model, patterns=None):
    """The trainable weights that patterns choose, in the order of the model: see `select`."""
    weights = [weight for weight in list_weights(model) if weight.variable.trainable]
    if not weights:
        raise ValueError(
            f"Model '{model.name}' has no trainable variable. Received: {len(model.weights)} "
            "weights, all frozen. Expected a trainable layer: `layer.trainable = True`"
        )
    if patterns is None:
        return weights
    patterns, chosen = [patterns] if isinstance(patterns, str) else list(patterns), set()
    if not patterns:
        raise ValueError(
            "The list of patterns is empty. Received: []. Expected None for every variable"
        )
    for pattern in patterns:
        try:
            expression = re.compile(pattern)
        except (re.error, TypeError) as error:
            raise ValueError(
                f"A pattern is a regular expression over names. Received: {pattern!r} ({error})"
            ) from error
        hits = {weight.position for weight in weights if _matches(expression, weight)}
        if not hits:
            raise ValueError(
                f"No trainable variable of model '{model.name}' matches. "
                f"Received: pattern={pattern!r}. "
                f"Trainable variables: {[weight.name for weight in weights]}"
            )
        logger.info("pattern %r selects %d variables of '%s'", pattern, len(hits), model.name)
        chosen |= hits
    return [weight for weight in weights if weight.position in chosen]


def _matches(expression, weight):
    parts = weight.name.split("/")
    paths = ["/".join(parts[:length]) for length in range(1, len(parts) + 1)]
    return any(map(expression.fullmatch, [*paths, weight.layer.name]))


def select(model, patterns=None):
    """Choose trainable variables by patterns over their names.

    Args:
        model: a built `keras.Model`.
        patterns: None for every trainable variable, or one regular expression or a list of them.
            A pattern has to match in full a variable's name ("dense/kernel"), the name of a layer
            ("dense") or a path of layers that it lies in ("encoder", "encoder/dense").

    Returns:
        An ordered dict {stable name: variable}.

    Raises:
        ValueError: if a pattern matches no trainable variable, or is no regular expression, or the
            model has no trainable variable at all.

    Example:
        >>> list(select(model, "dense.*/kernel"))
        ['dense/kernel', 'dense_1/kernel']
    """
    return {weight.name: weight.variable for weight in select_weights(model, patterns)}
