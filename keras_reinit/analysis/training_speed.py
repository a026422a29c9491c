"""How long each round of training takes."""

import math

from keras_reinit.core import check_number, check_numbers


def epochs_to_reach(accuracy, rounds, threshold=0.99):
    """The number of epochs that each round needs to reach a training accuracy.

    `epochs = min {e : accuracy of the round's e-th epoch >= threshold}`, counted from 1

    Times the steps of an epoch, it is the number of steps.

    Args:
        accuracy: training accuracy after each epoch, of all rounds one after another.
        rounds: the round that each epoch belongs to, as many; numbers that never go down.
        threshold: the accuracy to reach.

    Returns:
        A list with an int for each round, in order; None for a round that never gets there.

    Raises:
        ValueError: if the two differ in length, or a round comes after a later one.

    Example:
        >>> epochs_to_reach([0.5, 0.99, 0.8, 0.9, 1.0], [0, 0, 1, 1, 2])
        [2, None, 1]

    Reference:
        Alabdulmohsin et al. 2021, Appendix E and Figure 8.
    """
    accuracy = check_numbers("accuracy", accuracy).tolist()
    rounds = check_numbers("rounds", rounds).tolist()
    threshold = check_number("threshold", threshold, least=-math.inf)
    if len(accuracy) != len(rounds):
        raise ValueError(
            f"Each epoch belongs to a round. Received: {len(accuracy)} accuracies, {len(rounds)} "
            "round numbers"
        )
    if rounds != sorted(rounds):
        raise ValueError(
            f"Rounds come one after another. Received: rounds={rounds}. Expected numbers that "
            "never go down"
        )
    reached: dict = {}
    started: dict = {}
    for epoch, (value, number) in enumerate(zip(accuracy, rounds, strict=True)):
        first = started.setdefault(number, epoch)
        reached.setdefault(number, None)
        if reached[number] is None and value >= threshold:
            reached[number] = epoch - first + 1
    return list(reached.values())
