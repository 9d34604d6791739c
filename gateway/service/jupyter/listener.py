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
    def taken_bytes(self) -> int:
        """How many bytes it has taken in since it is connected."""

    @property
    def is_served(self) -> bool:
        """It has taken in all that was delivered."""

    def deliver(self, messages: Sequence[Relayed]) -> None:
        """Send, in order, when it takes them in; must not raise."""

    def end(self, code: int, reason: str) -> None:
        """Close the connection, after what was delivered if it takes that in soon."""

    def take_back(self) -> Sequence[Relayed]:
        """What it certainly did not get, and does not get any more."""
