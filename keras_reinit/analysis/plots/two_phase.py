"""Pictures of networks that are trained on some of the data, and then on all of it."""

import statistics

import numpy as np

from keras_reinit.analysis.plots.style import LOOKS, grid, label, legend, look, styles

_ENDS = {"random": LOOKS["BL"], "warm": LOOKS["LW"]}


def lines(panels, x, y, log=False):
    """Means over runs, with deviations as bands.

    Args:
        panels: dict {title: {start: {x: list of values}}}, one value a run; a start is "random",
            "warm" or any other name.
        x: what the x axis is.
        y: what the values are.
        log: whether the x axis is logarithmic.

    Returns:
        A `matplotlib.figure.Figure`.

    Example:
        >>> lines({"cifar10": {"warm": {0.5: [51.7, 52.0], 0.9: [54.0]}}}, "share", "accuracy [%]")

    Reference:
        Ash & Adams 2020, Figures 1, 4, 9 and 10.
    """
    with look():
        figure, cells = grid(list(panels), size=(2.9, 2.4), columns=3)
        looks = _looks(panels)
        for axes, starts in zip(cells, panels.values(), strict=True):
            for start in (name for name in looks if name in starts):
                _line(axes, starts[start], looks[start], start)
            if log:
                axes.set_xscale("log")
        label(figure, cells, x, y)
        legend(figure, cells)
    return figure


def clouds(panels, x, y):
    """One point a run.

    Args:
        panels: dict {title: {start: list of (x, y)}}.
        x: what the x axis is.
        y: what the y axis is.

    Returns:
        A `matplotlib.figure.Figure`.

    Example:
        >>> clouds({"cifar10": {"warm": [(12.5, 51.7)]}}, "seconds", "accuracy [%]")

    Reference:
        Ash & Adams 2020, Figures 3, 11 and 33.
    """
    with look():
        figure, cells = grid(list(panels), size=(2.9, 2.6), columns=3)
        looks = _looks(panels)
        for axes, starts in zip(cells, panels.values(), strict=True):
            for start, points in starts.items():
                axes.scatter(
                    [first for first, _ in points],
                    [second for _, second in points],
                    s=16,
                    marker=looks[start].marker,
                    facecolor=looks[start].color,
                    edgecolor="black",
                    linewidth=0.3,
                    alpha=0.75,
                    label=start,
                )
        label(figure, cells, x, y)
        legend(figure, cells, handletextpad=0.1)
    return figure


def _line(axes, values, style, name):
    means = np.array([statistics.fmean(runs) for runs in values.values()])
    spread = np.array([statistics.stdev(v) if len(v) > 1 else 0 for v in values.values()])
    axes.plot(
        list(values),
        means,
        color=style.color,
        linestyle=style.line,
        marker=style.marker,
        markevery=max(1, len(means) // 10),
        label=name,
    )
    axes.fill_between(
        list(values), means - spread, means + spread, color=style.color, alpha=0.18, linewidth=0
    )


def _looks(panels):
    """A style for each name: that of the two ends, or one of the others."""
    names = list(dict.fromkeys(name for panel in panels.values() for name in panel))
    others = styles([name for name in names if name not in _ENDS])
    return {name: _ENDS.get(name) or others[name] for name in names}
