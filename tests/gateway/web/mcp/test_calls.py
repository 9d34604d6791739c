"""Only the client that made a call can cancel it."""

from __future__ import annotations

import asyncio

import pytest

from gateway.web.mcp.calls import Calls


async def test_a_call_is_cancelled_by_its_client_alone() -> None:
    """By key, session header and id; and no more once it is over."""
    calls, task = Calls(), asyncio.ensure_future(asyncio.sleep(3600))
    with calls.under_way(("k", "s", 1), task):
        for other in (("k2", "s", 1), ("k", "s2", 1), ("k", "s", "1"), ("k", "s", 2)):
            calls.cancel(other)
        await asyncio.sleep(0)
        assert not task.cancelling()
        calls.cancel(("k", "s", 1))
    with pytest.raises(asyncio.CancelledError):
        await task
    calls.cancel(("k", "s", 1))


async def test_a_client_without_a_session_header_cancels_nothing() -> None:
    """Its ids may be those of another client of the same key."""
    calls, task = Calls(), asyncio.ensure_future(asyncio.sleep(3600))
    with calls.under_way(("k", "", 1), task):
        calls.cancel(("k", "", 1))
        await asyncio.sleep(0)
        assert not task.cancelling()
    task.cancel()


async def test_a_second_call_of_the_same_id_takes_the_first_ones_place() -> None:
    """The end of the first does not forget the second."""
    calls = Calls()
    first, second = (asyncio.ensure_future(asyncio.sleep(3600)) for _ in range(2))
    with calls.under_way(("k", "s", 1), first):
        inner = calls.under_way(("k", "s", 1), second)
        inner.__enter__()
    calls.cancel(("k", "s", 1))
    await asyncio.sleep(0)
    assert second.cancelling()
    inner.__exit__(None, None, None)
    first.cancel()
