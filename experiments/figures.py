"""Pictures that stay readable in greyscale: methods differ by marker, line style and hatch."""

import statistics
from typing import Any

import matplotlib

matplotlib.use("Agg")

from matplotlib import pyplot as plt
from matplotlib import ticker

# colour (Okabe and Ito's palette), line style, marker, hatch
_STYLES = {
    "BL": ("#000000", (0, (5, 2)), "", ""),
    "FC": ("#56B4E9", "-", "v", "//"),
    "WELSR": ("#E69F00", "-.", "^", "\\\\"),
    "WELS": ("#F0C040", "-.", "D", "--"),
    "DSD": ("#999999", ":", "x", ".."),
    "LW": ("#D55E00", "-", "o", "xx"),
    "S&P": ("#0072B2", "-", "s", "||"),
}
_OTHER = ("#CC79A7", "-", "*", "++")
_LOOK: dict[Any, Any] = {
    "figure.figsize": (5.5, 3.4),
    "figure.dpi": 200,
    "figure.constrained_layout.use": True,
    "font.size": 9,
    "axes.titlesize": 9,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "hatch.linewidth": 0.5,
    "legend.frameon": False,
}


def learning_curves(file, curves, boundaries, title):
    """Mean test accuracy over epochs, one line a method, the starts of rounds marked.

    Args:
        file: path of the picture.
        curves: dict {method: list of curves}, a curve being a list of (epoch, accuracy) at the same
            epochs for every run.
        boundaries: epochs after which a new round starts.
        title: one or two lines.
    """
    with plt.rc_context(_LOOK):
        figure, axes = plt.subplots()
        for boundary in boundaries:
            axes.axvline(boundary, color="0.8", linewidth=0.8, zorder=0)
        for method, runs in curves.items():
            colour, line, marker, _ = _STYLES.get(method, _OTHER)
            epochs = [epoch for epoch, _ in runs[0]]
            mean = [
                100 * statistics.fmean(a for _, a in points) for points in zip(*runs, strict=True)
            ]
            axes.plot(
                epochs, mean, color=colour, linestyle=line, marker=marker, markersize=3.5,
                linewidth=1.8 if method in ("BL", "LW") else 1.1, label=method,
            )  # fmt: skip
        axes.set_xlabel("epoch (grey: a new round starts)")
        axes.set_ylabel("test accuracy [%]")
        axes.set_title(title, loc="left")
        axes.legend(loc="center left", bbox_to_anchor=(1, 0.5), handlelength=3)
        figure.savefig(file)
        plt.close(figure)


def bars(file, rows, title):
    """Final test accuracy, one bar a method, with deviations; a star where better than BL.

    Args:
        file: path of the picture.
        rows: as `experiments.report.against_baseline` returns them.
        title: one line.
    """
    with plt.rc_context(_LOOK):
        figure, axes = plt.subplots()
        baseline = next((100 * row["mean"] for row in rows if row["method"] == "BL"), None)
        if baseline is not None:
            axes.axhline(baseline, color="0.3", linestyle=(0, (5, 2)), linewidth=0.8, zorder=3)
        for place, row in enumerate(rows):
            colour, _, _, hatch = _STYLES.get(row["method"], _OTHER)
            mean, deviation = 100 * row["mean"], 100 * (row["deviation"] or 0)
            axes.bar(
                place, mean, yerr=deviation, color="white" if row["method"] == "BL" else colour,
                edgecolor="black", linewidth=0.8, hatch=hatch, width=0.7, capsize=3,
                error_kw={"linewidth": 0.9, "zorder": 4},
            )  # fmt: skip
            label = f"{mean:.1f}" + ("*" if row.get("significant") else "")
            axes.annotate(
                label, (place, mean + deviation), (0, 3), textcoords="offset points", ha="center"
            )
        low = min(100 * (row["mean"] - (row["deviation"] or 0)) for row in rows)
        high = max(100 * (row["mean"] + (row["deviation"] or 0)) for row in rows)
        room = max(high - low, 1)
        axes.set_ylim(max(0, low - room), min(high + 0.4 * room, 104))
        axes.yaxis.set_major_locator(ticker.MaxNLocator(nbins=8, steps=[1, 2, 5, 10]))
        axes.set_xticks(range(len(rows)), [row["method"] for row in rows])
        axes.set_ylabel("test accuracy [%]")
        axes.set_title(f"{title}\nmean ± standard deviation; axis does not start at 0", loc="left")
        axes.set_xlabel("dashed: BL;  *: better than BL, sign test with Holm's correction, 5 %")
        figure.savefig(file)
        plt.close(figure)
