"""A client of a kernel, as the kernel sees it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from gateway.core.jupyter import Relayed


class Listener(Protocol):
    """A connected client."""

    @property
    def listener_id(self) -> str:
        """Its name, never used again by another one."""

    @property
    def session_id(self) -> str:
        """What the client calls itself; "" when it does not say."""

    @property
    def is_behind(self) -> bool:
        """It has so much unsent that the kernel should wait."""

    def deliver(self, messages: Sequence[Relayed]) -> None:
        """Send, in order; must not raise."""

    def end(self, code: int, reason: str) -> None:
        """Close the connection."""

    def undelivered(self) -> Sequence[Relayed]:
        """What it certainly did not get."""
