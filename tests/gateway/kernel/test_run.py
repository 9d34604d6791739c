"""What one run may send in all, counted before anything of it is decoded."""

from __future__ import annotations

import asyncio

import pytest

from gateway.core.collect import UNREADABLE
from gateway.core.fold import Completed, Died
from gateway.core.model import Death, Event, RunSpec
from gateway.core.strict_json import Count
from gateway.core.validate import Message, Status, UnreadMessage
from gateway.kernel.run import MAX_MESSAGES, SETTLE_S, Cause, Run
from tests.fakes import in_fake_time

MIB = 1024 * 1024


def run() -> Run:
    """A run with the default limits."""
    return Run("m", RunSpec("python", "", 30, MIB, 32 * MIB), None, 0.0)


async def test_padding_ends_the_run_before_it_is_decoded() -> None:
    """Whatever kind of message carries it: it is charged by its weight."""
    taken, one, junk = 0, run(), b"x" * (16 * MIB)
    while one.can_take([b"signature", junk]):
        taken += len(junk)
        assert taken < 128 * MIB
    assert await one.next_cause() is Cause.EXCEEDED
    assert not one.can_take([b"more"])


@pytest.mark.parametrize("count", [Count(containers=20_000), Count(commas=100_000)], ids=["lists", "numbers"])
async def test_values_end_the_run_by_what_they_cost(count: Count) -> None:
    """Each message may be small, or just within its limit: all that a run makes is bounded."""
    one, taken = run(), 0
    while one.can_take([b"frame"]):
        one.feed([Message("m", UnreadMessage(), count)])
        taken += count.values
        assert taken < 4_000_000
    assert await one.next_cause() is Cause.EXCEEDED
    assert not one.can_take([b"more"])


async def test_messages_without_end_end_the_run() -> None:
    """However small they are, and though each may say something."""
    one, taken = run(), 0
    while one.can_take([b"frame"]):
        taken += 1
        assert taken <= MAX_MESSAGES
    assert await one.next_cause() is Cause.EXCEEDED


def test_nothing_follows_the_result() -> None:
    """A kernel that dies right after a reply that can't be read: its run is not ended a second time."""
    told: list[Event] = []

    async def main() -> None:
        one = Run("m", RunSpec("python", "", 30, MIB, 32 * MIB), told.append, 0.0)
        one.feed([Message("m", UNREADABLE), Message("m", Status("idle"))])
        one.result(Died(Death(1, 0, out_of_memory=False, asked=False), 0), 0.0)
        await asyncio.sleep(2 * SETTLE_S)

    in_fake_time(main())
    assert told == []


def test_what_is_not_read_is_missing() -> None:
    """The run goes on, and says so."""
    one = run()
    one.feed([Message("m", UnreadMessage())])
    result = one.result(Completed(), 0.0)
    assert (result.truncated, result.limit) == (True, None)


def test_all_that_the_limits_allow_fits() -> None:
    """A megabyte of text in small pieces or in one, each character escaped, and charts up to their limit."""
    assert all(run().can_take([b"h" * 900, b"x" * 20]) for _ in range(100_000))
    one = run()
    assert one.can_take([rb"\u0001" * MIB])
    assert all(one.can_take([b"iVBORw0KGgo" * (MIB // 11)]) for _ in range(32))
    assert run().can_take([b"1.0,2.0\n" * (MIB // 8)])
