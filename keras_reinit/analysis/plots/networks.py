"""Pictures of what training made of a network: margins, flatness, size of the weights."""

import numpy as np
from matplotlib import ticker

from keras_reinit.analysis.margins import smallest
from keras_reinit.analysis.plots.style import (
    LOOKS,
    emphasis,
    grid,
    in_order,
    label,
    legend,
    literal,
    look,
    styles,
)
from keras_reinit.analysis.weight_size import gaussian_density


def margins(panels, count=400, pair=("BL", "LW")):
    """The smallest margins, sorted: all methods above, two of them on a linear axis below.

    The axis above is logarithmic. Where there are margins of 0 or below (a network that
    misclassifies training examples) it is logarithmic in both directions and linear in between,
    within the dotted lines. Panels have the same axis; it ends at 1e-6, where margins below are
    as good as 0.

    Args:
        panels: dict {title: {method: margins}}, one network a method.
        count: how many of the margins to draw.
        pair: the methods to compare below, where a panel has them.

    Returns:
        A `matplotlib.figure.Figure`.

    Example:
        >>> margins({"vgg16": {"BL": margins_of_bl, "LW": margins_of_lw}})

    Reference:
        Alabdulmohsin et al. 2021, Figures 6, 10 and 11.
    """
    values = {
        title: {method: smallest(each, count) for method, each in methods.items()}
        for title, methods in panels.items()
    }
    everything = np.concatenate([[], *(v for each in values.values() for v in each.values())])
    positive = everything[everything > 0]
    low = positive.min() if positive.size else 1e-3
    linear_within = float(10 ** np.ceil(np.log10(np.clip(low, 1e-4, 1e-2))))
    with look():
        figure, cells = grid(
            [*values, *[""] * len(values)],
            (2.7, 2.2),
            columns=len(values),
            sharey="row",
            sharex="col",
        )
        looks = styles(in_order(values))
        for column, methods in enumerate(values.values()):
            above, below = cells[column], cells[len(values) + column]
            for method in (name for name in looks if name in methods):
                for axes in [above, below] if method in pair else [above]:
                    _ranked(axes, method, looks[method], methods[method])
            below.axhline(0, color="0.6", linewidth=0.6, zorder=0)
            if (everything > 0).all():
                above.set_yscale("log")
                above.set_ylim(bottom=max(low / 2, 1e-6))
            else:
                above.set_yscale("symlog", linthresh=linear_within)
                _decades(above, linear_within, everything)
            for axes in (above, below):
                axes.xaxis.set_major_locator(ticker.MaxNLocator(nbins=5, integer=True))
        cells[0].set_ylabel("softmax margin\n(all methods)")
        cells[len(values)].set_ylabel(f"softmax margin\n({' and '.join(map(literal, pair))})")
        label(figure, cells, "training example, from the smallest margin up")
        legend(figure, cells[: len(values)])
    return figure


def _ranked(axes, method, style, values):
    axes.plot(
        range(1, len(values) + 1),
        values,
        color=style.color,
        linestyle=style.line,
        marker=style.marker,
        markevery=max(1, len(values) // 6),
        linewidth=emphasis(method),
        label=method,
    )


def _decades(axes, linear_within, values):
    """Ticks of an axis that is logarithmic on both sides: 0 and the powers of ten."""
    powers = [10.0**power for power in range(round(np.log10(linear_within)) + 1, 1)]
    axes.set_yticks([*[-power for power in powers if power <= -3 * values.min()], 0.0, *powers])
    axes.yaxis.set_minor_locator(ticker.NullLocator())
    for edge in (-linear_within, linear_within):
        axes.axhline(edge, color="0.7", linestyle=":", linewidth=0.7, zorder=0)


def sharpness(panels):
    """Change in training accuracy and loss against noise in the weights: means and deviations.

    The x axis is logarithmic where all noise is above 0; a loss that is not finite is left out.

    Args:
        panels: dict {title: {method: {"sigmas": list, "accuracy": changes, "loss": changes}}}, the
            changes of shape (sigmas, draws), as `analysis.sharpness(...)._asdict()` has them.

    Returns:
        A `matplotlib.figure.Figure`, accuracy above and loss below.

    Example:
        >>> flat = analysis.sharpness(model, x_train, y_train, sigmas=[0.01, 0.1])
        >>> sharpness({"vgg16": {"LW": flat._asdict()}})

    Reference:
        Alabdulmohsin et al. 2021, Figures 5 and 12.
    """
    with look():
        figure, cells = grid(
            [*panels, *[""] * len(panels)], (2.5, 2.1), columns=len(panels), sharex="col"
        )
        looks = styles(in_order(panels))
        sigmas = [s for methods in panels.values() for m in methods.values() for s in m["sigmas"]]
        for column, methods in enumerate(panels.values()):
            for axes, what, unit in (
                (cells[column], "accuracy", 100),
                (cells[len(panels) + column], "loss", 1),
            ):
                axes.axhline(0, color="0.6", linewidth=0.6, zorder=0)
                for method in (name for name in looks if name in methods):
                    _noisy(axes, method, looks[method], methods[method], what, unit)
                if min(sigmas) > 0 and max(sigmas) > 8 * min(sigmas):
                    axes.set_xscale("log")
                    ticks = sorted({s for m in methods.values() for s in m["sigmas"]})
                    axes.set_xticks(ticks, [f"{tick:g}" for tick in ticks])
                    axes.minorticks_off()
        cells[0].set_ylabel("change in training\naccuracy [points]")
        cells[len(panels)].set_ylabel("change in training\nloss [nats]")
        label(figure, cells, "standard deviation σ of the noise")
        legend(figure, cells)
    return figure


def _noisy(axes, method, style, change, what, unit):
    changes = unit * np.asarray(change[what], "float64")
    rows = [row[np.isfinite(row)] for row in changes]
    kept = [(s, row) for s, row in zip(change["sigmas"], rows, strict=True) if row.size]
    axes.errorbar(
        [sigma for sigma, _ in kept],
        [row.mean() for _, row in kept],
        yerr=[row.std(ddof=1) if row.size > 1 else 0 for _, row in kept],
        color=style.color,
        linestyle=style.line,
        marker=style.marker,
        linewidth=emphasis(method),
        elinewidth=0.7,
        label=method,
    )


def weight_sizes(ratios):
    """Size of the weights of each method over that of the baseline: Gaussian fits and runs.

    Each run is a tick below the curves; a method with one run, or with equal ones, has no curve.

    Args:
        ratios: dict {method: list of `weight_size` of the method over that of the baseline}.

    Returns:
        A `matplotlib.figure.Figure`.

    Example:
        >>> weight_sizes({"LW": [0.98, 1.03], "FC": [1.4, 1.7]})

    Reference:
        Alabdulmohsin et al. 2021, Figure 7.
    """
    with look():
        figure, (axes,) = grid([""] if ratios else [], size=(5.2, 3.2))
        looks = styles(in_order({"": ratios}))
        fits = {method: gaussian_density(ratios[method]) for method in looks}
        axes.axvline(1, color="0.3", linestyle=LOOKS["BL"].line, linewidth=0.8, zorder=0)
        for place, (method, fit) in enumerate(fits.items()):
            style = looks[method]
            spread = f" ± {fit.deviation:.2f}" if fit.deviation else ""
            label = f"{literal(method)}: {fit.mean:.2f}{spread}"
            if fit.deviation:
                at = np.linspace(fit.mean - 3 * fit.deviation, fit.mean + 3 * fit.deviation, 121)
                density = np.exp(-(((at - fit.mean) / fit.deviation) ** 2) / 2)
                axes.plot(
                    at,
                    density / (fit.deviation * np.sqrt(2 * np.pi)),
                    color=style.color,
                    linestyle=style.line,
                    marker=style.marker,
                    markevery=20,
                    linewidth=emphasis(method),
                    label=label,
                )
            axes.plot(
                ratios[method],
                [-0.05 - 0.05 * place] * len(ratios[method]),
                transform=axes.get_xaxis_transform(),
                color=style.color,
                linestyle="",
                marker=style.marker,
                markersize=3.5,
                clip_on=False,
                label=None if fit.deviation else label,
            )
        axes.spines["bottom"].set_position(("axes", -0.05 * (len(fits) + 0.6)))
        axes.set_ylim(bottom=0)
        axes.set_xlabel("size of the weights, over that of BL (marks: runs)")
        axes.set_ylabel("density")
        axes.legend(loc="center left", bbox_to_anchor=(1, 0.5), title="mean ± deviation")
    return figure
