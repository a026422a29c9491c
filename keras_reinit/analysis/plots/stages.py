"""Pictures of networks that are trained again and again while their data set grows."""

import statistics

import numpy as np
from matplotlib import ticker

from keras_reinit.analysis.plots.style import LOOKS, grid, label, legend, literal, look, styles

# Training from scratch and going on as one is: what every other start lies between.
_ENDS = {"random": LOOKS["BL"], "warm": LOOKS["LW"]}
_KINDS = {"old": LOOKS["S&P"], "new": LOOKS["LW"]}


def stages(panels, x="training examples"):
    """Accuracy and training time after each stage: means, with deviations over runs as bands.

    Args:
        panels: dict {title: {start: {"x": list, "accuracy": runs, "seconds": runs}}}; a start is
            "random", "warm" or any other name, `x` has one value a stage, a run is a list of one
            value a stage; seconds are those of the stage alone.
        x: what `x` is.

    Returns:
        A `matplotlib.figure.Figure`: one row a title, accuracy on the left, time on the right.

    Example:
        >>> stages({"cifar10": {"warm": {"x": [1000, 2000], "accuracy": [[0.3, 0.4]],
        ...                              "seconds": [[2.0, 1.0]]}}})

    Reference:
        Ash & Adams 2020, Figures 2, 7, 12 and 13.
    """
    with look():
        titles = [text for title in panels for text in (title, "")]
        figure, cells = grid(titles, size=(3.1, 2.3), columns=2)
        looks = _looks(panels)
        for row, arms in enumerate(panels.values()):
            accuracy, time = cells[2 * row : 2 * row + 2]
            for arm in (name for name in looks if name in arms):
                curves = arms[arm]
                _band(accuracy, curves["x"], 100 * np.array(curves["accuracy"]), looks[arm], arm)
                _band(time, curves["x"], curves["seconds"], looks[arm], arm)
            accuracy.set_ylabel("accuracy [%]")
            time.set_ylabel("time of a stage [s]")
            time.set_ylim(bottom=0)
            for axes in (accuracy, time):
                _ticks(axes, [at for arm in arms.values() for at in arm["x"]])
        for axes in cells[-2:]:
            axes.set_xlabel(literal(x))
        legend(figure, cells)
    return figure


def heat_maps(panels, x, y, alike=False):
    """Numbers on a grid of two settings, each in its cell and as a shade.

    Args:
        panels: dict {title: {(row, column): value}}; a cell that is missing or None is left blank.
            Rows go from the largest setting down, columns from the largest to the right, as in the
            paper.
        x: what the columns are.
        y: what the rows are.
        alike: whether a shade means the same number in all panels.

    Returns:
        A `matplotlib.figure.Figure`.

    Example:
        >>> heat_maps({"accuracy [%]": {(1.0, 0.0): 63.7, (0.6, 0.1): 76.7}}, "noise", "shrink")

    Reference:
        Ash & Adams 2020, Figure 8.
    """
    rows = sorted({row for cells in panels.values() for row, _ in cells}, reverse=True)
    columns = sorted({column for cells in panels.values() for _, column in cells}, reverse=True)
    drawn = [value for cells in panels.values() for value in cells.values() if value is not None]
    with look():
        size = (max(2.4, 1.1 + 0.5 * len(columns)), 0.95 + 0.36 * len(rows))
        figure, cells = grid(list(panels), size=size, columns=2)
        for axes, values in zip(cells, panels.values(), strict=True):
            shades = np.full((len(rows), len(columns)), np.nan)
            for (row, column), value in values.items():
                if value is not None:
                    shades[rows.index(row), columns.index(column)] = value
            scale = drawn if alike else shades
            low, high = np.nanmin(scale), np.nanmax(scale)
            image = axes.imshow(shades, cmap="cividis", aspect="auto", vmin=low, vmax=high)
            for row, column in np.argwhere(np.isfinite(shades)):
                value = shades[row, column]
                dark = image.norm(value) < 0.5
                axes.text(
                    column,
                    row,
                    _three_digits(value),
                    ha="center",
                    va="center",
                    color="white" if dark else "black",
                )
            axes.set_xticks(range(len(columns)), [f"{column:g}" for column in columns])
            axes.set_yticks(range(len(rows)), [f"{row:g}" for row in rows])
            axes.tick_params(length=0)
            axes.spines[["bottom", "left"]].set_visible(False)
        label(figure, cells, x, y)
    return figure


def gradient_norms(panels):
    """Gradient norms of old and of new examples over training: means, with deviations as bands.

    Args:
        panels: dict {title: {"epochs": list, "old": runs, "new": runs}}, a run being a list of
            norms, one for each of the epochs.

    Returns:
        A `matplotlib.figure.Figure` whose panels share their axes.

    Example:
        >>> gradient_norms({"warm": {"epochs": [0, 1], "old": [[0.1, 0.2]], "new": [[2.0, 1.5]]}})

    Reference:
        Ash & Adams 2020, Figure 5.
    """
    with look():
        figure, cells = grid(list(panels), size=(2.1, 2.2), columns=5, sharex=True, sharey=True)
        for axes, curves in zip(cells, panels.values(), strict=True):
            for kind, style in _KINDS.items():
                _band(axes, curves["epochs"], curves[kind], style, f"{kind} examples")
            axes.set_yscale("log")
            axes.yaxis.set_major_locator(ticker.LogLocator(subs=(1, 3)))
            axes.yaxis.set_major_formatter(ticker.FuncFormatter(lambda value, _: f"{value:g}"))
            axes.yaxis.set_minor_formatter(ticker.NullFormatter())
        label(figure, cells, "epochs since the new examples came", "norm of the gradient")
        legend(figure, cells)
    return figure


def shrinking(panels):
    """Accuracy of a network whose weights were shrunk and not trained again.

    Args:
        panels: dict {title: {network: {"shrink": list, "accuracy": runs}}}, a run being a list of
            accuracies, one for each factor.

    Returns:
        A `matplotlib.figure.Figure`.

    Example:
        >>> shrinking({"cifar10": {"mlp": {"shrink": [0.5, 1.0], "accuracy": [[0.3, 0.5]]}}})

    Reference:
        Ash & Adams 2020, Figure 6.
    """
    with look():
        figure, cells = grid(list(panels), size=(4.2, 2.5), columns=2)
        looks = _looks(panels)
        for axes, networks in zip(cells, panels.values(), strict=True):
            for name, curves in networks.items():
                _band(axes, curves["shrink"], 100 * np.array(curves["accuracy"]), looks[name], name)
            axes.set_xlim(0, 1.02)
            axes.set_ylim(bottom=0)
        label(figure, cells, "factor on all weights", "accuracy [%]")
        legend(figure, cells)
    return figure


def _looks(panels):
    """A style for each name: that of the two ends, or one of the others."""
    names = list(dict.fromkeys(name for panel in panels.values() for name in panel))
    curves = styles([name for name in names if name not in _ENDS])
    order = [*(name for name in _ENDS if name in names), *curves]
    return {name: _ENDS.get(name) or curves[name] for name in order}


def _band(axes, x, runs, style, name):
    """The mean of runs, and one standard deviation around it where there are several."""
    columns = list(zip(*runs, strict=True))
    means = np.array([statistics.fmean(column) for column in columns])
    spread = np.array([statistics.stdev(c) if len(c) > 1 else 0 for c in columns])
    axes.plot(
        x,
        means,
        color=style.color,
        linestyle=style.line,
        marker=style.marker,
        markevery=max(1, len(means) // 10),
        label=name,
    )
    axes.fill_between(x, means - spread, means + spread, color=style.color, alpha=0.18, linewidth=0)


def _ticks(axes, values):
    """Whole numbers, thousands as 1k, 2k."""
    axes.xaxis.set_major_locator(ticker.MaxNLocator(nbins=6, steps=[1, 2, 5, 10], integer=True))
    if max(values) >= 1000:
        axes.xaxis.set_major_formatter(lambda value, _: f"{value / 1000:g}k" if value else "0")


def _three_digits(value):
    """Three digits, or all before the point where there are more."""
    places = 2 - int(np.floor(np.log10(abs(value)))) if value else 0
    return f"{value:.{min(max(places, 0), 3)}f}"
