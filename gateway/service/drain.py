"""Drain: when the gateway stops, work under way may finish and new work is refused."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager

from gateway.core.errors import Unavailable

RETRY_AFTER_S = 5


class Drain:
    """Counts the work under way, and refuses new work once it is closed."""

    def __init__(self) -> None:
        self._inside = 0
        self._is_closed = False
        self._empty = asyncio.Event()
        self._empty.set()

    @property
    def inside(self) -> int:
        """How much work is under way."""
        return self._inside

    @contextmanager
    def enter(self) -> Iterator[None]:
        """Count as work inside the block; raises Unavailable once close() was called."""
        if self._is_closed:
            raise Unavailable("The gateway is shutting down.", retry_after_s=RETRY_AFTER_S)
        self._inside += 1
        self._empty.clear()
        try:
            yield
        finally:
            self._inside -= 1
            if not self._inside:
                self._empty.set()

    def close(self) -> None:
        """Refuse new work from here on."""
        self._is_closed = True

    async def wait_empty(self, timeout_s: float) -> bool:
        """Whether all work has ended within *timeout_s*."""
        if not self._inside:
            return True
        try:
            await asyncio.wait_for(self._empty.wait(), timeout_s)
        except TimeoutError:
            return False
        return True
