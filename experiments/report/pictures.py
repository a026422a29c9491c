"""Pictures of records: what is drawn where."""


def panels(rows, panel, line, x, y):
    """What `plots.lines` draws: means with bands, one line an arm, in panels.

    Args:
        rows: list of dicts, or what `itertuples` of a DataFrame gives.
        panel: function of a row to the title of its panel, or the name of an entry; so are the
            others.
        line: to the name of its line.
        x: to its place.
        y: to a value, or a list of values, one a run.

    Returns:
        A dict {panel: {line: {x: list of values}}}.
    """
    found: dict = {}
    title, name, place, values = map(_entry, (panel, line, x, y))
    for row in rows:
        cell = found.setdefault(title(row), {}).setdefault(name(row), {})
        value = values(row)
        cell.setdefault(place(row), []).extend(value if isinstance(value, list) else [value])
    return found


def _entry(of):
    if callable(of):
        return of
    return lambda row: row[of] if isinstance(row, dict) else getattr(row, of)


def drawing(kind, *content, **options):
    """A function that makes a picture when it is called; matplotlib is not needed before.

    Args:
        kind: the function of `keras_reinit.analysis.plots`.
        *content: its arguments.
        **options: more of them.
    """

    def draw():
        from keras_reinit.analysis import plots

        return getattr(plots, kind)(*content, **options)

    return draw


def hundredfold(values):
    """Shares of 1 in percent."""
    return [100 * value for value in values]
