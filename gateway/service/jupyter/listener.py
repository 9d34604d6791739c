"""A connected client, as its Jupyter kernel sees it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from gateway.core.jupyter import Relayed


class Listener(Protocol):
    """A connected client."""

    @property
    def listener_id(self) -> str:
        """Its name, which no other client ever gets."""

    @property
    def session_id(self) -> str:
        """What the client calls itself; "" when it does not say."""

    @property
    def taken_bytes(self) -> int:
        """How many bytes it has read since it connected."""

    @property
    def is_served(self) -> bool:
        """Whether it has read all that was delivered."""

    def deliver(self, messages: Sequence[Relayed]) -> None:
        """Send these in order, as fast as the client reads; must not raise."""

    def end(self, code: int, reason: str) -> None:
        """Close the connection, after what was delivered if the client reads that soon."""

    def take_back(self) -> Sequence[Relayed]:
        """The messages that it certainly did not get, and will not get."""
