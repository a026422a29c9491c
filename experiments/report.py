"""Tables as text, and the statistics in them."""

import statistics
import textwrap

LEVEL = 0.05


def deviation(values):
    """Sample standard deviation, or None for a single value."""
    return statistics.stdev(values) if len(values) > 1 else None


def percent(mean, spread=None, signed=False):
    """Shares of 1 as text in percent: "51.5 ± 4.2"; "-" for None."""
    if mean is None:
        return "-"
    sign = "+" if signed else ""
    text = f"{100 * mean:{sign}.1f}"
    return text if spread is None else f"{text} ± {100 * spread:.1f}"


def table(header, rows, left=1):
    """A text table: first columns flush left, the others flush right.

    Args:
        header: list of str.
        rows: lists of str of the same length.
        left: number of columns that are flush left.

    Returns:
        A str of several lines.
    """
    widths = [max(map(len, column)) for column in zip(header, *rows, strict=True)]
    lines = [
        "  ".join(
            [*map(str.ljust, row[:left], widths), *map(str.rjust, row[left:], widths[left:])]
        ).rstrip()
        for row in (header, *rows)
    ]
    lines.insert(1, "-" * (sum(widths) + 2 * len(widths) - 2))
    return "\n".join(lines)


def wrapped(text):
    """A paragraph of at most 100 columns; an item that starts with "- " is indented."""
    return textwrap.fill(text, 100, subsequent_indent="  " if text.startswith("- ") else "")


def against_baseline(scores, baseline="BL"):
    """Mean, deviation, gain over the baseline and its significance, for each method.

    Runs are paired by seed. The gain is tested by the exact one-sided sign test, ties dropped,
    with Holm's correction over the methods, at the 5 % level.

    Args:
        scores: dict {method: {seed: score}}.
        baseline: the method to compare with.

    Returns:
        A list of dicts in the order of `scores`: method, seeds, mean, deviation, and for all but
        the baseline (where there are pairs): gain, gain_deviation, wins, losses, p_value, p_holm,
        significant.
    """
    from keras_reinit.analysis import holm, sign_test

    rows = []
    for method, by_seed in scores.items():
        values = list(by_seed.values())
        row = {"method": method, "seeds": len(values)}
        row |= {"mean": statistics.fmean(values), "deviation": deviation(values)}
        pairs = sorted(by_seed.keys() & scores.get(baseline, {}).keys())
        if method != baseline and pairs:
            treatment = [by_seed[seed] for seed in pairs]
            control = [scores[baseline][seed] for seed in pairs]
            gains = [a - b for a, b in zip(treatment, control, strict=True)]
            test = sign_test(treatment, control)
            row |= {"gain": statistics.fmean(gains), "gain_deviation": deviation(gains)}
            row |= {"wins": test.wins, "losses": test.losses, "p_value": test.p_value}
        rows.append(row)
    tested = [row for row in rows if "p_value" in row]
    for row, p_holm in zip(tested, holm([row["p_value"] for row in tested]), strict=True):
        row |= {"p_holm": p_holm, "significant": p_holm <= LEVEL}
    return rows


def seeds_needed(comparisons):
    """The fewest paired runs with which all wins are significant after Holm's correction.

    `n = min {n: comparisons / 2^n <= 0.05}`
    """
    seeds = 1
    while comparisons / 2**seeds > LEVEL:
        seeds += 1
    return seeds
