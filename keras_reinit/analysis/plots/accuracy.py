"""Pictures of accuracies: over training, between methods, over budgets."""

import statistics

from matplotlib import ticker

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


def learning_curves(curves, boundaries, title):
    """Mean test accuracy over epochs, one line a method, the starts of rounds marked.

    Args:
        curves: dict {method: list of curves}, a curve being a list of (epoch, accuracy) at the same
            epochs for every run.
        boundaries: epochs after which a new round starts.
        title: one or two lines.

    Returns:
        A `matplotlib.figure.Figure`.

    Example:
        >>> learning_curves({"BL": [[(1, 0.5), (2, 0.6)]]}, boundaries=[1], title="digits")
    """
    with look():
        figure, (axes,) = grid([title], size=(5.5, 3.4))
        for boundary in boundaries:
            axes.axvline(boundary, color="0.8", linewidth=0.8, zorder=0)
        for method, style in styles(curves).items():
            epochs = [epoch for epoch, _ in curves[method][0]]
            points = zip(*curves[method], strict=True)
            axes.plot(
                epochs,
                [100 * statistics.fmean(accuracy for _, accuracy in point) for point in points],
                color=style.color,
                linestyle=style.line,
                marker=style.marker,
                markersize=3.5,
                linewidth=emphasis(method),
                label=literal(method),
            )
        axes.set_xlabel("epoch (grey: a new round starts)")
        axes.set_ylabel("test accuracy [%]")
        axes.legend(loc="center left", bbox_to_anchor=(1, 0.5))
    return figure


def bars(rows, title):
    """Final test accuracy, one bar a method, with deviations; a star where better than BL.

    Args:
        rows: list of {"method", "mean", "deviation" (or None), and optionally "significant"}.
        title: one line.

    Returns:
        A `matplotlib.figure.Figure`.

    Example:
        >>> bars([{"method": "BL", "mean": 0.8, "deviation": 0.01}], title="digits")
    """
    with look():
        title = f"{title}\nmean ± standard deviation; axis does not start at 0"
        figure, (axes,) = grid([title], size=(5.5, 3.4))
        baseline = next((100 * row["mean"] for row in rows if row["method"] == "BL"), None)
        if baseline is not None:
            axes.axhline(baseline, color="0.3", linestyle=LOOKS["BL"].line, linewidth=0.8, zorder=3)
        look_of = styles([row["method"] for row in rows])
        for place, row in enumerate(rows):
            mean, deviation = 100 * row["mean"], 100 * (row["deviation"] or 0)
            style = look_of[row["method"]]
            axes.bar(
                place,
                mean,
                yerr=deviation,
                color="white" if row["method"] == "BL" else style.color,
                edgecolor="black",
                linewidth=0.8,
                hatch=style.hatch,
                width=0.7,
                capsize=3,
                error_kw={"linewidth": 0.9, "zorder": 4},
            )
            axes.annotate(
                f"{mean:.1f}" + ("*" if row.get("significant") else ""),
                (place, mean + deviation),
                (0, 3),
                textcoords="offset points",
                ha="center",
            )
        low = min(100 * (row["mean"] - (row["deviation"] or 0)) for row in rows)
        high = max(100 * (row["mean"] + (row["deviation"] or 0)) for row in rows)
        room = max(high - low, 1)
        axes.set_ylim(max(0, low - room), min(high + 0.4 * room, 104))
        axes.yaxis.set_major_locator(ticker.MaxNLocator(nbins=8, steps=[1, 2, 5, 10]))
        axes.set_xticks(range(len(rows)), [literal(row["method"]) for row in rows])
        axes.set_ylabel("test accuracy [%]")
        axes.set_xlabel("dashed: BL;  *: better than BL, sign test with Holm's correction, 5 %")
    return figure


def scatter(panels, x="BL", y="LW"):
    """Test accuracy of one method against that of another, one point a setting.

    Points above the dashed diagonal are settings in which the method on the y axis is better.

    Args:
        panels: dict {title: {group: list of (accuracy of x, accuracy of y)}}; a group has a colour
            and a marker, such as "augmentation" and "no augmentation".
        x: the method on the x axis.
        y: the method on the y axis.

    Returns:
        A `matplotlib.figure.Figure`.

    Example:
        >>> scatter({"vgg16, CIFAR-10": {"augmentation": [(0.85, 0.89)]}})

    Reference:
        Alabdulmohsin et al. 2021, Figure 2.
    """
    with look():
        figure, cells = grid(list(panels), size=(2.7, 2.8), columns=2)
        looks = styles(in_order(panels))
        for axes, groups in zip(cells, panels.values(), strict=True):
            for group, points in groups.items():
                style = looks[group]
                axes.scatter(
                    [100 * first for first, _ in points],
                    [100 * second for _, second in points],
                    s=22,
                    marker=style.marker,
                    facecolor=style.color,
                    edgecolor="black",
                    linewidth=0.4,
                    alpha=0.85,
                    label=group,
                )
            values = [100 * v for points in groups.values() for point in points for v in point]
            low, high = min(values), max(values)
            room = max(0.06 * (high - low), 0.5)
            limits = (max(0, low - room), min(100, high + room))
            axes.plot(limits, limits, color="0.4", linestyle="--", linewidth=0.8, zorder=0)
            axes.set(xlim=limits, ylim=limits, aspect="equal")
            places = ticker.MaxNLocator(nbins=6, steps=[1, 2, 2.5, 5, 10]).tick_values(*limits)
            places = [place for place in places if limits[0] <= place <= limits[1]]
            axes.set_xticks(places)
            axes.set_yticks(places)
        label(figure, cells, f"test accuracy of {x} [%]", f"test accuracy of {y} [%]")
        legend(figure, cells, handletextpad=0.1)
    return figure


def budgets(panels):
    """Test accuracy against the steps of a round, at the same number of steps in all.

    Points are means over runs, error bars standard deviations (none for a single run).

    Args:
        panels: dict {title: {method: {steps per round: list of accuracies, one a run}}}.

    Returns:
        A `matplotlib.figure.Figure`.

    Example:
        >>> budgets({"vgg16": {"BL": {100: [0.5, 0.6]}, "LW": {100: [0.6, 0.7]}}})

    Reference:
        Alabdulmohsin et al. 2021, Figures 4 and 9.
    """
    with look():
        figure, cells = grid(list(panels), size=(2.5, 2.3))
        looks = styles(in_order(panels))
        for axes, methods in zip(cells, panels.values(), strict=True):
            ticks = sorted({steps for points in methods.values() for steps in points})
            wide = len(ticks) > 1 and ticks[0] > 0 and ticks[-1] / ticks[0] > 8
            for place, method in enumerate(name for name in looks if name in methods):
                steps = sorted(methods[method])
                runs = [[100 * accuracy for accuracy in methods[method][at]] for at in steps]
                # Beside each other, so that the bars of one number of steps can be told apart.
                shift = place - (len(methods) - 1) / 2
                if wide:
                    apart = [at * 1.04**shift for at in steps]
                else:
                    apart = [at + 0.012 * shift * (ticks[-1] - ticks[0]) for at in steps]
                axes.errorbar(
                    apart,
                    [statistics.fmean(each) for each in runs],
                    yerr=[statistics.stdev(each) if len(each) > 1 else 0 for each in runs],
                    color=looks[method].color,
                    linestyle=looks[method].line,
                    marker=looks[method].marker,
                    linewidth=emphasis(method),
                    elinewidth=0.7,
                    label=method,
                )
            if wide:
                axes.set_xscale("log")
            axes.set_xticks(ticks, [_short(tick) for tick in ticks])
            axes.xaxis.set_minor_locator(ticker.NullLocator())
        label(figure, cells, "steps per round", "test accuracy [%]")
        legend(figure, cells)
    return figure


def training_speed(panels):
    """Training accuracy over the epochs of some rounds.

    Args:
        panels: dict {title: {round: list of training accuracies, one an epoch}}, the rounds from
            first to last, such as "first", "middle", "last".

    Returns:
        A `matplotlib.figure.Figure`.

    Example:
        >>> training_speed({"cifar10": {"first": [0.3, 0.6, 0.9], "last": [0.9, 1.0, 1.0]}})

    Reference:
        Alabdulmohsin et al. 2021, Figure 8.
    """
    return _lines(panels, "epoch of the round", "training accuracy [%]", "round: ")


def per_round(panels):
    """Test accuracy after each round, with the standard deviation over runs as a band.

    Args:
        panels: dict {title: {arm: list of runs}}, a run being a list of accuracies, one a round.
            Runs of one arm may end early; the mean is over those that go on.

    Returns:
        A `matplotlib.figure.Figure`.

    Example:
        >>> per_round({"cifar10": {"LW": [[0.6, 0.7]], "no re-initialisation": [[0.6, 0.6]]}})

    Reference:
        Alabdulmohsin et al. 2021, Appendix F.
    """
    with look():
        figure, cells = grid(list(panels), size=(3.4, 2.6), columns=3)
        looks = styles(in_order(panels))
        for axes, arms in zip(cells, panels.values(), strict=True):
            for arm in (name for name in looks if name in arms):
                rounds = range(1, max(map(len, arms[arm])) + 1)
                values = [[100 * run[k - 1] for run in arms[arm] if len(run) >= k] for k in rounds]
                means = [statistics.fmean(each) for each in values]
                spread = [statistics.stdev(each) if len(each) > 1 else 0 for each in values]
                style = looks[arm]
                axes.plot(
                    rounds,
                    means,
                    color=style.color,
                    linestyle=style.line,
                    marker=style.marker,
                    linewidth=emphasis(arm),
                    label=arm,
                )
                axes.fill_between(
                    rounds,
                    [mean - s for mean, s in zip(means, spread, strict=True)],
                    [mean + s for mean, s in zip(means, spread, strict=True)],
                    color=style.color,
                    alpha=0.18,
                    linewidth=0,
                )
            axes.xaxis.set_major_locator(ticker.MaxNLocator(nbins=8, integer=True))
        label(figure, cells, "round", "test accuracy [%]")
        legend(figure, cells)
    return figure


def gains(table, baseline="BL"):
    """How much each method gains over the baseline: one set of axes a network, one row a data set.

    Args:
        table: dict {data set: {network: {method: accuracy}}}; a missing one is left out.
        baseline: the method that the others are compared with.

    Returns:
        A `matplotlib.figure.Figure`.

    Example:
        >>> gains({"digits": {"scnn": {"BL": 0.8, "FC": 0.82, "LW": 0.85}}})

    Reference:
        Alabdulmohsin et al. 2021, Tables 2, 6 and 7.
    """
    sets = list(table)
    networks = list(dict.fromkeys(network for row in table.values() for network in row))
    panels = {
        network: {
            method: [
                (place, 100 * (accuracy[method] - accuracy[baseline]))
                for place, row in enumerate(table.values())
                if method in (accuracy := row.get(network, {})) and baseline in accuracy
            ]
            for row in table.values()
            for method in row.get(network, {})
            if method != baseline
        }
        for network in networks
    }
    with look():
        size = (2.4, 1.5 + 0.24 * len(sets))
        figure, cells = grid(networks, size=size, columns=len(networks) or 1, sharey=True)
        looks = styles(in_order(panels))
        for axes, methods in zip(cells, panels.values(), strict=True):
            for place in range(len(sets)):
                axes.axhline(place, color="0.92", linewidth=0.8, zorder=0)
            axes.axvline(0, color="0.3", linestyle=LOOKS["BL"].line, linewidth=0.8, zorder=1)
            for method in (name for name in looks if name in methods):
                axes.plot(
                    [gain for _, gain in methods[method]],
                    [place for place, _ in methods[method]],
                    linestyle="",
                    marker=looks[method].marker,
                    markersize=6 if method == "LW" else 5,
                    markerfacecolor=looks[method].color,
                    markeredgecolor=looks[method].color if looks[method].marker == "x" else "black",
                    markeredgewidth=1.2 if looks[method].marker == "x" else 0.4,
                    label=method,
                )
            axes.tick_params(left=False)
        cells[0].set_yticks(range(len(sets)), list(map(literal, sets)))
        cells[0].set_ylim(len(sets) - 0.4, -0.6)
        legend(figure, cells, handletextpad=0.0)
        label(figure, cells, f"test accuracy less that of {baseline} [points]")
    return figure


def _lines(panels, x, y, prefix):
    with look():
        figure, cells = grid(list(panels), size=(2.7, 2.3))
        looks = styles(in_order(panels))
        for axes, lines in zip(cells, panels.values(), strict=True):
            for name, accuracy in lines.items():
                axes.plot(
                    range(1, len(accuracy) + 1),
                    [100 * value for value in accuracy],
                    color=looks[name].color,
                    linestyle=looks[name].line,
                    marker=looks[name].marker,
                    markevery=max(1, len(accuracy) // 8),
                    label=f"{prefix}{name}",
                )
            axes.set_ylim(top=102)
            axes.yaxis.set_major_locator(ticker.MaxNLocator(nbins=6, steps=[1, 2, 5, 10]))
            axes.xaxis.set_major_locator(ticker.MaxNLocator(nbins=6, integer=True))
        label(figure, cells, x, y)
        legend(figure, cells)
    return figure


def _short(number):
    """1500 as "1.5k"."""
    return f"{number / 1000:g}k" if number >= 1000 else f"{number:g}"
