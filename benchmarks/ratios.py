"""Timing two things in turn, so that a machine whose speed drifts does not decide the ratio."""

import argparse
import json
import pathlib
import time

import numpy as np

from benchmarks.machine import machine


def in_turn(repeats, **timed):
    """Time functions in turn, A B A B, after one warm-up each.

    Args:
        repeats: int, how often each is timed.
        **timed: functions of nothing that return a list of seconds, one for each timing.

    Returns:
        A dict {name: list of seconds}.
    """
    for measure in timed.values():
        measure()
    seconds: dict[str, list[float]] = {name: [] for name in timed}
    for _ in range(repeats):
        for name, measure in timed.items():
            seconds[name] += measure()
    return seconds


def seconds_of(action, *args):
    """How long an action takes, as a list of one timing."""
    start = time.perf_counter()
    action(*args)
    return [time.perf_counter() - start]


def undisturbed(seconds):
    """The lower quartile: on a shared machine, what a timing is when nothing interferes."""
    return float(np.quantile(seconds, 0.25))


def ratio(numerator, denominator, **goal):
    """The ratio of two lower quartiles, with a 95 % bootstrap interval.

    Args:
        numerator: list of seconds.
        denominator: list of seconds.
        **goal: `at_least` or `at_most`, what the ratio ought to be; neither where it only tells.

    Returns:
        A dict {"ratio", "low", "high"}, with the goal.
    """
    rng = np.random.default_rng(0)

    def resampled(seconds):
        return undisturbed(rng.choice(seconds, len(seconds)))

    ratios = [resampled(numerator) / resampled(denominator) for _ in range(2000)]
    low, high = map(float, np.quantile(ratios, [0.025, 0.975]))
    middle = undisturbed(numerator) / undisturbed(denominator)
    return {"ratio": middle, "low": low, "high": high, **goal}


def verdict(figures):
    """Whether a ratio is what it ought to be.

    Args:
        figures: as `ratio` gives them.

    Returns:
        "met"; "open" where it is not, but the interval reaches the goal; "missed"; or "" where
        there is no goal.
    """
    if "at_least" in figures:
        goal, found, best = figures["at_least"], figures["ratio"], figures["high"]
    elif "at_most" in figures:
        goal, found, best = -figures["at_most"], -figures["ratio"], -figures["low"]
    else:
        return ""
    return "met" if found >= goal else "open" if best >= goal else "missed"


def line(name, figures):
    """A ratio, its interval, its goal and whether it is met, for printing."""
    text = f"  {name:<46} {figures['ratio']:8.3f}  [{figures['low']:.3f}, {figures['high']:.3f}]"
    for kind in ("at_least", "at_most"):
        if kind in figures:
            text += f"  {kind.replace('_', ' ')} {figures[kind]:g}: {verdict(figures)}"
    return text


def report(title, seconds, ratios, path):
    """Print the figures, and write them as JSON where a path is given."""
    print(title)
    for name, values in seconds.items():
        print(f"  {name:<46} {1000 * undisturbed(values):8.1f} ms  ({len(values)} timings)")
    for name, figures in ratios.items():
        print(line(name, figures))
    if path:
        result = {"title": title, "machine": machine(), "seconds": seconds, "ratios": ratios}
        pathlib.Path(path).write_text(json.dumps(result, indent=2) + "\n")


def arguments(description, repeats):
    """The command line that all benchmarks share."""
    parser = argparse.ArgumentParser(
        description=description, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--repeats", type=int, default=repeats, help="timings of each")
    parser.add_argument("--json", metavar="FILE", help="write the figures there, too")
    return parser
