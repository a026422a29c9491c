"""The numbers on the poster of Arpit et al. 2019: errors as shares of 1, curvatures as printed."""

from experiments.report.published import rows, share


def errors():
    """Test error on CIFAR.

    Returns:
        A dict {(model, method): (mean, deviation)}: "ResNet-56", "ResNet-110" and "WRN-40-10" on
        CIFAR-10, "ResNet-164" on CIFAR-100, the last two with cutout; "data-dependent",
        "proposed", "proposed, warm-up", "BN" or "Shang et al.". A deviation that is not given is
        None.

    Example:
        >>> errors()["ResNet-56", "proposed"]
        (0.0787, 0.0014)
    """
    return {
        (row["model"], row["method"]): (share(row["mean"]), share(row["deviation"]))
        for row in rows(__file__, "errors")
    }


def curvature():
    """Logarithm of the Hessian's spectral norm at initialisation.

    Returns:
        A dict {(model, scheme): (mean, deviation)}: "WRN-40-10" on CIFAR-10 or "ResNet-164" on
        CIFAR-100; "PyTorch default", "data-dependent", "Hanin" or "proposed".

    Example:
        >>> curvature()["WRN-40-10", "proposed"]
        (1.31, 0.12)
    """
    return {
        (row["model"], row["scheme"]): (float(row["mean"]), float(row["deviation"]))
        for row in rows(__file__, "curvature")
    }
