"""One run under way: its events so far, and the reasons, in order, why it may have ended."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from enum import Enum, auto
from itertools import chain

from gateway.core.collect import CONTAINER_BYTES, Collector, coalesce
from gateway.core.fold import Ending, Fold
from gateway.core.model import Event, OnEvent, Result, RunSpec
from gateway.core.validate import Message


class Cause(Enum):
    """Why a run may have ended."""

    OVER = auto()
    DEADLINE = auto()
    UNANSWERED = auto()
    """Its code has waited for the host for as long as it may."""
    OUTPUT = auto()
    """It has printed or shown more than its limit: it is interrupted."""
    INTERRUPTED = auto()
    EXCEEDED = auto()
    """Its kernel has sent more than any honest one does: the kernel is killed."""
    LOST = auto()
    DIED = auto()


SETTLE_S = 0.5
"""How long after idle another reply may follow one that can't be read: code of the run can have forged the first."""
ENVELOPE_BYTES = 2048
"""Free of charge for each message, for headers and signature; MAX_MESSAGES bounds how many there are."""
SLACK_BYTES = 16 * 1024 * 1024
VALUE_BYTES = 32
"""What a value costs that is no list and no object."""
MAX_MESSAGES = 200_000
"""Messages of one run. An ordinary run reaches its output limit long before."""
MAX_EMPTY = 10_000
"""Messages of one run that add no event. A few are ordinary, such as busy and idle."""


class Run:
    """A run on a kernel, from its request to its result."""

    def __init__(self, msg_id: str, spec: RunSpec, on_event: OnEvent | None, started_at: float) -> None:
        self.msg_id = msg_id
        self._collector = Collector(msg_id, spec.output_bytes, spec.rich_bytes, spec.calls)
        self._fold = Fold()
        self._on_event = on_event
        self._started_at = started_at
        self._causes: asyncio.Queue[Cause] = asyncio.Queue()
        self._empty = self._messages = 0
        self._settling: asyncio.TimerHandle | None = None
        # JSON escapes can double the size of output. More than that is padding, and the kernel is killed for it.
        called_bytes = spec.calls.limits.total_bytes if spec.calls else 0
        self._wire_bytes = 2 * (spec.output_bytes + spec.rich_bytes + spec.fetch_bytes + called_bytes) + SLACK_BYTES

    @property
    def is_over(self) -> bool:
        """Whether reply and idle have come: the kernel has sent everything."""
        return self._collector.is_over

    @property
    def ends_kernel(self) -> bool:
        """Whether the kernel has said that it takes no other run."""
        return self._collector.ends_kernel

    @property
    def _is_flooded(self) -> bool:
        return self._empty > MAX_EMPTY or self._messages >= MAX_MESSAGES

    def note(self, cause: Cause) -> None:
        """Add a reason why the run may be at an end."""
        self._causes.put_nowait(cause)

    async def next_cause(self) -> Cause:
        """The next reason in order of time."""
        return await self._causes.get()

    def can_take(self, frames: Sequence[bytes]) -> bool:
        """Whether a message fits what this run may send in all; asked before anything of it is decoded."""
        if self._wire_bytes < 0 or self._is_flooded:
            return False
        self._messages += 1
        self._spend(max(0, sum(map(len, frames)) - ENVELOPE_BYTES))
        if self._messages == MAX_MESSAGES:
            self.note(Cause.EXCEEDED)
        return self._wire_bytes >= 0

    def _spend(self, cost_bytes: int) -> None:
        had_room = self._wire_bytes >= 0
        self._wire_bytes -= cost_bytes
        if had_room and self._wire_bytes < 0:
            self.note(Cause.EXCEEDED)

    def feed(self, messages: Sequence[Message]) -> None:
        """Take messages, hand on their events, and note if they end the run."""
        had_exceeded, was_over = self._collector.has_exceeded, self._collector.is_over
        counted = [message.count for message in messages]
        self._spend(sum(CONTAINER_BYTES * each.containers + VALUE_BYTES * each.commas for each in counted))
        fed = [self._collector.feed(message) for message in messages]
        events = coalesce(chain.from_iterable(fed))
        for event in events:
            self._fold.add(event)
        was_flooded, self._empty = self._is_flooded, self._empty + fed.count([])
        if self._is_flooded and not was_flooded:
            self.note(Cause.EXCEEDED)
        if self._collector.has_exceeded and not had_exceeded:
            self._wire_bytes = min(self._wire_bytes, SLACK_BYTES)  # what is under way, and the traceback
            self.note(Cause.OUTPUT)
        if self._collector.is_unsettled and self._settling is None:
            self._settling = asyncio.get_running_loop().call_later(SETTLE_S, self._settle)
        self._hand_on(events, was_over=was_over)

    def _settle(self) -> None:
        """End the run if no other reply has come than one that can't be read."""
        events = self._collector.settle()
        for event in events:
            self._fold.add(event)
        if events:
            self._hand_on(events, was_over=False)

    def _hand_on(self, events: Sequence[Event], *, was_over: bool) -> None:
        if self._collector.is_over and not was_over:
            self.note(Cause.OVER)
        if self._on_event is not None:
            for event in events:
                self._on_event(event)

    def result(self, ending: Ending, now: float) -> Result:
        """The result of all events; none follows."""
        if self._settling is not None:
            self._settling.cancel()
        return self._fold.finish(ending, now - self._started_at, is_truncated=self._collector.is_truncated)
