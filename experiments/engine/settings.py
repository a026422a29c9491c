"""Settings of an experiment as a dataclass, and the same as command-line options."""

import argparse
import dataclasses
import itertools
import shlex
import sys

from experiments.engine.errors import unknown

_LARGEST = 2**31 - 1  # of whole numbers: seeds and sizes have no more bits everywhere
_METAVARS = {int: "N", float: "X"}


def option(default, help, choices=None, minimum=None, kind=None, below=None):
    """A field of a settings dataclass that is also a command-line option.

    Args:
        default: value where the option is not given; a tuple makes an option of several values.
        help: one line for `--help`.
        choices: the valid values, or None for any.
        minimum: the smallest valid number, or None for any.
        kind: type of the values; None for that of the default.
        below: what a valid number is less than, or None for any.

    Returns:
        A dataclass field.

    Example:
        >>> @dataclasses.dataclass(frozen=True)
        ... class Settings:
        ...     alpha: tuple[float, ...] = option((0.5, 1.0), "signal strengths", minimum=0)
    """
    return dataclasses.field(
        default=default,
        metadata={
            "help": help,
            "choices": choices,
            "minimum": minimum,
            "below": below,
            "kind": kind or type(default[0] if isinstance(default, tuple) else default),
        },
    )


def add_options(parser, settings):
    """Give a parser one option for each field of a settings object.

    Args:
        parser: an `argparse.ArgumentParser`.
        settings: dataclass whose fields are made by `option`; its values are shown as defaults.
    """
    for field in dataclasses.fields(settings):
        value, kind = getattr(settings, field.name), field.metadata["kind"]
        several = isinstance(value, tuple)
        text = field.metadata["help"]
        if kind is bool:
            arguments = {"action": "store_true"}
        else:
            arguments = {"type": _checked(field), "metavar": _METAVARS.get(kind, "NAME")}
            if several:
                arguments["nargs"] = "+"
            if value is not None:
                shown = shlex.join(map(str, value)) if several else value
                text += f" (default: {shown})"
        flag = "--" + field.name.replace("_", "-")
        parser.add_argument(flag, default=None, help=text.replace("%", "%%"), **arguments)


def chosen(settings, arguments):
    """The settings with the options that were given put in.

    Args:
        settings: dataclass whose fields are made by `option`.
        arguments: the `argparse.Namespace` of a parser that `add_options` has seen.

    Returns:
        A dataclass of the same type.
    """
    given = {
        field.name: getattr(arguments, field.name)
        for field in dataclasses.fields(settings)
        if getattr(arguments, field.name) is not None
    }
    several = {name: _each_once(value) for name, value in given.items() if isinstance(value, list)}
    return dataclasses.replace(settings, **given | several)


def restored(settings, values):
    """The settings with values put in that were written as JSON.

    Args:
        settings: dataclass whose fields are made by `option`.
        values: dict {field: JSON value}; what is no field any more is left out.

    Returns:
        A dataclass of the same type.
    """
    known = {field.name for field in dataclasses.fields(settings)}
    given = {
        name: tuple(value) if isinstance(value, list) else value
        for name, value in values.items()
        if name in known
    }
    return dataclasses.replace(settings, **given)


def shared(settings, kind):
    """The values of settings that are also fields of another dataclass, as a dict."""
    fields = {field.name for field in dataclasses.fields(kind)}
    return {name: value for name, value in vars(settings).items() if name in fields}


def combinations(**values):
    """Every combination of values, as dicts; the last name varies fastest.

    Example:
        >>> list(combinations(method=("BL", "LW"), seed=range(1)))
        [{'method': 'BL', 'seed': 0}, {'method': 'LW', 'seed': 0}]
    """
    for cell in itertools.product(*values.values()):
        yield dict(zip(values, cell, strict=True))


def number(kind, minimum):
    """A parser of numbers of at least `minimum`, for `argparse`."""
    return _parser("number", kind, None, minimum, None)


def _each_once(values):
    """Several values as they are stored; a name that is given twice is meant once."""
    return tuple(dict.fromkeys(values) if isinstance(values[0], str) else values)


def _checked(field):
    given = field.metadata
    return _parser(field.name, given["kind"], given["choices"], given["minimum"], given["below"])


def _parser(name, kind, choices, minimum, below):
    def parse(text):
        try:
            value = kind(text)
        except ValueError:
            raise argparse.ArgumentTypeError(
                f"Not a number. Received: '{text}'. Expected {kind.__name__}."
            ) from None
        if choices is not None and value not in choices:
            raise argparse.ArgumentTypeError(unknown(name, text, choices))
        if minimum is not None and not value >= minimum:
            raise argparse.ArgumentTypeError(
                f"Out of range. Received: '{text}'. Expected at least {minimum}."
            )
        if kind is not str and not abs(value) <= (_LARGEST if kind is int else sys.float_info.max):
            raise argparse.ArgumentTypeError(
                f"Out of range. Received: '{text}'. Expected a finite number"
                f"{f' of at most {_LARGEST}' if kind is int else ''}."
            )
        if below is not None and not value < below:
            raise argparse.ArgumentTypeError(
                f"Out of range. Received: '{text}'. Expected less than {below}."
            )
        return value

    return parse
