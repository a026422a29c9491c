"""The table on the poster of Zaidi et al. 2022, as shares of 1."""

import csv
import importlib.resources


def ladder():
    """Test accuracy of re-initialised networks; what its rows are is lost.

    Returns:
        A dict {(row, method, distilled): (mean, deviation)}: row 1 to 4 from the top, "LW" or
        "S&P", whether there is self-distillation.

    Example:
        >>> ladder()[1, "S&P", False]
        (0.631, 0.006)
    """
    package = importlib.resources.files("experiments.published")
    text = package.joinpath("zaidi2022_ladder.csv").read_text(encoding="utf-8")
    return {
        (int(row["row"]), row["method"], row["distilled"] == "yes"): (
            round(float(row["mean"]) / 100, 5),
            round(float(row["deviation"]) / 100, 5),
        )
        for row in csv.DictReader(text.splitlines())
    }
