"""When a session ends by itself."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.service.sessions.expiry import Due, Expiry

SECONDS = st.integers(0, 50).map(float)


@pytest.mark.parametrize(
    ("idle_s", "ends_at", "active_at", "now", "due"),
    [
        (10, math.inf, 100, 109.9, None),
        (10, math.inf, 100, 110, "culled"),
        (10, 105, 100, 104.9, None),
        (10, 105, 100, 105, "expired"),
        (10, 110, 100, 110, "expired"),
        (10, 200, 100, 150, "culled"),
        (10, 120, 100, 150, "culled"),
        (10, 100, 100, 100, "expired"),
    ],
)
def test_what_is_due(idle_s: float, ends_at: float, active_at: float, now: float, due: Due | None) -> None:
    """Whichever comes first ends it, also when it is looked at late; never anything while a run goes on."""
    expiry = Expiry(idle_s, ends_at, active_at)
    assert expiry.due(now, is_busy=False) == due
    assert expiry.due(now, is_busy=True) is None


@given(SECONDS, st.one_of(SECONDS, st.just(math.inf)), st.lists(SECONDS, max_size=8), SECONDS)
def test_a_look_when_it_is_due_finds_it_due_and_none_before(
    idle_s: float, ends_at: float, touches: list[float], now: float
) -> None:
    """Whatever was done in it, and when: the timer that is set for due_at is enough."""
    expiry = Expiry(idle_s, ends_at, 0.0)
    for moment in sorted(touches):
        expiry = expiry.touched(moment)
    assert expiry.due(expiry.due_at, is_busy=False) is not None
    assert (expiry.due(now, is_busy=False) is None) == (now < expiry.due_at)
    assert expiry.due_at <= ends_at
    assert expiry.touched(now).due_at >= min(now, ends_at)
