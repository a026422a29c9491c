"""The tables of Ash & Adams 2020, as shares of 1: mean and deviation of five runs."""

from experiments.report.published import rows, share


def warm_starts():
    """Table 1: accuracy after training on all of the data.

    Returns:
        A dict {(dataset, start, network, optimizer): (mean, deviation)}; a start is "random" or
        "warm".

    Example:
        >>> warm_starts()["cifar10", "warm", "resnet18", "adam"]
        (0.744, 0.009)
    """
    return _scores("table1", "dataset", "start", "network", "optimizer")


def first_halves():
    """Table 2: accuracy after training on the first half.

    Returns:
        A dict {(dataset, "first half", network, optimizer): (mean, deviation)}.
    """
    return _scores("table2", "dataset", "start", "network", "optimizer")


def penalties():
    """Table 3: accuracy under a penalty.

    Returns:
        A dict {(penalty, strength, start): (mean, deviation)}; a penalty is "l2", "adversarial" or
        "confidence".
    """
    return _numbered(_scores("table3", "penalty", "strength", "start"), 1)


def noise():
    """Table 4: accuracy after noise alone.

    Returns:
        A dict {(noise,): (mean, deviation)}.
    """
    return _numbered(_scores("table4", "noise"), 0)


def noise_minutes():
    """Table 4: time of training after noise alone.

    Returns:
        A dict {noise: (mean, deviation)} in minutes; a deviation that is misprinted is None.
    """
    return {
        float(row["noise"]): (
            float(row["minutes"]),
            float(row["minutes_deviation"]) if row["minutes_deviation"] else None,
        )
        for row in rows(__file__, "table4")
    }


def last_layers():
    """Table 5: accuracy where the last layer is trained before the others, or alone.

    Returns:
        A dict {(dataset, start): (mean, deviation)}; a start is "last layer", "last layer, then
        all", "warm" or "random".
    """
    return _scores("table5", "dataset", "start")


def stream(dataset, network):
    """Figures 15 (the numbers of Figure 8) and 21: a stream of 1000 examples a stage, at its end.

    Returns:
        A dict {(shrink, perturb): (accuracy, training time in minutes)} without the cells that the
        paper leaves blank; empty where it prints no numbers.
    """
    figures = {("cifar10", "resnet18"): "figure15", ("svhn_cropped", "mlp_relu"): "figure21"}
    if (dataset, network) not in figures:
        return {}
    return {
        (float(row["shrink"]), float(row["perturb"])): (
            share(row["accuracy"]),
            float(row["minutes"]),
        )
        for row in rows(__file__, figures[dataset, network])
    }


def _scores(table, *names):
    return {
        tuple(row[name] for name in names): (share(row["mean"]), share(row["deviation"]))
        for row in rows(__file__, table)
    }


def _numbered(scores, place):
    """The same with a number instead of a text in one place of the keys."""
    return {
        (*key[:place], float(key[place]), *key[place + 1 :]): value for key, value in scores.items()
    }
