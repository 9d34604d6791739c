"""The token bucket: how much is let through, and how long is told to wait."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from gateway.core.limits import Bucket, Rate, Timeouts


def test_a_minutes_share_may_come_at_once_and_then_evenly() -> None:
    """Ten a minute: ten now, one more after six seconds."""
    rate, bucket = Rate.of(10), Bucket()
    for _ in range(10):
        bucket, wait_s = bucket.take(rate, 100.0)
        assert wait_s == 0
    bucket, wait_s = bucket.take(rate, 100.0)
    assert round(wait_s, 3) == 6
    bucket, wait_s = bucket.take(rate, 106.0)
    assert wait_s == 0
    assert bucket.take(rate, 106.0)[1] > 5


def test_being_refused_costs_nothing() -> None:
    """Whoever asks in vain a thousand times still waits as long as told the first time."""
    rate, bucket = Rate.of(1), Bucket().take(Rate.of(1), 0.0)[0]
    for moment in range(1000):
        bucket, wait_s = bucket.take(rate, moment * 0.059)
        assert wait_s > 0
    assert bucket.take(rate, 60.0)[1] == 0


def test_a_clock_that_stands_or_goes_back_gives_nothing_away() -> None:
    """It only ever makes somebody wait longer."""
    bucket, _ = Bucket().take(Rate.of(1), 100.0)
    assert bucket.take(Rate.of(1), 100.0)[1] > 0
    assert bucket.take(Rate.of(1), 0.0)[1] > 0


def test_a_smaller_rate_does_not_make_old_debts_endless() -> None:
    """After a key's limit was lowered it waits by the new limit, and not for what the old one let through."""
    bucket = Bucket()
    for _ in range(1000):
        bucket, _ = bucket.take(Rate.of(1000), 0.0)
    assert 59 < bucket.take(Rate.of(1), 0.0)[1] <= 60


@given(
    st.integers(1, 100),
    st.lists(st.floats(0, 30, allow_nan=False, allow_infinity=False), max_size=200),
)
def test_never_more_than_the_rate_gets_through(per_minute: int, gaps: list[float]) -> None:
    """Over any time: what may come at once, and then so many a minute; and who waits as told gets in."""
    rate, bucket, now, taken = Rate.of(per_minute), Bucket(), 0.0, 0
    for gap in gaps:
        now += gap
        bucket, wait_s = bucket.take(rate, now)
        taken += wait_s == 0
        assert taken <= per_minute + now * per_minute / 60 + 0.01
        if wait_s:
            assert bucket.take(rate, now + wait_s)[1] == 0


def test_the_timeouts_of_a_key_are_its_own() -> None:
    """Its maximum takes the place of the gateway's, and bounds the default."""
    timeouts = Timeouts(30, 300)
    assert timeouts.within(None) is timeouts
    assert timeouts.within(10) == Timeouts(10, 10)
    assert timeouts.within(900) == Timeouts(30, 900)
