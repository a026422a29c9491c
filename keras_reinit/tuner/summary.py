"""What a search has found: its trials as dicts and as text."""

import math

import keras_tuner

from keras_reinit.tuner.space import OF_ALL, OF_METHODS


def trials(tuner):
    """The trials of a search, the best first, then those without a score.

    Args:
        tuner: a `keras_tuner.Tuner`: after the search, made again from its directory, or the chief
            of a distributed search.

    Returns:
        A list of dicts with "trial", "status", "score" (None where there is none), a key for
        each hyperparameter (None where it is inactive), for Hyperband "epochs", the budget of the
        trial, and "error" (None, or the last line of the error of a trial that failed).

    Raises:
        ValueError: if the tuner is a worker of a distributed search, which knows no trials.

    Example:
        >>> trials(tuner)[0]["method"]
        'S&P'
    """
    oracle = tuner.oracle
    if not isinstance(oracle, keras_tuner.Oracle):
        raise ValueError(
            "A worker does not know all trials. Received: a tuner made with KERASTUNER_ORACLE_IP "
            "set. Expected that of the chief, or one made in the same directory without it"
        )
    rows = [_row(trial, oracle.get_space()) for trial in oracle.trials.values()]
    sign = -1 if oracle.objective.direction == "max" else 1

    def rank(row):
        return math.inf if row["score"] is None else sign * row["score"], row["trial"]

    return sorted(rows, key=rank)


def table(tuner):
    """The trials of a search as lines of text, the best first.

    Args:
        tuner: as `trials` takes it.

    Returns:
        A str: the score and the hyperparameters of each trial, "-" for one that it does not have.

    Raises:
        ValueError: as `trials`.

    Example:
        >>> print(table(tuner))
    """
    rows = trials(tuner)
    names = [name for name in (rows[0] if rows else ()) if name not in ("status", "error")]
    lines = [names, *([_text(row[name]) for name in names] for row in rows)]
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    shown = [
        "  ".join(text.rjust(width) for text, width in zip(line, widths, strict=True))
        for line in lines
    ]
    failed = [f"{row['trial']}: {row['status']}: {row['error']}" for row in rows if row["error"]]
    return "\n".join([*shown, *failed])


def _row(trial, space):
    names = dict.fromkeys(
        ["method", "rounds", *OF_METHODS, *OF_ALL, *(hp.name for hp in space.space)]
    )
    known = {hp.name for hp in space.space}
    values = trial.hyperparameters.values
    row = {"trial": trial.trial_id, "status": trial.status}
    row["score"] = trial.score if trial.status == "COMPLETED" else None
    if "tuner/epochs" in values:
        row["epochs"] = values["tuner/epochs"]
    row |= {name: values.get(name) for name in names if name in known}
    lines = (trial.message or "").strip().splitlines()
    return {**row, "error": lines[-1] if lines else None}


def _text(value):
    if value is None:
        return "-"
    return f"{value:.4g}" if isinstance(value, float) else str(value)
