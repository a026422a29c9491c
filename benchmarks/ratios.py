"""Timing two things in turn, so that a machine whose speed drifts does not decide the ratio."""

import argparse
import json
import pathlib

import numpy as np


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


def undisturbed(seconds):
    """The lower quartile: on a shared machine, what a timing is when nothing interferes."""
    return float(np.quantile(seconds, 0.25))


def ratio(numerator, denominator):
    """The ratio of two lower quartiles, with a 95 % bootstrap interval.

    Args:
        numerator: list of seconds.
        denominator: list of seconds.

    Returns:
        A dict {"ratio", "low", "high"}.
    """
    rng = np.random.default_rng(0)

    def resampled(seconds):
        return undisturbed(rng.choice(seconds, len(seconds)))

    ratios = [resampled(numerator) / resampled(denominator) for _ in range(2000)]
    low, high = np.quantile(ratios, [0.025, 0.975])
    return {"ratio": undisturbed(numerator) / undisturbed(denominator), "low": low, "high": high}


def report(title, seconds, ratios, path):
    """Print the figures, and write them as JSON where a path is given."""
    print(title)
    for name, values in seconds.items():
        print(f"  {name:<30} {1000 * undisturbed(values):8.1f} ms  ({len(values)} timings)")
    for name, figures in ratios.items():
        interval = f"[{figures['low']:.3f}, {figures['high']:.3f}]"
        print(f"  {name:<30} {figures['ratio']:8.3f}     {interval}")
    if path:
        result = {"title": title, "seconds": seconds, "ratios": ratios}
        pathlib.Path(path).write_text(json.dumps(result, indent=2) + "\n")


def arguments(description, repeats):
    """The command line that all benchmarks share."""
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("--repeats", type=int, default=repeats, help="timings of each")
    parser.add_argument("--json", metavar="FILE", help="write the figures there, too")
    return parser
