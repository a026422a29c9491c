"""The hyperparameters of a search: which method, and the parameters that it has."""

import math
import numbers

from keras_reinit.methods import METHODS, Layerwise, Method
from keras_reinit.methods.table import row

# The parameters of methods, as their table has them; the others are those of every training.
OF_METHODS = {name: of for known in METHODS.values() for name, of in known.ranges.items()}
OF_ALL = ("learning_rate", "weight_decay")
_INTS = ("rounds", *(name for name, of in OF_METHODS.items() if isinstance(of.low, int)))
_LOG = (*OF_ALL, *(name for name, of in OF_METHODS.items() if of.log))


class Space:
    """What a search chooses from.

    Args:
        methods: letters of the papers or values of `keras_reinit.methods`; None for all letters.
        ranges: {name: (low, high), or a number that is not tuned}, of "rounds", "learning_rate",
            "weight_decay", and of those parameters of methods that are not to have the ranges of
            the table.

    Attributes:
        methods: {name among the hyperparameters: letters or method}.
        names: of the hyperparameters that are tuned, a set.
        needs_blocks: whether a method works on the blocks of a `ReinitModel`.

    Raises:
        TypeError: if no method has a parameter of such a name.
        ValueError: if a method or a range is none.
    """

    def __init__(self, methods, ranges):
        self.methods = {
            _name(method): method for method in (METHODS if methods is None else methods)
        }
        self.needs_blocks = any(map(_is_of_blocks, self.methods.values()))
        known = ("rounds", *OF_METHODS, *OF_ALL)
        unknown = sorted(set(ranges) - set(known))
        if unknown:
            raise TypeError(
                f"No method has such a parameter. Received: {unknown}. Expected some of {known}"
            )
        of_methods = {name: (of.low, of.high) for name, of in OF_METHODS.items()}
        values = of_methods | ranges
        self._ranges = {name: values[name] for name in known}
        for name, value in self._ranges.items():
            _check_range(name, value)
        self._tuned = {
            name: [each for each, method in self.methods.items() if _has(method, name)]
            for name, value in self._ranges.items()
            if isinstance(value, tuple | list)
        }
        self.names = {"method", *(name for name, having in self._tuned.items() if having)}

    def declare(self, hp):
        """Declare all hyperparameters, those of a method for that method alone."""
        hp.Choice("method", list(self.methods))
        for name, having in self._tuned.items():
            if name in OF_ALL:
                self._declare(hp, name)
            elif having:
                with hp.conditional_scope("method", having):
                    self._declare(hp, name)

    def _declare(self, hp, name):
        low, high = self._ranges[name]
        if name in _INTS:
            hp.Int(name, low, high)
        else:
            hp.Float(name, low, high, sampling="log" if name in _LOG else "linear")

    def value(self, hp, name):
        """The value of a hyperparameter in a trial, tuned or not."""
        return hp.get(name) if name in self._tuned else self._ranges[name]

    def method(self, hp):
        """The method of a trial."""
        chosen = self.methods[hp.get("method")]
        if isinstance(chosen, Method):
            return chosen
        known = row(chosen)
        return known.kind(**{name: self.value(hp, name) for name in known.ranges})

    def rounds(self, hp):
        """The number of rounds of a trial; None where the method and the network decide."""
        is_free = _has(self.methods[hp.get("method")], "rounds")
        return self.value(hp, "rounds") if is_free else None


def _name(method):
    """How a method is named among the hyperparameters."""
    if isinstance(method, Method):
        return repr(method)
    row(method)  # names the nearest where there is none
    return method


def _has(method, name):
    """Whether a method, by its letters or as a value, has a parameter that may be tuned."""
    if name in OF_ALL:
        return True
    if name == "rounds":
        return not isinstance(method, Layerwise) and (
            isinstance(method, Method) or row(method).rounds
        )
    return not isinstance(method, Method) and name in row(method).ranges


def _is_of_blocks(method):
    """Whether a method works on the blocks of a `ReinitModel`."""
    return issubclass(type(method) if isinstance(method, Method) else row(method).kind, Layerwise)


def _check_range(name, value):
    bounds = list(value) if isinstance(value, tuple | list) else [value]
    if value is None and name in OF_ALL:
        return
    kind = numbers.Integral if name in _INTS else numbers.Real
    valid = all(isinstance(b, kind) and not isinstance(b, bool) for b in bounds) and (
        len(bounds) == 1 or (len(bounds) == 2 and bounds[0] < bounds[1])
    )
    least = 1 if name in _INTS else 0
    most = 1 if name == "fraction" else math.inf
    if valid and name in _LOG and len(bounds) == 2:
        valid = bounds[0] > 0
    if not (valid and all(least <= b <= most and math.isfinite(b) for b in bounds)):
        raise ValueError(
            f"`{name}` is a range. Received: {name}={value!r}. Expected (low, high) or a number, "
            f"{'ints' if name in _INTS else 'finite'}, at least {least}"
            + f", at most {most}" * (name == "fraction")
            + ", low above 0" * (name in _LOG)
        )
