"""Arguments checked where they come in: what is wrong is named; NumPy's scalars become Python's."""

import difflib
import math
import numbers
import re

import ml_dtypes
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


def check_held(name, value, dtype):
    """The value, if a dtype can hold it: it is not infinite there, and zero only if it is zero.

    Args:
        name: of the argument, for the message.
        value: finite number.
        dtype: string, of floating-point numbers.

    Returns:
        The value.

    Raises:
        ValueError: if it cannot.
    """
    info = ml_dtypes.finfo(dtype)
    least, most = float(info.smallest_subnormal), float(info.max)
    if value and not least <= abs(value) <= most:
        raise ValueError(
            f"`{name}` has to be a number that weights of {dtype} can hold: 0, or from {least:.2g} "
            f"to {most:.2g}. Received: {name}={value!r}"
        )
    return value


def check_numbers(name, values, least=-math.inf, most=math.inf):
    """The values as a float64 vector, if they are finite numbers in a range.

    Args:
        name: of the argument, for the message.
        values: what was received: a sequence, or an array.
        least: smallest value allowed.
        most: largest value allowed.

    Returns:
        A NumPy array (n,).

    Raises:
        ValueError: if they are not.
    """
    try:
        vector = np.asarray(values, "float64")
    except (TypeError, ValueError):
        vector = np.array(math.nan)
    if vector.ndim != 1 or not (np.isfinite(vector) & (least <= vector) & (vector <= most)).all():
        limits = "" if (least, most) == (-math.inf, math.inf) else _range(least, most, None, None)
        raise ValueError(
            f"`{name}` must be a vector of finite numbers{limits}. Received: {name}={values!r}"
        )
    return vector


def check_text(name, value):
    """The value, if it is a str that is not empty.

    Raises:
        ValueError: if it is not.
    """
    if not isinstance(value, str) or not value:
        raise ValueError(f"`{name}` must be a str, not empty. Received: {name}={value!r}")
    return value


def check_patterns(name, value):
    """The value, if it can choose variables: None, a regular expression, or a list of some.

    Raises:
        ValueError: if it cannot.
    """
    patterns = value if isinstance(value, list | tuple) else [value]
    if value is not None and not (
        patterns and all(isinstance(pattern, str | re.Pattern) for pattern in patterns)
    ):
        raise ValueError(
            f"`{name}` must be None, a regular expression over names, or a list of some that is "
            f"not empty. Received: {name}={value!r}"
        )
    return value


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
        near = difflib.get_close_matches(str(value), words, n=1)
        hint = f". Did you mean {near[0]!r}?" if near else ""
        raise ValueError(f"`{name}` is one of {choices}. Received: {name}={value!r}{hint}")
    return value
