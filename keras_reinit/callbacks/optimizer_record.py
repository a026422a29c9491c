"""What a backup says of the optimizers of a training, and what a resumed one has to have again."""

import json
import types
import warnings

from keras_reinit import keras_private
from keras_reinit.weights.model_optimizers import learning_rates_of, optimizers

_BEGAN = "_keras_reinit_optimizers"


def at_beginning(model, anew=False):
    """The class, configuration and learning rate of each optimizer as training begins.

    Where an earlier `fit` of the same optimizers broke off, the rates are those that it began with:
    a scheduler may have left others.

    Args:
        model: the model in `fit`.
        anew: take the rates that the optimizers have now in any case.

    Returns:
        A list of dicts, for JSON.
    """
    found, records = optimizers(model), _records(model)
    before = getattr(model, _BEGAN, None)
    if before is not None and not anew and [*map(id, before.optimizers)] == [*map(id, found)]:
        records = before.records
    # Not a part of the model that Keras would track, or save.
    began = types.SimpleNamespace(optimizers=found, records=records)
    object.__setattr__(model, _BEGAN, began)
    return records


def forget(model):
    """Forget how training began: it is over."""
    vars(model).pop(_BEGAN, None)


def _records(model):
    found = optimizers(model)
    rates = json.loads(json.dumps(learning_rates_of(found)))
    return [
        {"class": type(optimizer).__name__, **_configuration(optimizer), "rate": rate}
        for optimizer, rate in zip(found, rates, strict=True)
    ]


def _configuration(optimizer):
    try:
        with warnings.catch_warnings(), keras_private.without_tensorflow():
            warnings.simplefilter("ignore")  # a rate that is a lambda warns of being serialised
            config = optimizer.get_config()
    except NotImplementedError:  # an optimizer of the user's own
        config = {}
    schedules = []
    kept = json.dumps(_without_rates(config, schedules), sort_keys=True, default=repr)
    return {"config": kept, "schedule": json.dumps(schedules, sort_keys=True, default=repr)}


def _without_rates(node, schedules):
    """A config without names and learning rates, the schedules among which go into a list."""
    if isinstance(node, dict):
        if isinstance(node.get("learning_rate"), dict):
            schedules.append(node["learning_rate"])
        return {
            key: _without_rates(value, schedules)
            for key, value in node.items()
            if key not in ("learning_rate", "name")
        }
    return [_without_rates(each, schedules) for each in node] if isinstance(node, list) else node


def check_same(recorded, own, rates=True):
    """Refuse to resume a training with other optimizers than it had.

    Args:
        recorded: what `record` gave at its beginning.
        own: what it gives now, before anything is loaded.
        rates: whether learning rates have to be the same, too.

    Raises:
        ValueError: if not.
    """
    if len(recorded) != len(own):
        raise ValueError(
            "The backup is that of a training with another number of optimizers. Received: "
            f"{[each['class'] for each in own]}. Expected: {[each['class'] for each in recorded]}"
        )
    keys = ("class", "config", "schedule", "rate") if rates else ("class", "config")
    for number, (before, now) in enumerate(zip(recorded, own, strict=True)):
        different = next((key for key in keys if before[key] != now[key]), None)
        if different is not None:
            remedy = (
                "Compile with the same, or use another directory"
                if different in ("class", "config")
                else "Compile with the same, or go on with the new one by "
                "keras_reinit.callbacks.Backup(..., new_learning_rate=True)"
            )
            what = "learning rate" if different in ("schedule", "rate") else "optimizer"
            raise ValueError(
                f"The backup is that of a training with another {what}. Received: "
                f"{_words(now, different)} as optimizer {number}. Expected: "
                f"{_words(before, different)}. {remedy}"
            )


def _words(entry, key):
    return entry[key] if key == "class" else f"{entry['class']} with {key} {entry[key]}"


def built_for(model):
    """The positions in `model.weights` of what each optimizer trains; None for one not built yet.

    Raises:
        ValueError: if an optimizer trains what is no weight of the model.
    """
    places = {id(weight): place for place, weight in enumerate(model.weights)}
    found: list = []
    for optimizer in optimizers(model):
        if not optimizer.built:
            found.append(None)
            continue
        variables = keras_private.trained_variables(optimizer)
        if not all(id(variable) in places for variable in variables):
            raise ValueError(
                f"Optimizer '{optimizer.name}' trains variables that are no weights of model "
                f"'{model.name}', and cannot be written into a backup"
            )
        found.append([places[id(variable)] for variable in variables])
    return found


def build(model, places):
    """Build the optimizers that were built, for the same weights: what is not built is not loaded.

    Args:
        model: the model in `fit`.
        places: what `built_for` gave.

    Raises:
        ValueError: if an optimizer was built for other weights.
    """
    for optimizer, own, now in zip(optimizers(model), places, built_for(model), strict=True):
        if own is not None and now is None:
            optimizer.build([model.weights[place] for place in own])
        elif own != now:
            raise ValueError(
                f"The backup is that of a training whose optimizer '{optimizer.name}' trained "
                f"{own and len(own)} weights, in their order. Received: one that is built for "
                f"{now and len(now)}. Build it for the same, or leave it to the backup"
            )


def check_built(model, places):
    """Refuse a file of Keras's own backup, of whose optimizers one was not built and so not loaded.

    Raises:
        ValueError: if so.
    """
    for optimizer, own in zip(optimizers(model), places, strict=True):
        if own is not None and not optimizer.built:
            raise ValueError(
                f"Optimizer '{optimizer.name}' was not restored: Keras's BackupAndRestore builds "
                "the optimizer of `compile` alone before it loads. Use "
                "keras_reinit.callbacks.Backup, or build this one before `fit`"
            )
