"""The one table of methods: letters, class, look in pictures, ranges for tuning, card."""

import difflib
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, NamedTuple

from keras_reinit.methods.full_reset import FullReset
from keras_reinit.methods.fully_connected import FullyConnected
from keras_reinit.methods.later_layers import LaterLayers
from keras_reinit.methods.layerwise import Layerwise
from keras_reinit.methods.method import Method
from keras_reinit.methods.plain_training import Continue
from keras_reinit.methods.shrink_perturb import ShrinkPerturb
from keras_reinit.methods.subset import FixedSubset, Magnitude, RandomSubset


class Range(NamedTuple):
    """What a parameter is tuned over.

    Attributes:
        low: least value; ints for an int.
        high: largest value.
        log: whether by its logarithm.
    """

    low: float
    high: float
    log: bool = False


class Look(NamedTuple):
    """How a method is drawn; each of the four alone tells it from the others.

    Attributes:
        color: of Okabe and Ito's palette, or a grey.
        line: a line style of matplotlib.
        marker: a marker of matplotlib.
        hatch: a hatch of matplotlib.
    """

    color: str
    line: Any
    marker: str
    hatch: str


class Row(NamedTuple):
    """What is known of a method.

    Attributes:
        kind: its class.
        look: in pictures.
        ranges: {parameter: `Range`} of what is worth tuning, without rounds.
        card: name of its page in docs/methods.
        callback: name of the callback of its own in `keras_reinit.callbacks`; None where
            `Reinit(method, ...)` is all there is.
        rounds: whether its number of rounds is free; else it follows from the network's blocks.
        papers: of those that this project reproduces, the ones that compare it, as first author and
            year.
    """

    kind: type[Method]
    look: Look
    ranges: Mapping[str, Range] = MappingProxyType({})
    card: str | None = None
    callback: str | None = None
    rounds: bool = True
    papers: tuple[str, ...] = ()


_FRACTION = {"fraction": Range(0.05, 0.5)}
_LW_PAPER = ("alabdulmohsin2021", "zaidi2022")

METHODS = {
    "BL": Row(Continue, Look("#000000", (0, (5, 2)), "P", ""), rounds=False, papers=_LW_PAPER),
    "WELSR": Row(
        RandomSubset,
        Look("#E69F00", "-.", "^", "\\\\"),
        _FRACTION,
        "random_subset_reinit",
        "RandomSubsetReinit",
        papers=_LW_PAPER,
    ),
    "DSD": Row(
        Magnitude,
        Look("#999999", ":", "x", ".."),
        _FRACTION,
        "magnitude_reinit",
        "MagnitudeReinit",
        papers=_LW_PAPER,
    ),
    "WELS": Row(
        FixedSubset,
        Look("#F0C040", (0, (3, 1, 1, 1, 1, 1)), "D", "--"),
        _FRACTION,
        "fixed_subset_reinit",
        "FixedSubsetReinit",
        papers=_LW_PAPER,
    ),
    "FC": Row(
        FullyConnected,
        Look("#56B4E9", (0, (6, 1, 1, 1)), "v", "//"),
        {},
        "fully_connected_reinit",
        "FullyConnectedReinit",
        papers=_LW_PAPER,
    ),
    "LW": Row(
        Layerwise,
        Look("#D55E00", "-", "o", "xx"),
        {"iterations": Range(1, 3)},
        "layerwise_reinit",
        "LayerwiseReinit",
        rounds=False,
        papers=_LW_PAPER,
    ),
    "S&P": Row(
        ShrinkPerturb,
        Look("#0072B2", (0, (2, 1)), "s", "||"),
        {"shrink": Range(0.1, 0.9), "perturb": Range(0.01, 0.5, log=True)},
        "shrink_perturb",
        "ShrinkPerturb",
        papers=("ash2020", "zaidi2022"),
    ),
    "LLF": Row(LaterLayers, Look("#009E73", (0, (4, 1)), "<", "++"), {}, "later_layers"),
    "reset": Row(FullReset, Look("#CC79A7", (0, (1, 1)), "*", "oo"), {}, "full_reset"),
}


def of_paper(paper):
    """The letters of the methods that a paper compares, in the order of the table.

    Args:
        paper: first author and year, such as "zaidi2022".

    Returns:
        A tuple of strings.
    """
    return tuple(identifier for identifier, known in METHODS.items() if paper in known.papers)


def row(identifier):
    """The row of a method by the letters that papers use.

    Args:
        identifier: a key of `METHODS`.

    Returns:
        A `Row`.

    Raises:
        ValueError: if no method has these letters; the message names the nearest that does.
    """
    if not isinstance(identifier, str) or identifier not in METHODS:
        upper = {name.upper(): name for name in METHODS}
        near = difflib.get_close_matches(str(identifier).upper(), upper, n=1, cutoff=0.0)
        raise ValueError(
            f"No method has these letters. Received: identifier={identifier!r}. Did you mean "
            f"{upper[near[0]]!r}? Expected one of {list(METHODS)}"
        )
    return METHODS[identifier]


def get(identifier, **arguments):
    """A method by the letters that papers use.

    Args:
        identifier: a key of `keras_reinit.methods.METHODS`, such as "LW" or "S&P".
        **arguments: as the method's class takes them.

    Returns:
        A method.

    Raises:
        ValueError: if no method has these letters; the message names the nearest that does.

    Example:
        >>> get("S&P", shrink=0.6)
        ShrinkPerturb(shrink=0.6, perturb=0.1, noise='fresh', where=None)
    """
    return row(identifier).kind(**arguments)
