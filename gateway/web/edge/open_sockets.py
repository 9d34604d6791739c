"""Which WebSockets are open, so that each is told when the gateway ends."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import Protocol


class OpenSocket(Protocol):
    """An upgraded connection."""

    @property
    def is_busy(self) -> bool:
        """Whether a run of its client is under way."""

    def end(self, code: int, reason: str) -> None:
        """Close it with *code* and *reason*."""

    def drop(self) -> None:
        """Cut it off at once."""


class OpenSockets:
    """The WebSockets of one server."""

    def __init__(self) -> None:
        self._open: set[OpenSocket] = set()
        self._empty = asyncio.Event()

    def __len__(self) -> int:
        """How many are open."""
        return len(self._open)

    @property
    def is_busy(self) -> bool:
        """Whether a client of any of them has still something to come."""
        return any(socket.is_busy for socket in self._open)

    def enter(self, socket: OpenSocket) -> None:
        """It is open."""
        self._open.add(socket)

    def leave(self, socket: OpenSocket) -> None:
        """It is closed."""
        self._open.discard(socket)
        if not self._open:
            self._empty.set()

    def end_idle(self, code: int, reason: str) -> None:
        """Close those on which nothing is under way."""
        for socket in [socket for socket in self._open if not socket.is_busy]:
            socket.end(code, reason)

    async def end(self, code: int, reason: str, timeout_s: float) -> None:
        """Close all of them, and wait at most *timeout_s* for the clients to agree."""
        for socket in list(self._open):
            socket.end(code, reason)
        self._empty.clear()
        if self._open:
            with suppress(TimeoutError):
                await asyncio.wait_for(self._empty.wait(), timeout_s)

    def drop(self) -> None:
        """Cut all of them off."""
        for socket in list(self._open):
            socket.drop()
