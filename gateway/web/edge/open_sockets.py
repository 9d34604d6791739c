"""The open WebSockets, so that the gateway can close each of them with a reason when it ends."""

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
        """Disconnect it at once."""


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
        """Whether a run of any of their clients is under way."""
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
        """Close those without a run under way."""
        for socket in [socket for socket in self._open if not socket.is_busy]:
            socket.end(code, reason)

    async def end(self, code: int, reason: str, timeout_s: float) -> None:
        """Close all of them, and wait at most *timeout_s* until the clients have closed too."""
        for socket in list(self._open):
            socket.end(code, reason)
        self._empty.clear()
        if self._open:
            with suppress(TimeoutError):
                await asyncio.wait_for(self._empty.wait(), timeout_s)

    def drop(self) -> None:
        """Disconnect all of them."""
        for socket in list(self._open):
            socket.drop()
