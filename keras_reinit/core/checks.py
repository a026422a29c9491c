"""Arguments checked where they come in: what is wrong is named; NumPy's scalars become Python's."""

import difflib
import math
import numbers

import numpy as np


def check_int(name, value, least=1):
    """The value as a Python int, if it is an integer of at least `least`.

    Args:
        name: of the argument, for the message.
        value: what was received.
        least: smallest value allowed.

    Returns:
        An int.

    Raises:
        ValueError: if it is not.
    """
    is_integer = isinstance(value, numbers.Integral) and not isinstance(value, bool | np.bool_)
    if not is_integer or value < least:
        raise ValueError(f"`{name}` must be an int, at least {least}. Received: {name}={value!r}")
    return int(value)


def check_number(name, value, least=0.0, most=math.inf, *, above=None, below=None):
    """The value as a Python float or int, if it is a finite number in a range.

    Args:
        name: of the argument, for the message.
        value: what was received.
        least: smallest value allowed.
        most: largest value allowed.
        above: a bound that must be exceeded, in place of `least`; None for none.
        below: a bound that must not be reached, in place of `most`; None for none.

    Returns:
        An int where an integer was given, else a float.

    Raises:
        ValueError: if it is not.
    """
    is_real = isinstance(value, numbers.Real) and not isinstance(value, bool | np.bool_)
    low = least if above is None else above
    high = most if below is None else below
    if (
        not is_real
        or not math.isfinite(value)
        or not low <= value <= high
        or value in (above, below)
    ):
        raise ValueError(
            f"`{name}` must be a finite number{_range(least, most, above, below)}. "
            f"Received: {name}={value!r}"
        )
    return int(value) if isinstance(value, numbers.Integral) else float(value)


def _range(least, most, above, below):
    low = f"above {above:g}" if above is not None else f"at least {least:g}"
    if below is not None:
        return f", {low} and below {below:g}"
    return f", {low}" + (f" and at most {most:g}" if math.isfinite(most) else "")


def check_bool(name, value):
    """The value as a Python bool, if it is one.

    Raises:
        ValueError: if it is not.
    """
    if not isinstance(value, bool | np.bool_):
        raise ValueError(f"`{name}` must be True or False. Received: {name}={value!r}")
    return bool(value)


def check_choice(name, value, choices):
    """The value, if it is one of some; the message names the nearest of them.

    Args:
        name: of the argument, for the message.
        value: what was received.
        choices: what is allowed: strings, and other values such as None.

    Returns:
        The value.

    Raises:
        ValueError: if it is none of them.
    """
    choices = list(choices)
    known = [choice for choice in choices if type(choice) is type(value) and choice == value]
    if not known:
        words = [choice for choice in choices if isinstance(choice, str)]
        near = difflib.get_close_matches(str(value), words, n=1, cutoff=0.6)
        hint = f". Did you mean {near[0]!r}?" if near else ""
        raise ValueError(f"`{name}` is one of {choices}. Received: {name}={value!r}{hint}")
    return value
