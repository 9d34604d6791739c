"""Fair queuing of what kernels send: a little of it is read in each turn of the event loop, the least served kernel first.

Reading takes the event loop's time, and the kernel decides how much. So the gateway counts the cost and does not measure
time: a turn reads about TURN_COST from all kernels together, then the event loop serves everybody else. The kernel that was
served least of late comes first, so one that sends a few messages does not wait behind those that flood (start-time fair
queuing, decision 19).
"""

from __future__ import annotations

import asyncio
from heapq import heappop, heappush
from itertools import count
from typing import Final, Protocol

TURN_COST: Final = 512 * 1024
"""What is read in one turn, in bytes; some two milliseconds."""
MESSAGE_COST: Final = 6 * 1024
"""What a message costs beside its bytes: its signature and two headers."""
FRAME_COST: Final = 256
VALUE_COST: Final = 96
"""What each value in a message costs beside its bytes."""


class Account:
    """How much of one kernel was read over all its connections, in the virtual time of the Share."""

    def __init__(self) -> None:
        self.served = 0


class Line(Protocol):
    """One connection to a kernel."""

    account: Account

    def read(self, most: int) -> tuple[int, bool]:
        """Read about *most* of what has come; answers what that cost, and whether there is more."""

    def hold(self) -> None:
        """Receive nothing until read() has read all that is there."""


class Share:
    """Reads connections in turn. There is one Share for all kernels of an event loop."""

    def __init__(self, turn_cost: int = TURN_COST) -> None:
        self._turn_cost = self._left = turn_cost
        self._now = 0
        self._waiting: list[tuple[int, int, int, Line]] = []
        self._order = count()
        self._is_due = False

    def ask(self, line: Line) -> None:
        """Have *line* read: at once, or when its turn comes."""
        if self._left > 0 and not self._waiting:
            self._serve(line)
        else:
            self._wait(line)
        if self._waiting or 2 * self._left < self._turn_cost:  # a few messages need no new turn
            self._expect_turn()

    def _serve(self, line: Line) -> None:
        self._now = max(self._now, line.account.served)
        cost, has_more = line.read(self._left)
        line.account.served = self._now + cost
        self._left -= cost
        if has_more:
            self._wait(line)

    def _wait(self, line: Line) -> None:
        line.hold()
        served = line.account.served
        heappush(self._waiting, (max(self._now, served), served, next(self._order), line))

    def _expect_turn(self) -> None:
        if not self._is_due:
            self._is_due = True
            asyncio.get_running_loop().call_soon(self._begin_turn)

    def _begin_turn(self) -> None:
        """Go on reading. What the last turn read too much is deducted: some turns without reading follow a large message."""
        self._is_due = False
        self._left = min(self._left + self._turn_cost, self._turn_cost)
        while self._waiting and self._left > 0:
            start, *_, line = heappop(self._waiting)
            if line.account.served > start:
                self._wait(line)  # another connection of its kernel was read meanwhile
            else:
                self._serve(line)
        if self._waiting or self._left <= 0:
            self._expect_turn()
