"""An optimizer as new, in place: the only file that knows what its slots mean."""

import math
import numbers
import warnings

import keras

from keras_reinit import keras_private


def reset_optimizer(optimizer, learning_rate=None):
    """Put an optimizer back to the state in which it would start to train the current weights.

    `slots <- their initial values, iterations <- 0, averages of weights <- the current weights`

    Momenta and accumulators, a gradient half accumulated, a loss scale and the position in a
    learning-rate schedule are all as new. The learning rate itself is kept. Values are assigned in
    place, one slot at a time: nothing is retraced, and no second set of slots is held.

    Args:
        optimizer: a `keras.optimizers.Optimizer`, also one that wraps others
            (`LossScaleOptimizer`, `MultiOptimizer`). One that is not built yet is as new already.
        learning_rate: None keeps the rate; a finite number >= 0 sets it. For a `MultiOptimizer`,
            a sequence with a number or None for each of `optimizer.optimizers`.

    Raises:
        TypeError: if `optimizer` is not a Keras optimizer, or a learning rate is not a number.
        ValueError: if a learning rate is negative or not finite, or is given for an optimizer
            that follows a schedule, or if the optimizer cannot be made anew from its config.
            Nothing has been assigned then.

    Example:
        >>> reset_optimizer(model.optimizer, learning_rate=1e-3)
    """
    leaves = _leaves(optimizer)
    updates = [update for leaf in leaves for update in _initial_values(leaf)]
    updates += _own_state(optimizer)
    updates += _new_rates(optimizer, leaves, learning_rate)
    for variable, new in updates:
        variable.assign(new.value if isinstance(new, _InitialValue) else new)


def learning_rate_of(optimizer):
    """The learning rate as `reset_optimizer` takes it back.

    Args:
        optimizer: a `keras.optimizers.Optimizer`.

    Returns:
        A float; None where a schedule decides; for a `MultiOptimizer` a tuple of these.

    Raises:
        TypeError: if `optimizer` is not a Keras optimizer.

    Example:
        >>> learning_rate_of(keras.optimizers.SGD(0.5))
        0.5
    """
    rates = tuple(
        float(keras_private.learning_rate_state(leaf).numpy()) if _rate_is_settable(leaf) else None
        for leaf in _leaves(optimizer)
    )
    return rates if _is_multiple(optimizer) else rates[0]


def set_learning_rate(optimizer, learning_rate):
    """Set the learning rate and nothing else.

    Args:
        optimizer: a `keras.optimizers.Optimizer`.
        learning_rate: as for `reset_optimizer`.

    Raises:
        TypeError, ValueError: as `reset_optimizer`.

    Example:
        >>> set_learning_rate(model.optimizer, 1e-4)
    """
    for variable, rate in _new_rates(optimizer, _leaves(optimizer), learning_rate):
        variable.assign(rate)


def reset_entries(optimizer, masks):
    """Put back the slots of some entries of the weights, and leave all others bit for bit.

    `slot_i <- its initial value`, `average_i <- w_i` where `mask_i`. The count of steps stays, and
    what an optimizer keeps in another shape than its weight's (Adafactor's sums of rows).

    Args:
        optimizer: a `keras.optimizers.Optimizer`; one that is not built yet has no slots.
        masks: {id(variable): boolean array of its shape} of the entries.

    Raises:
        TypeError, ValueError: as `reset_optimizer`.
    """
    updates = [update for leaf in _leaves(optimizer) for update in _entry_values(leaf, masks)]
    for slot, mask, initial in updates:
        slot.assign(keras.ops.where(mask, initial.value, slot.value))


def reset_steps(optimizer):
    """Put back the count of steps and nothing else: bias corrections and schedules start again.

    `iterations <- 0`, and with it the scalars that count along, such as Nadam's running product.

    Args:
        optimizer: a `keras.optimizers.Optimizer`.

    Raises:
        TypeError, ValueError: as `reset_optimizer`.

    Reference:
        Ellis et al. 2024 (Adam with relative timesteps).
    """
    updates = []
    for leaf in _leaves(optimizer):
        if leaf.built:
            slots, initial = _checked_slots(leaf)
            scalars = [(slot, initial[name]) for name, slot in slots.items() if slot.shape == ()]
            updates += [(slot, value.value) for slot, value in scalars]
            updates.append((keras_private.step_counter(leaf), 0))
    for variable, value in updates:
        variable.assign(value)


def averages_of(optimizer):
    """The averages of weights that an optimizer makes the weights in the end: a list, often empty.

    Args:
        optimizer: a built `keras.optimizers.Optimizer`, or None.
    """
    if optimizer is None:
        return []
    leaves = [leaf for leaf in _leaves(optimizer) if leaf.built and leaf.use_ema]
    return [a for leaf in leaves for a in keras_private.averages(leaf) if a is not None]


def set_weight_decay(optimizer, weight_decay):
    """Set the decoupled weight decay of an optimizer, before its training step is traced.

    `w = w - learning_rate * weight_decay * w`, beside each update

    Args:
        optimizer: a `keras.optimizers.Optimizer`; of one that wraps others, all are set.
        weight_decay: float, at least 0.

    Raises:
        TypeError: if `optimizer` is not a Keras optimizer.

    Example:
        >>> set_weight_decay(model.optimizer, 5e-4)
    """
    for leaf in _leaves(optimizer):
        leaf.weight_decay = weight_decay


def _leaves(optimizer):
    """The optimizers that update weights: itself, or those it wraps, innermost, in order."""
    if not isinstance(optimizer, keras.optimizers.Optimizer):
        raise TypeError(
            "Only a Keras optimizer can be reset. "
            f"Received: optimizer={optimizer!r} of type {type(optimizer).__name__}. "
            "Expected the optimizer of a compiled model"
        )
    if isinstance(optimizer, keras.optimizers.LossScaleOptimizer):
        return _leaves(optimizer.inner_optimizer)
    if isinstance(optimizer, keras.optimizers.MultiOptimizer):
        return list(optimizer.optimizers)
    return [optimizer]


def _is_multiple(optimizer):
    if isinstance(optimizer, keras.optimizers.LossScaleOptimizer):
        return _is_multiple(optimizer.inner_optimizer)
    return isinstance(optimizer, keras.optimizers.MultiOptimizer)


def _own_state(optimizer):
    """(variable, value) for what a wrapping optimizer keeps beside those it wraps."""
    if isinstance(optimizer, keras.optimizers.LossScaleOptimizer):
        yield from _own_state(optimizer.inner_optimizer)
        if optimizer.built:
            yield optimizer.step_counter, 0
            yield optimizer.dynamic_scale, optimizer.initial_scale
    elif isinstance(optimizer, keras.optimizers.MultiOptimizer):
        yield keras_private.step_counter(optimizer), 0


def _initial_values(optimizer):
    """(variable, value) for all that training changes, except the learning rate."""
    if not optimizer.built:
        return []
    slots, initial = _checked_slots(optimizer)
    updates = [(keras_private.step_counter(optimizer), 0)]
    updates += [(slot, initial[name]) for name, slot in slots.items()]
    updates += [(a, _InitialValue.of(weight)) for a, weight in _averages(optimizer)]
    return updates


def _entry_values(optimizer, masks):
    """(slot, mask, initial value) of the slots that have the shape of a weight with a mask."""
    if not optimizer.built or not masks:
        return
    weights = keras_private.trained_variables(optimizer)
    lists = keras_private.own_attributes(optimizer)
    slots, initial = _checked_slots(optimizer)
    averages = {id(average): weight for average, weight in _averages(optimizer)}
    for name, slot in slots.items():
        attribute, _, place = name.rpartition("/")
        aligned = lists.get(attribute)
        if not isinstance(aligned, list | tuple) or len(aligned) != len(weights):
            continue
        weight = weights[int(place)]
        if id(weight) in masks and tuple(slot.shape) == tuple(weight.shape):
            value = averages.get(id(slot), initial[name])
            yield slot, masks[id(weight)], value


def _averages(optimizer):
    """(average, weight) of an optimizer that averages weights."""
    if not optimizer.use_ema:
        return []
    averages = keras_private.averages(optimizer)
    pairs = zip(averages, keras_private.trained_variables(optimizer), strict=True)
    return [(average, weight) for average, weight in pairs if average is not None]


def _checked_slots(optimizer):
    """The slots of an optimizer, and their initial values, by the same names."""
    slots, initial = _slots(optimizer), _slots(_blank(optimizer))
    other = sorted(
        name
        for name in {*slots, *initial}
        if name not in slots or name not in initial or not _alike(slots[name], initial[name])
    )
    if other:
        raise ValueError(
            f"Optimizer '{optimizer.name}' cannot be reset: made anew from its config it has other "
            f"slots. Received: {type(optimizer).__name__} that differs in {other}. Expected "
            "`from_config(get_config())` to build the same slots for the same weights"
        )
    return slots, initial


def _slots(optimizer):
    """Every slot of an optimizer, by the attribute and place where it is kept.

    `optimizer.variables` is not enough: inside a `LossScaleOptimizer`, Keras does not track a
    variable that an optimizer makes by itself, such as the running product of Nadam.
    """
    slots = {}
    for attribute, value in keras_private.own_attributes(optimizer).items():
        for place, part in enumerate(value if isinstance(value, list | tuple) else [value]):
            if isinstance(part, keras.Variable | _InitialValue):
                slots[f"{attribute}/{place}"] = part
    shared = keras_private.step_counter(optimizer), keras_private.learning_rate_state(optimizer)
    known = {id(v) for v in (*slots.values(), *shared)}
    others = (variable for variable in optimizer.variables if id(variable) not in known)
    return slots | {f"variables/{place}": variable for place, variable in enumerate(others)}


def _alike(slot, initial):
    return tuple(slot.shape) == tuple(initial.shape) and slot.dtype == initial.dtype


def _blank(optimizer):
    """The same optimizer, built for the same weights, with initial values in place of its slots."""
    try:
        with warnings.catch_warnings(), keras_private.without_tensorflow():
            # A rate that is a lambda warns of being serialised, and is not needed.
            warnings.simplefilter("ignore")
            config = optimizer.get_config()
        if "learning_rate" in config:
            config = {**config, "learning_rate": 0.0}
        blank = type(optimizer).from_config(config)
    except Exception as error:
        raise ValueError(
            f"Optimizer '{optimizer.name}' cannot be reset: it cannot be made anew from its "
            f"config. Received: {type(optimizer).__name__}, which raised {error!r}. "
            "Expected `from_config(get_config())` to work"
        ) from error

    def add_variable(shape, initializer="zeros", dtype=None, **_):
        slot = _InitialValue(shape, initializer, dtype or keras.config.floatx())
        keras_private.track(blank, slot)
        return slot

    def add_variable_from_reference(reference_variable, name=None, initializer="zeros"):
        del name
        return add_variable(reference_variable.shape, initializer, reference_variable.dtype)

    blank.add_variable = add_variable
    blank.add_variable_from_reference = add_variable_from_reference
    blank.build(keras_private.trained_variables(optimizer))
    return blank


class _InitialValue:
    """Stands for a slot of a blank optimizer and makes its value when asked to."""

    def __init__(self, shape, initializer, dtype):
        self.shape, self.dtype = shape, dtype
        self._initializer = keras.initializers.get(initializer)
        self._assigned = None

    @classmethod
    def of(cls, variable):
        """The value that another variable has when it is asked for."""
        copy = cls(variable.shape, "zeros", variable.dtype)
        copy.assign(variable)
        return copy

    def assign(self, value):
        # ScheduleFreeAdamW starts its average at the weights, by assigning to the new slot.
        self._assigned = value

    @property
    def value(self):
        if self._assigned is not None:
            # A copy: a training step on JAX gives the memory of each variable away.
            return keras.ops.copy(self._assigned)
        return self._initializer(self.shape, dtype=self.dtype)


def _rate_is_settable(optimizer):
    return isinstance(keras_private.learning_rate_state(optimizer), keras.Variable)


def _new_rates(optimizer, leaves, learning_rate):
    """(variable, value) for every learning rate that is to be set."""
    if learning_rate is None:
        return []
    if not _is_multiple(optimizer):
        rates = [learning_rate]
    elif isinstance(learning_rate, numbers.Real) or len(learning_rate) != len(leaves):
        raise ValueError(
            f"'{optimizer.name}' holds {len(leaves)} optimizers with a learning rate each. "
            f"Received: learning_rate={learning_rate}. Expected None or a sequence of {len(leaves)}"
        )
    else:
        rates = learning_rate
    return [
        (keras_private.learning_rate_state(leaf), _checked_rate(leaf, rate))
        for leaf, rate in zip(leaves, rates, strict=True)
        if rate is not None
    ]


def _checked_rate(optimizer, rate):
    if not isinstance(rate, numbers.Real) or isinstance(rate, bool):
        raise TypeError(
            f"A learning rate is a number. Received: learning_rate={rate!r} "
            f"of type {type(rate).__name__}"
        )
    rate = float(rate)
    if not (math.isfinite(rate) and rate >= 0):
        raise ValueError(
            "A learning rate must be finite and not negative. "
            f"Received: learning_rate={rate}. Expected a number in [0, inf)"
        )
    if not _rate_is_settable(optimizer):
        raise ValueError(
            f"The learning rate of optimizer '{optimizer.name}' follows a schedule, which a reset "
            f"restarts, and cannot be set. Received: learning_rate={rate}. Expected None"
        )
    return rate
