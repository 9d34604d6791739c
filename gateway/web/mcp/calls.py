"""The calls under way of legacy clients, which cancel them by a message of their own."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from gateway.web.mcp.messages import Id

Key = tuple[str, str, Id]
"""The caller's key, the client's session header, and the id of the request."""


@dataclass(slots=True)
class Calls:
    """Which request which task carries out. Only a client that got a session header of its own can cancel."""

    _tasks: dict[Key, asyncio.Task[object]] = field(default_factory=dict)

    @contextmanager
    def under_way(self, key: Key, task: asyncio.Task[object]) -> Iterator[None]:
        """*task* can be cancelled inside the block, if its client can be told from others."""
        if not key[1]:
            yield
            return
        self._tasks[key] = task
        try:
            yield
        finally:
            if self._tasks.get(key) is task:
                del self._tasks[key]

    def cancel(self, key: Key) -> None:
        """Cancel the request, if it is under way."""
        task = self._tasks.get(key)
        if task is not None:
            task.cancel()
