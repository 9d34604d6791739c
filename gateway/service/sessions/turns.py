"""One at a time, in order of arrival, with a queue that has an end."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

from gateway.core.errors import Busy, GatewayError, TooManyRequests

RETRY_AFTER_S = 1.0


class Turns:
    """A queue for one thing that is used by one at a time; *most_waiting* may wait."""

    def __init__(self, most_waiting: int) -> None:
        self._most_waiting = most_waiting
        self._is_taken = False
        self._waiting: deque[asyncio.Future[None]] = deque()
        self._ends: list[asyncio.Future[None]] = []

    @property
    def is_taken(self) -> bool:
        """Somebody's turn is going on."""
        return self._is_taken

    @asynccontextmanager
    async def turn(self, patience_s: float | None = None) -> AsyncIterator[None]:
        """Wait for the turn, and have it inside the block.

        Raises TooManyRequests when too many wait, Busy when it has not come after *patience_s*, and what turn_away() is
        given. Who is cancelled while waiting gives up its place.
        """
        await self._enter(patience_s)
        try:
            yield
        finally:
            self._leave()

    def end_of_turn(self) -> asyncio.Future[None]:
        """Done once the turn that is going on now is over; at once when there is none."""
        end: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._ends.append(end)
        if not self._is_taken:
            self._tell_end()
        return end

    def turn_away(self, error: GatewayError) -> None:
        """Everyone who waits gets *error*; the turn that is going on goes on."""
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
        """Forget *place*; a turn that came in the very moment goes to the next."""
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
