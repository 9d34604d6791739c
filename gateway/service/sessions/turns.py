"""A bounded queue for one resource: one user at a time, in order of arrival."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

from gateway.core.errors import Busy, GatewayError, TooManyRequests

RETRY_AFTER_S = 1.0


class Turns:
    """Turns at one resource; at most *most_waiting* callers wait."""

    def __init__(self, most_waiting: int) -> None:
        self._most_waiting = most_waiting
        self._is_taken = False
        self._waiting: deque[asyncio.Future[None]] = deque()
        self._ends: list[asyncio.Future[None]] = []

    @property
    def is_taken(self) -> bool:
        """Whether a turn is under way."""
        return self._is_taken

    @asynccontextmanager
    async def turn(self, patience_s: float | None = None) -> AsyncIterator[None]:
        """Wait for the turn, and have it inside the block.

        Raises TooManyRequests if too many wait, Busy if the turn has not come after *patience_s*, and the error given to
        turn_away(). A caller that is cancelled while waiting loses its place.
        """
        await self._enter(patience_s)
        try:
            yield
        finally:
            self._leave()

    def end_of_turn(self) -> asyncio.Future[None]:
        """Done once the turn under way is over; at once if there is none."""
        end: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._ends.append(end)
        if not self._is_taken:
            self._tell_end()
        return end

    def turn_away(self, error: GatewayError) -> None:
        """Fail all callers that wait with *error*; the turn under way goes on."""
        while self._waiting:
            place = self._waiting.popleft()
            if not place.done():
                place.set_exception(error)

    async def _enter(self, patience_s: float | None) -> None:
        if not self._is_taken:
            self._is_taken = True
            return
        if len(self._waiting) >= self._most_waiting:
            raise TooManyRequests(
                f"{self._most_waiting} requests are already waiting for this session: try again later.",
                retry_after_s=RETRY_AFTER_S,
            )
        place: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.append(place)
        try:
            async with asyncio.timeout(patience_s):
                await place
        except BaseException as error:
            self._give_up(place)
            if isinstance(error, TimeoutError):
                raise Busy("The session is busy with a run: try again later.", retry_after_s=RETRY_AFTER_S) from None
            raise

    def _give_up(self, place: asyncio.Future[None]) -> None:
        """Forget *place*; if its turn came in this moment, the next caller gets it."""
        with suppress(ValueError):
            self._waiting.remove(place)
        if place.done() and not place.cancelled() and place.exception() is None:
            self._leave()

    def _tell_end(self) -> None:
        for end in self._ends:
            if not end.done():
                end.set_result(None)
        self._ends.clear()

    def _leave(self) -> None:
        self._tell_end()
        while self._waiting:
            place = self._waiting.popleft()
            if not place.done():
                place.set_result(None)
                return
        self._is_taken = False
