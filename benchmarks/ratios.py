"""Timing two things in turn, so that a machine whose speed drifts does not decide the ratio."""

import argparse
import json
import pathlib
import statistics


def in_turn(repeats, **timed):
    """Time functions in turn, A B A B, after one warm-up each.

    Args:
        repeats: int, how often each is timed.
        **timed: functions of nothing that return the seconds they took.

    Returns:
        A dict {name: list of seconds}.
    """
    for measure in timed.values():
        measure()
    seconds: dict[str, list[float]] = {name: [] for name in timed}
    for _ in range(repeats):
        for name, measure in timed.items():
            seconds[name].append(measure())
    return seconds


def ratio(numerator, denominator):
    """The median of the ratios pair by pair, and their range: a dict."""
    pairs = [a / b for a, b in zip(numerator, denominator, strict=True)]
    return {"median": statistics.median(pairs), "min": min(pairs), "max": max(pairs)}


def report(title, seconds, ratios, path):
    """Print the figures, and write them as JSON where a path is given."""
    print(title)
    for name, values in seconds.items():
        print(f"  {name:<28} {1000 * statistics.median(values):9.1f} ms (median)")
    for name, figures in ratios.items():
        spread = f"[{figures['min']:.3f}, {figures['max']:.3f}]"
        print(f"  {name:<28} {figures['median']:9.3f}    {spread}")
    if path:
        result = {"title": title, "seconds": seconds, "ratios": ratios}
        pathlib.Path(path).write_text(json.dumps(result, indent=2) + "\n")


def arguments(description, repeats):
    """The command line that all benchmarks share."""
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("--repeats", type=int, default=repeats, help="timings of each")
    parser.add_argument("--json", metavar="FILE", help="write the figures there, too")
    return parser
