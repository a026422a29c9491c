"""Which method is better: paired sign test and correction for many comparisons."""

from typing import NamedTuple

from keras_reinit.core import check_numbers


class SignTest(NamedTuple):
    """Outcome of a sign test.

    Attributes:
        wins: pairs in which the treatment scored higher.
        losses: pairs in which the control did.
        ties: pairs in which neither did; they are dropped.
        p_value: probability of at least so many wins if both were alike.
    """

    wins: int
    losses: int
    ties: int
    p_value: float


def sign_test(treatment, control):
    """Exact one-sided sign test that `treatment` is above `control`; ties are dropped.

    `p = P(B >= wins)` with `B ~ Binomial(wins + losses, 1/2)`

    Args:
        treatment: scores of the method that may be better, one per paired run.
        control: scores of the other method, in the same order.

    Returns:
        A `SignTest(wins, losses, ties, p_value)`; `p_value` is 1 where every pair is a tie.

    Raises:
        ImportError: if SciPy is missing.
        ValueError: if the two do not have the same length, or a score is not finite.

    Example:
        >>> sign_test([0.8, 0.7, 0.9, 0.6], [0.7, 0.6, 0.8, 0.6])
        SignTest(wins=3, losses=0, ties=1, p_value=0.125)

    Reference:
        Alabdulmohsin et al. 2021, Table 3; Demšar 2006.
    """
    try:
        from scipy import stats
    except ImportError as error:
        raise ImportError(
            "A sign test needs SciPy. Install it with: pip install keras-reinit[analysis]"
        ) from error
    treatment, control = check_numbers("treatment", treatment), check_numbers("control", control)
    if treatment.shape != control.shape:
        raise ValueError(
            f"Scores are not paired. Received: `treatment` of length {len(treatment)}, `control` "
            f"of length {len(control)}. Expected two vectors of the same length."
        )
    wins, losses = int((treatment > control).sum()), int((treatment < control).sum())
    decided = wins + losses
    p_value = stats.binomtest(wins, decided, alternative="greater").pvalue if decided else 1.0
    return SignTest(wins, losses, len(treatment) - decided, float(p_value))


def holm(p_values):
    """Holm's step-down correction: adjusted p-values that control the family-wise error rate.

    `adjusted_(i) = max_(j <= i) min(1, (m - j + 1) * p_(j))` with `p_(1) <= ... <= p_(m)`

    A hypothesis is rejected at a level where its adjusted p-value is not above that level.

    Args:
        p_values: the p-value of each of the m tests, in [0, 1].

    Returns:
        The adjusted p-values as a list, in the order received.

    Raises:
        ValueError: if a p-value is outside [0, 1].

    Example:
        >>> holm([0.01, 0.04, 0.03])
        [0.03, 0.06, 0.06]

    Reference:
        Holm 1979; Alabdulmohsin et al. 2021, Table 3.
    """
    p_values = check_numbers("p_values", p_values, least=0, most=1).tolist()
    adjusted, largest = [0.0] * len(p_values), 0.0
    for rank, index in enumerate(sorted(range(len(p_values)), key=p_values.__getitem__)):
        largest = max(largest, min(1.0, (len(p_values) - rank) * p_values[index]))
        adjusted[index] = largest
    return adjusted
