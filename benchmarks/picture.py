"""The picture of all benchmarks: ratios with their intervals and goals, and how some grow."""

from matplotlib import ticker
from matplotlib.figure import Figure

from benchmarks.ratios import verdict
from keras_reinit.analysis.plots.style import look, styles

_LOOKS = {"met": ("#009E73", "o"), "open": ("#E69F00", "D"), "missed": ("#D55E00", "X")}
_NO_GOAL = ("black", "s")
_WIDTH, _ROW, _TITLE, _CURVES = 7.0, 0.2, 0.55, 2.8  # inches


def picture(records):
    """Draw the ratios of all benchmarks.

    One row a ratio: a point, its interval, and a bar where its goal is, which has a triangle on the
    side where the ratio ought to be. Ratios that have a place on a curve are drawn below.

    Args:
        records: dict {benchmark: {"title", "ratios": {name: figures}}}; figures are "ratio", "low"
            and "high", with "at_least" or "at_most" where there is a goal, and with "curve",
            "over" and "at" where it is the point of a curve.

    Returns:
        A `matplotlib.figure.Figure`.

    Example:
        >>> figures = {"ratio": 1.0, "low": 0.98, "high": 1.01, "at_least": 0.99}
        >>> picture({"a": {"title": "A", "ratios": {"speed": figures}}}).savefig("a.png")
    """
    panels, curves = {}, {}
    for each in records.values():
        for name, figures in each["ratios"].items():
            if "curve" in figures:
                points = curves.setdefault(figures["over"], {}).setdefault(figures["curve"], [])
                points.append(figures)
            else:
                panels.setdefault(each["title"], {})[name] = figures
    heights = [_TITLE + _ROW * len(rows) for rows in panels.values()]
    parts = [sum(heights)] * bool(panels) + [_CURVES] * bool(curves)
    with look():
        figure = Figure(figsize=(_WIDTH, sum(parts)), layout="constrained")
        cells = figure.subfigures(len(parts), height_ratios=parts, squeeze=False)[:, 0]
        if panels:
            axes = cells[0].subplots(len(panels), height_ratios=heights, squeeze=False)[:, 0]
            for each, (title, rows) in zip(axes, panels.items(), strict=True):
                _ratios(each, title, rows)
            cells[0].supxlabel(
                "lower quartiles, 95 % intervals; triangle: the side of the goal; circle: met, "
                "diamond: the interval reaches it, cross: missed",
                fontsize=7,
            )
        if curves:
            axes = cells[-1].subplots(1, len(curves), squeeze=False, sharey=True)[0]
            for each, (over, lines) in zip(axes, curves.items(), strict=True):
                _growth(each, over, lines)
            axes[0].set_ylabel("ratio")
            cells[-1].legend(
                *axes[0].get_legend_handles_labels(), loc="outside lower center", ncols=2
            )
    return figure


def _ratios(axes, title, rows):
    """One panel: a row a ratio, the first on top, on an axis of their own."""
    values = [1.0]
    for place, figures in enumerate(rows.values()):
        color, marker = _LOOKS.get(verdict(figures), _NO_GOAL)
        axes.plot([figures["low"], figures["high"]], [place, place], color=color, linewidth=2)
        axes.plot(figures["ratio"], place, color=color, marker=marker, markersize=5)
        values += [figures["low"], figures["high"]]
        for kind, caret in (("at_least", 9), ("at_most", 8)):  # to the right, to the left
            if kind in figures:
                goal = figures[kind]
                axes.plot(goal, place, color="black", marker=caret, markersize=5)
                axes.plot(goal, place, color="black", marker="|", markersize=9)
                values.append(goal)
    axes.axvline(1, color="0.7", linestyle="--", linewidth=0.8, zorder=0)
    if max(values) > 5 * min(values) > 0:
        axes.set_xscale("log")
        _plain_numbers(axes.xaxis)
    axes.set_yticks(range(len(rows)), list(rows), fontsize=7)
    axes.set_ylim(len(rows) - 0.4, -0.6)
    axes.tick_params(axis="y", length=0)
    axes.tick_params(axis="x", labelsize=7)
    axes.set_title(title, fontsize=8)


def _growth(axes, over, lines):
    """One panel: a line a ratio, with its interval as a band."""
    for name, style in styles(lines).items():
        points = sorted(lines[name], key=lambda figures: figures["at"])
        at, ratios, low, high = (
            [figures[key] for figures in points] for key in ("at", "ratio", "low", "high")
        )
        axes.plot(
            at, ratios, color=style.color, linestyle=style.line, marker=style.marker, label=name
        )
        axes.fill_between(at, low, high, color=style.color, alpha=0.18, linewidth=0)
    axes.axhline(1, color="0.7", linestyle="--", linewidth=0.8, zorder=0)
    places = sorted({figures["at"] for points in lines.values() for figures in points})
    axes.set_xscale("log")
    axes.set_xticks(places, [_short(place) for place in places])
    axes.xaxis.set_minor_locator(ticker.NullLocator())
    axes.set_yscale("log")
    _plain_numbers(axes.yaxis)
    axes.set_xlabel(over)


def _short(number):
    """Few digits: 4, 1e5, 1e6."""
    return f"{number:g}" if number < 1000 else f"{number:.0e}".replace("e+0", "e")


def _plain_numbers(axis):
    """Numbers of a logarithmic axis as they are read."""
    axis.set_major_locator(ticker.LogLocator(subs=(1, 2, 5)))
    axis.set_major_formatter(ticker.FuncFormatter(lambda value, _: f"{value:g}"))
    axis.set_minor_formatter(ticker.NullFormatter())
