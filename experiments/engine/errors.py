"""Errors that the commands know, and messages that name the nearest valid choice."""

import difflib


class UsageError(ValueError):
    """A mistake in a command; its message alone tells the user what to do."""


class BackupLost(ValueError):
    """What an earlier process left of a run is not whole: the run has to begin again."""


def unknown(what, received, expected):
    """The message for a name that does not exist.

    Args:
        what: kind of name, such as "method".
        received: the name received.
        expected: the names that exist.

    Returns:
        A str: what is wrong, what was received, the nearest valid name, all valid names.

    Example:
        >>> unknown("method", "WLES", ["WELS", "LW"])
        "Unknown method. Received: 'WLES'. Did you mean 'WELS'? Expected one of: 'WELS', 'LW'."
    """
    folded = {name.lower(): name for name in expected}
    nearest = difflib.get_close_matches(str(received).lower(), folded, n=1, cutoff=0)
    guess = f" Did you mean '{folded[nearest[0]]}'?" if nearest else ""
    names = ", ".join(f"'{name}'" for name in expected)
    return f"Unknown {what}. Received: '{received}'.{guess} Expected one of: {names}."
