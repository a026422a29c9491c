"""The table on the poster of Zaidi et al. 2022, as shares of 1."""

from experiments.report.published import rows, share


def ladder():
    """Test accuracy of re-initialised networks; what its rows are is lost.

    Returns:
        A dict {(row, method, distilled): (mean, deviation)}: row 1 to 4 from the top, "LW" or
        "S&P", whether there is self-distillation.

    Example:
        >>> ladder()[1, "S&P", False]
        (0.631, 0.006)
    """
    return {
        (int(row["row"]), row["method"], row["distilled"] == "yes"): (
            share(row["mean"]),
            share(row["deviation"]),
        )
        for row in rows(__file__, "ladder")
    }
