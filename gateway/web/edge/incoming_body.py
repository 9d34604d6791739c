"""The body of one request while it arrives: what is kept of it, and when it is too much or too late."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from gateway.core.errors import GatewayError, RequestTimeout, TooLarge
from gateway.web.edge.admission import over_limit

DRAIN_FACTOR = 4
"""How many times the body limit is read and discarded, so that the client sees its 413 before the connection ends."""


class IncomingBody:
    """The pieces received so far. A refused body keeps none; the rest of it is read and discarded, up to a bound."""

    def __init__(self, limit_bytes: int) -> None:
        self._limit_bytes = limit_bytes
        self._kept = bytearray()
        self._timer: asyncio.TimerHandle | None = None
        self.received_bytes = 0
        self.refusal: GatewayError | None = None
        """The answer once the body has been discarded."""

    @property
    def data(self) -> bytes:
        """All that was kept."""
        return bytes(self._kept)

    @property
    def drain_bytes(self) -> int:
        """How much of a refused body is read."""
        return self._limit_bytes * DRAIN_FACTOR

    @property
    def is_over_limit(self) -> bool:
        """Whether more came than the endpoint takes."""
        return self.received_bytes > self._limit_bytes

    @property
    def is_over_drain(self) -> bool:
        """Whether more came than is read of a refused body."""
        return self.received_bytes > self.drain_bytes

    def check_declared(self, declared_bytes: int) -> None:
        """Raise TooLarge when the body is declared as larger than the endpoint takes."""
        if declared_bytes > self._limit_bytes:
            raise self.too_large()

    def too_large(self) -> TooLarge:
        """The answer to a body over the limit."""
        return over_limit(self._limit_bytes)

    def keep(self, piece: bytes) -> None:
        """Append *piece*."""
        self._kept += piece

    def refuse(self, error: GatewayError) -> None:
        """Keep nothing of this body; *error* is the answer to it."""
        self.refusal = error
        self._kept.clear()

    def expect_within(self, delay_s: float, on_late: Callable[[GatewayError], None]) -> None:
        """Call *on_late* with RequestTimeout in *delay_s*, unless this or `stop_waiting` is called before.

        The callback is the handler's. Kept longer than the timer, it would close a reference cycle around the body.
        """
        self.stop_waiting()
        late = RequestTimeout("The body took too long to arrive.")
        self._timer = asyncio.get_running_loop().call_later(delay_s, on_late, late)

    def stop_waiting(self) -> None:
        """The body is complete, or the connection has ended."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
