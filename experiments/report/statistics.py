"""The statistics in the tables."""

import itertools
import statistics

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


def grouped(records, *names):
    """Records by the values of some of their entries, in the order of first appearance.

    Args:
        records: list of dicts.
        *names: entries.

    Returns:
        A dict {value, or tuple of values: list of records}.
    """
    groups: dict = {}
    for record in records:
        values = tuple(record[name] for name in names)
        groups.setdefault(values if len(names) > 1 else values[0], []).append(record)
    return groups


def paired(records, keys):
    """Test accuracies by method, so that runs of two methods can be compared pair by pair.

    Args:
        records: dicts with "method", "test_accuracy" and the keys.
        keys: names of the fields that tell pairs apart, such as ("dataset", "seed"). Runs of one
            method that are equal in all of them count once, with their mean.

    Returns:
        A dict {method: {values of the keys: accuracy}} in the order of the records.

    Example:
        >>> paired([{"method": "LW", "seed": 3, "test_accuracy": 0.5}], ["seed"])
        {'LW': {(3,): 0.5}}
    """
    found: dict = {}
    for record in records:
        runs = found.setdefault(record["method"], {})
        runs.setdefault(tuple(record[key] for key in keys), []).append(record["test_accuracy"])
    return {
        method: {key: statistics.fmean(values) for key, values in runs.items()}
        for method, runs in found.items()
    }


def pairwise(scores):
    """Which method is better than which: exact one-sided sign tests of all ordered pairs.

    Ties are dropped; Holm's correction is over the ordered pairs. A pair of methods that share no
    run is left out.

    Args:
        scores: dict {method: {key: score}}, as `paired` returns it; equal keys make a pair.

    Returns:
        A list of dicts: better, worse, wins, losses, ties, p_value, p_holm and mark, which is "°"
        where p_holm is at most 5 %, "*" where only p_value is, else "".

    Example:
        >>> better, worse = dict.fromkeys(range(5), 0.6), dict.fromkeys(range(5), 0.5)
        >>> rows = pairwise({"LW": better, "BL": worse})
        >>> [(row["better"], row["p_value"], row["p_holm"], row["mark"]) for row in rows]
        [('LW', 0.03125, 0.0625, '*'), ('BL', 1.0, 1.0, '')]

    Reference:
        Alabdulmohsin et al. 2021, Table 3.
    """
    from keras_reinit.analysis import holm, sign_test

    rows = []
    for better, worse in itertools.permutations(scores, 2):
        first, second = scores[better], scores[worse]
        keys = [key for key in first if key in second]
        if keys:
            test = sign_test([first[key] for key in keys], [second[key] for key in keys])
            rows.append({"better": better, "worse": worse, **test._asdict()})
    for row, p_holm in zip(rows, holm([row["p_value"] for row in rows]), strict=True):
        mark = "°" if p_holm <= LEVEL else "*" if row["p_value"] <= LEVEL else ""
        row |= {"p_holm": p_holm, "mark": mark}
    return rows


def by_cell(records):
    """The methods of each data set and backbone, compared with BL over the seeds.

    Args:
        records: dicts with "dataset", "backbone", "method", "seed" and "test_accuracy".

    Returns:
        A list of dicts: dataset, backbone and what `against_baseline` says of each method.
    """
    return [
        {"dataset": dataset, "backbone": backbone, **row}
        for (dataset, backbone), runs in grouped(records, "dataset", "backbone").items()
        for row in against_baseline(paired(runs, ["seed"]))
    ]


def by_backbone(records, keys):
    """`pairwise` for each backbone: the rows of Table 3.

    Args:
        records: dicts with "backbone", "method", "test_accuracy" and the keys.
        keys: what tells pairs apart, as in `paired`.

    Returns:
        A list of dicts: backbone and what `pairwise` says of each ordered pair.
    """
    return [
        {"backbone": backbone, **row}
        for backbone, runs in grouped(records, "backbone").items()
        for row in pairwise(paired(runs, keys))
    ]


def seeds_of(rows):
    """How many seeds rows have, as text: "5 seeds", or "3 to 5 seeds".

    Args:
        rows: list of dicts with "seeds", at least one.

    Returns:
        A str.
    """
    counts = sorted({row["seeds"] for row in rows})
    text = " to ".join(map(str, dict.fromkeys((counts[0], counts[-1]))))
    return f"{text} seed{'' if text == '1' else 's'}"
