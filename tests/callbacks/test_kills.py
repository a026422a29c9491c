"""Real kills at random moments: the same bits in the end, or a refusal with its reason."""

import pytest

from tests.callbacks.kills import outcomes


@pytest.mark.slow
@pytest.mark.backends("tensorflow", reason="processes forked after an import")
def test_killed_trainings_end_with_the_same_bits_or_are_refused():
    kills, counts = outcomes(kills=6, seed=1)
    assert kills >= 6
    assert all("bit-identical" in outcome or "keras: refused" in outcome for outcome in counts)
