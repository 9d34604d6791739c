"""Who may watch a session, and how many may at a time."""

from __future__ import annotations

import asyncio

import pytest

from gateway.core.errors import BadRequest, NotFound, TooManyRequests
from gateway.core.request import Caller
from gateway.service.runs.watches import MAX_WATCHES, Watches
from gateway.service.session_feed import SessionFeed

ONE, OTHER = Caller("k1", "one"), Caller("k2", "other")


async def test_a_key_has_so_many_watches_and_other_keys_as_many() -> None:
    """Over all of its sessions; a watch that is closed makes room, and one that is refused takes none."""
    feeds = {"a": SessionFeed(), "b": SessionFeed()}
    watches = Watches(lambda session_id, _caller: feeds[session_id])
    for _ in range(MAX_WATCHES):
        with pytest.raises(BadRequest):
            watches.open("a", ONE, 99, asyncio.Event())
    opened = [watches.open("ab"[at % 2], ONE, None, asyncio.Event()) for at in range(MAX_WATCHES)]
    with pytest.raises(TooManyRequests):
        watches.open("a", ONE, None, asyncio.Event())
    other = watches.open("a", OTHER, None, asyncio.Event())
    watches.close(opened.pop(), ONE)
    opened.append(watches.open("b", ONE, 0, asyncio.Event()))
    for watch in opened:
        watches.close(watch, ONE)
    watches.close(other, OTHER)
    assert not feeds["a"].is_watched(0)
    assert not feeds["b"].is_watched(0)


async def test_a_session_of_another_key_is_not_there() -> None:
    """The table of sessions says so."""

    def find(session_id: str, caller: Caller) -> SessionFeed:
        raise NotFound("There is no such session.")

    with pytest.raises(NotFound):
        Watches(find).open("a", OTHER, None, asyncio.Event())
