"""When another spawner is due, and since when there is none."""

from __future__ import annotations

import itertools

from gateway.core.outage import DELAYS_S, Outage


def test_the_first_attempt_is_made_at_once_and_there_is_never_a_last_one() -> None:
    """The delays grow, and the longest one goes on for ever; the beginning stays what it was."""
    outage, seen = Outage(1_700_000_000.0), []
    for _ in range(1000):
        seen.append(outage.delay_s)
        outage = outage.failed()
    assert seen[0] == 0.0
    assert all(before <= after for before, after in itertools.pairwise(seen))
    assert set(seen[len(DELAYS_S) :]) == {30.0}
    assert (outage.since_utc, outage.failures) == (1_700_000_000.0, 1000)


def test_an_outage_lasts_from_the_longest_delay_on() -> None:
    """Before, it is an incident that mostly passes."""
    outage = Outage(0.0)
    while outage.delay_s < DELAYS_S[-1]:
        assert not outage.is_lasting
        outage = outage.failed()
    assert outage.is_lasting and outage.failed().is_lasting
