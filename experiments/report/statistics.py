"""The statistics in the tables: records become a DataFrame with a row for each group of runs."""

import itertools
import statistics
from statistics import fmean

import pandas as pd

LEVEL = 0.05
TESTED = ("gain", "gain_deviation", "wins", "losses", "p_value", "p_holm", "significant")


def deviation(values):
    """Sample standard deviation, or None for a single value."""
    return statistics.stdev(values) if len(values) > 1 else None


def percent(mean, spread=None, signed=False):
    """Shares of 1 as text in percent: "51.5 ± 4.2"; "-" for None."""
    if mean is None:
        return "-"
    return number(100 * mean, None if spread is None else 100 * spread, "+.1f" if signed else ".1f")


def number(mean, spread=None, form=".1f"):
    """A number with its deviation as text: "1.25 ± 0.02"; "-" for None."""
    if mean is None:
        return "-"
    text = f"{mean:{form}}"
    return text if spread is None else f"{text} ± {spread:{form.lstrip('+')}}"


def mean(values):
    """The mean, or None of nothing."""
    return fmean(values) if values else None


def first(values):
    """The value of the first run, where all have the same."""
    return values[0]


def frame(rows, columns=None):
    """Dicts as a DataFrame that keeps their values as they are, None among them."""
    made = pd.DataFrame(list(rows), columns=columns, dtype=object)
    return made.where(made.notna(), None)


def each(rows, *names):
    """Groups of rows by the values of some columns, in the order of first appearance.

    Args:
        rows: DataFrame, or list of dicts.
        *names: columns; none for one group of all rows.

    Yields:
        (value, or tuple of values, DataFrame)
    """
    rows = rows if isinstance(rows, pd.DataFrame) else frame(rows)
    if not names and len(rows):
        yield (), rows
    elif len(rows):
        for values, members in rows.groupby(list(names), sort=False, dropna=False):
            yield (values if len(names) > 1 else values[0]), members


def summary(records, by, score="test_accuracy", baseline=None, **columns):
    """Mean and deviation of the runs of each group, and what they gain over a baseline.

    Runs are paired by seed; several of one seed count once, with their mean. The gain is tested by
    the exact one-sided sign test, ties dropped, with Holm's correction over all that are compared
    with one baseline, at the 5 % level.

    Args:
        records: list of dicts, or a DataFrame, with "seed".
        by: names of the entries that tell groups apart, the arm's last.
        score: the entry that is compared.
        baseline: the arm that the others at the same place are compared with, or None.
        **columns: more columns: a function of the values of the entry of that name, or
            (entry, function).

    Returns:
        A DataFrame with a row for each group, in the order of the records: `by`, the more columns,
        "seeds", "mean", "deviation", "scores" and "gains", lists with one a seed, and `TESTED`,
        None where there is nothing to compare with.

    Example:
        >>> runs = [{"method": "LW", "seed": seed, "test_accuracy": 0.5} for seed in range(3)]
        >>> summary(runs, ["method"])[["method", "seeds", "mean"]].values.tolist()
        [['LW', 3, 0.5]]
    """
    *place, arm = by
    rows = []
    for values, members in each(records, *place):
        values = values if len(place) != 1 else (values,)
        arms = dict(each(members, arm))
        scores = {name: _by_seed(same, score) for name, same in arms.items()}
        rows += [
            dict(zip(by, (*values, name), strict=True))
            | aggregated(same, columns)
            | _measured(scores[name], scores.get(baseline, {}) if name != baseline else {})
            for name, same in arms.items()
        ]
        _correct(rows[-len(arms) :])
    described = ("seeds", "mean", "deviation", "scores", "gains")
    return frame(rows, [*by, *columns, *described, *TESTED])


def aggregated(runs, columns):
    """A dict of the values that `columns` of `summary` ask for, of the runs of one group."""
    found = {}
    for name, wanted in columns.items():
        entry, function = wanted if isinstance(wanted, tuple) else (name, wanted)
        found[name] = function(list(runs[entry]))
    return found


def _by_seed(runs, score):
    found: dict = {}
    for seed, value in zip(runs["seed"], runs[score], strict=True):
        found.setdefault(seed, []).append(value)
    return {seed: fmean(values) for seed, values in found.items()}


def _measured(scores, baseline):
    values = list(scores.values())
    row = {"seeds": len(values), "mean": fmean(values), "deviation": deviation(values)}
    pairs = [(value, baseline[seed]) for seed, value in scores.items() if seed in baseline]
    gains = [ours - theirs for ours, theirs in pairs]
    row |= {"scores": values, "gains": gains}
    if gains:
        from keras_reinit.analysis import sign_test

        test = sign_test(*zip(*pairs, strict=True))
        row |= {"gain": fmean(gains), "gain_deviation": deviation(gains)}
        row |= {"wins": test.wins, "losses": test.losses, "p_value": test.p_value}
    return row


def _correct(rows):
    from keras_reinit.analysis import holm

    tested = [row for row in rows if "p_value" in row]
    for row, p_holm in zip(tested, holm([row["p_value"] for row in tested]), strict=True):
        row |= {"p_holm": p_holm, "significant": p_holm <= LEVEL}


def chosen(records, by, varied, score="validation_accuracy", **columns):
    """The runs of the best setting of each group: that with the highest mean, the first of equals.

    Args:
        records: list of dicts, or a DataFrame.
        by: names of the entries that tell groups apart.
        varied: names of the entries that tell the settings of a group apart.
        score: the entry whose mean decides where there are several.
        **columns: as `summary`, over all runs of the group.

    Returns:
        A DataFrame of runs, with these columns and "settings", how many there were.
    """
    kept = []
    for _, members in each(records, *by):
        settings = [same for _, same in each(members, *varied)]
        best = settings[0]
        if len(settings) > 1:
            best = max(settings, key=lambda same: fmean(same[score]))
        kept.append(best.assign(settings=len(settings), **aggregated(members, columns)))
    return pd.concat(kept) if kept else frame([])


def best(rows, *place, score="mean", of=max):
    """The rows with a column "best": whether a row's score is the highest at its place.

    Args:
        rows: DataFrame.
        *place: columns in which rows that are compared agree.
        score: the column that is compared; None is never the best.
        of: `max`, or `min` where less is better.
    """
    found = pd.Series(False, rows.index, dtype=object)
    for _, members in each(rows, *place):
        values = [value for value in members[score] if value is not None]
        if values:
            found[members.index] = [value == of(values) for value in members[score]]
    return rows.assign(best=found)


def pairwise(records, by, pair, score="test_accuracy"):
    """Which arm is better than which: exact one-sided sign tests of all ordered pairs.

    Ties are dropped; Holm's correction is over the ordered pairs at one place. Arms that share no
    run make no pair.

    Args:
        records: list of dicts, or a DataFrame.
        by: names of the entries that tell groups apart, the arm's last.
        pair: names of the entries that tell pairs of runs apart, such as ("dataset", "seed"); runs
            of one arm that are equal in all of them count once, with their mean.
        score: the entry that is compared.

    Returns:
        A DataFrame: `by` but for the arm, better, worse, wins, losses, ties, p_value, p_holm and
        mark, which is "°" where p_holm is at most 5 %, "*" where only p_value is, else "".

    Reference:
        Alabdulmohsin et al. 2021, Table 3.
    """
    from keras_reinit.analysis import holm, sign_test

    *place, arm = by
    found = []
    for values, members in each(records, *place):
        values = values if len(place) != 1 else (values,)
        scores, rows = paired(members, pair, arm, score), []
        for better, worse in itertools.permutations(scores, 2):
            others = scores[worse]
            pairs = [(value, others[key]) for key, value in scores[better].items() if key in others]
            if pairs:
                test = sign_test(*zip(*pairs, strict=True))
                row = dict(zip(place, values, strict=True))
                rows.append(row | {"better": better, "worse": worse, **test._asdict()})
        for row, p_holm in zip(rows, holm([row["p_value"] for row in rows]), strict=True):
            mark = "°" if p_holm <= LEVEL else "*" if row["p_value"] <= LEVEL else ""
            row |= {"p_holm": p_holm, "mark": mark}
        found += rows
    tested = ("wins", "losses", "ties", "p_value", "p_holm", "mark")
    return frame(found, [*place, "better", "worse", *tested])


def paired(records, pair, by="method", score="test_accuracy"):
    """The mean scores of each arm: {arm: {values of the entries `pair`: score}}.

    Example:
        >>> paired([{"method": "LW", "seed": 3, "test_accuracy": 0.5}], ["seed"])
        {'LW': {(3,): 0.5}}
    """
    found: dict = {}
    for record in _dicts(records):
        runs = found.setdefault(record[by], {})
        runs.setdefault(tuple(record[name] for name in pair), []).append(record[score])
    return {
        arm: {key: fmean(values) for key, values in runs.items()} for arm, runs in found.items()
    }


def _dicts(records):
    return records.to_dict("records") if isinstance(records, pd.DataFrame) else records


def seeds_needed(comparisons):
    """The fewest paired runs with which all wins are significant after Holm's correction.

    `n = min {n: comparisons / 2^n <= 0.05}`
    """
    return next(seeds for seeds in itertools.count(1) if comparisons / 2**seeds <= LEVEL)


def seeds_of(rows):
    """How many seeds rows have, as text: "5 seeds", or "3 to 5 seeds".

    Args:
        rows: DataFrame with "seeds", at least one row.
    """
    text = span(rows["seeds"])
    return f"{text} seed{'' if text == '1' else 's'}"


def span(counts):
    """The lowest and the highest of some counts as text: "3", or "3 to 5"."""
    return " to ".join(map(str, dict.fromkeys((min(counts), max(counts)))))
