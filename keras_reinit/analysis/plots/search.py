"""Pictures of a search for hyperparameters."""

import math

import matplotlib
from matplotlib import ticker

from keras_reinit.analysis.plots.style import grid, literal, look

_BELOW = -0.14  # where a line crosses the axis of a value that its trial does not have
_SHADES = matplotlib.colormaps["viridis"]


def parallel_coordinates(rows, names, title, score="score", higher_is_better=True):
    """One line a trial across one axis for each hyperparameter, to its score on the right.

    The better a trial, the darker its line, and the better ones lie on top; the best is thick. A
    value that a trial does not have is crossed at "-", below the axis. An axis is logarithmic where
    its values are positive and span more than a factor of 30; hyperparameters that no trial has are
    left out, so are trials without a score.

    Args:
        rows: list of dicts {name: number, str or None}, as `keras_reinit.tuner.trials` gives them.
        names: the hyperparameters, from left to right.
        title: one or two lines.
        score: name of the score.
        higher_is_better: whether a higher score is a better one.

    Returns:
        A `matplotlib.figure.Figure`.

    Raises:
        ValueError: if no trial has a score.

    Example:
        >>> rows = [{"method": "BL", "shrink": None, "score": 0.8},
        ...         {"method": "S&P", "shrink": 0.4, "score": 0.9}]
        >>> parallel_coordinates(rows, ["method", "shrink"], "digits")
    """
    scored = [row for row in rows if row.get(score) is not None]
    rows = sorted(scored, key=lambda row: row[score], reverse=higher_is_better)
    rows.reverse()  # the best is drawn last; of several the one that was given first
    shown = [name for name in names if any(row.get(name) is not None for row in rows)]
    with look():
        figure, (axes,) = grid([title] * bool(rows), size=(1.05 * len(shown) + 1.4, 3.4))
        axes.axis("off")
        scales = []
        for place, name in enumerate([*shown, score]):
            scale = _scale([row[name] for row in rows if row.get(name) is not None])
            scales.append(scale)
            _vertical(axes, place, name, scale, any(row.get(name) is None for row in rows))
        for number, row in enumerate(rows):
            values = [row.get(name) for name in [*shown, score]]
            best = number == len(rows) - 1
            axes.plot(
                range(len(values)),
                [
                    _BELOW if value is None else position(value)
                    for value, (position, _) in zip(values, scales, strict=True)
                ],
                color=_SHADES(0.9 * (1 - number / max(1, len(rows) - 1))),
                linewidth=2.4 if best else 1.0,
                marker="o",
                markersize=4 if best else 2.5,
                zorder=3 + number,
                clip_on=False,
            )
        axes.set(xlim=(-0.3, len(shown) + 0.45), ylim=(_BELOW - 0.14, 1.04))
    return figure


def _vertical(axes, place, name, scale, lacking):
    position, ticks = scale
    axes.plot([place, place], [0, 1], color="0.6", linewidth=0.8, zorder=1)
    marks = [(position(value), text) for value, text in ticks]
    for height, text in [*marks, *[(_BELOW, "-")] * lacking]:
        axes.plot([place - 0.03, place], [height] * 2, color="0.6", linewidth=0.8, zorder=1)
        axes.annotate(
            literal(text),
            (place, height),
            (-5, 0),
            textcoords="offset points",
            ha="right",
            va="center",
            fontsize=7,
            zorder=1000,
            bbox={"facecolor": "white", "edgecolor": "none", "pad": 0.6, "alpha": 0.8},
        )
    axes.annotate(
        literal(name.replace("_", "\n")), (place, _BELOW - 0.04), ha="center", va="top", fontsize=8
    )


def _scale(values):
    """(position of a value in [0, 1], list of (value, text) to be marked)."""
    if any(isinstance(value, str) for value in values):
        names = sorted(set(values))
        return lambda value: _share(names.index(value), 0, len(names) - 1), [(n, n) for n in names]
    low, high = min(values), max(values)
    if low > 0 and high / low > 30:
        ticks = _within(ticker.LogLocator(numticks=6), low, high)
        return (
            lambda value: _share(math.log(value), math.log(low), math.log(high)),
            [(tick, f"{tick:.0e}".replace("e-0", "e-")) for tick in ticks],
        )
    whole = all(isinstance(value, int) for value in values)
    ticks = _within(ticker.MaxNLocator(nbins=5, integer=whole), low, high)
    return lambda value: _share(value, low, high), [(tick, f"{tick:g}") for tick in ticks]


def _within(locator, low, high):
    return [tick for tick in locator.tick_values(low, high) if low <= tick <= high] or [low]


def _share(value, low, high):
    return 0.5 if high == low else (value - low) / (high - low)
