"""Opens watches of sessions, so many for each key."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable

from gateway.core.errors import TooManyRequests
from gateway.core.request import Caller
from gateway.service.session_feed import SessionFeed, Watch

MAX_WATCHES = 64
"""How many watches a key may have at a time: each is a connection, and every event is sent to each."""

Feeds = Callable[[str, Caller], SessionFeed]
"""Finds the feed of a session of this caller; raises NotFound or Gone."""


class Watches:
    """The open watches of all keys."""

    def __init__(self, feeds: Feeds) -> None:
        self._feeds = feeds
        self._open: Counter[str] = Counter()

    def open(self, session_id: str, caller: Caller, after: int | None, news: asyncio.Event) -> Watch:
        """A watch of this session, see session_feed.Watch. Raises NotFound, Gone, BadRequest or TooManyRequests."""
        feed = self._feeds(session_id, caller)
        if self._open[caller.key_id] >= MAX_WATCHES:
            raise TooManyRequests(f"A key may have {MAX_WATCHES} watches at a time: close one.", retry_after_s=1)
        watch = Watch(feed, after, news)
        self._open[caller.key_id] += 1
        return watch

    def close(self, watch: Watch, caller: Caller) -> None:
        """End *watch*, which this caller has opened."""
        watch.close()
        self._open[caller.key_id] -= 1
        if not self._open[caller.key_id]:
            del self._open[caller.key_id]
