"""Turns kernel messages into the events of one run; the run is over after reply *and* idle, in either order."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from typing import Final, assert_never

from gateway.core.call_message import CallMessage
from gateway.core.host_calls import HostCalls
from gateway.core.host_tools import HostCall
from gateway.core.model import Cleared, Event, Finished, Raised, Text
from gateway.core.strict_json import Count, text_bytes
from gateway.core.validate import (
    Clear,
    ErrorMessage,
    ExecuteReply,
    Interrupted,
    Message,
    Shown,
    Status,
    StreamMessage,
    UnreadMessage,
    Welcome,
)

_UNREAD: Final = Raised("ExecutionError", "The kernel's answer can't be read", "")
UNREADABLE: Final = ExecuteReply("error", failure=ErrorMessage(_UNREAD, is_cut=False), is_cut=True)
"""What stands for a reply that is malformed or too much to read. It counts if no other one comes: code can forge one."""
CONTAINER_BYTES = 400
"""What a list or an object costs beside its bytes. `[],` takes seventy bytes of memory, and the garbage collector visits
every container that is kept."""
DISPLAY_BYTES = 1024
"""Bytes charged per display in addition to its content, so that a flood of empty displays reaches the limit, too."""


class Collector:
    """The events of the run that the request *msg_id* started. Messages of other requests are ignored.

    *calls* are those of the client's tools, None if the run was given none.
    """

    def __init__(self, msg_id: str, output_bytes: int, rich_bytes: int, calls: HostCalls | None = None) -> None:
        self.msg_id = msg_id
        self._calls = calls
        self._output_left = output_bytes
        self._rich_left = rich_bytes
        self._reply: ExecuteReply | None = None
        self._is_settled = False
        self._has_idle = False
        self._has_raised = False
        self._by_id: dict[str, tuple[int, int]] = {}
        """For each display id the number of displays that show it and their size."""
        self.has_exceeded = False
        """The kernel sent more than the limits allow: the caller ends the run, and later messages are ignored."""
        self.is_truncated = False
        """Some output of the kernel is missing from the events or cut."""

    @property
    def is_over(self) -> bool:
        """Reply and idle have arrived: the run is complete."""
        return self._reply is not None and self._has_idle and not self.is_unsettled

    @property
    def is_unsettled(self) -> bool:
        """Idle has arrived, and a reply that can't be read: if no other comes at once, settle() ends the run."""
        return self._has_idle and self._reply is UNREADABLE and not self._is_settled

    def settle(self) -> list[Event]:
        """The events of the end of a run whose only reply can't be read."""
        if not self.is_unsettled:
            return []
        self._is_settled = True
        return self._finish()

    @property
    def ends_kernel(self) -> bool:
        """The kernel announced that this run was its last."""
        return self._reply is not None and self._reply.report.is_last

    def feed(self, message: Message) -> list[Event]:
        """The events that *message* adds; none if it belongs to another run or the run is over."""
        if message.parent_id != self.msg_id or self.is_over:
            return []
        match message.body:
            case StreamMessage() as piece:
                return self._take_text(piece)
            case Shown() as shown:
                return self._take_display(shown)
            case Clear(wait):
                return [Cleared(wait)] if self._spend_rich(0) else []
            case ErrorMessage() as failure:
                return self._take_failure(failure)
            case Status(state):
                self._has_idle = self._has_idle or state == "idle"
                return self._finish()
            case ExecuteReply() as reply:
                return self._take_reply(reply)
            case CallMessage(call):
                return self._take_call(call, message.count)
            case UnreadMessage():
                self.is_truncated = True
                return []
            case Welcome() | Interrupted():
                return []
            case _ as never:
                assert_never(never)

    def _take_text(self, piece: StreamMessage) -> list[Event]:
        if self.has_exceeded:
            return []
        text, size = piece.text, text_bytes(piece.text)
        if size > self._output_left:
            text = text.encode()[: self._output_left].decode("utf-8", "ignore")
            self._exceed()
        self._output_left -= size
        return [Text(piece.stream, text)] if text else []

    def _take_display(self, shown: Shown) -> list[Event]:
        if not self._spend_rich(self._cost(shown)):
            return []
        self.is_truncated = self.is_truncated or shown.is_cut
        return [shown.display]

    def _cost(self, shown: Shown) -> int:
        """The bytes that *shown* adds: it replaces every display with the same id."""
        name, size = shown.display.display_id, shown.size_bytes
        if not name:
            return size
        uses, was = self._by_id.get(name, (0, 0))
        now = uses if uses and shown.display.updates else uses + 1
        self._by_id[name] = now, size
        return max(size, now * size - uses * was)

    def _spend_rich(self, size_bytes: int) -> bool:
        """Whether so many more bytes may be shown; if not, the run has exceeded its limits."""
        if self.has_exceeded:
            return False
        self._rich_left -= size_bytes + DISPLAY_BYTES
        if self._rich_left < 0:
            self._exceed()
        return not self.has_exceeded

    def _take_call(self, call: HostCall, count: Count) -> list[Event]:
        if self._calls is None:
            return []
        weighed = replace(call, size_bytes=call.size_bytes + CONTAINER_BYTES * count.containers)
        taken = self._calls.take(weighed)
        return [] if taken is None else [taken]

    def _take_failure(self, failure: ErrorMessage) -> list[Event]:
        """One failure per run: the kernel sends one, so more would come from user code."""
        if self._has_raised:
            return []
        self._has_raised = True
        self.is_truncated = self.is_truncated or failure.is_cut
        return [failure.raised]

    def _take_reply(self, reply: ExecuteReply) -> list[Event]:
        if self._reply is not None and self._reply is not UNREADABLE:
            return []
        self._reply = reply
        self.is_truncated = self.is_truncated or (reply.is_cut and reply is not UNREADABLE)
        return self._finish()

    def _finish(self) -> list[Event]:
        reply = self._reply
        if reply is None or not self.is_over:
            return []
        self.is_truncated = self.is_truncated or reply.is_cut
        raised = self._take_failure(reply.failure) if reply.failure else []
        return [*raised, reply.report, Finished(reply.status)]

    def _exceed(self) -> None:
        self.has_exceeded = True
        self.is_truncated = True


def coalesce(events: Iterable[Event]) -> list[Event]:
    """The same events with adjacent pieces of one stream joined."""
    joined: list[Event] = []
    pieces: list[str] = []
    stream: str = ""
    for event in events:
        if isinstance(event, Text) and event.stream == stream:
            pieces.append(event.text)
            joined[-1] = event
            continue
        _close(joined, pieces)
        joined.append(event)
        stream = event.stream if isinstance(event, Text) else ""
        pieces = [event.text] if isinstance(event, Text) else []
    _close(joined, pieces)
    return joined


def _close(joined: list[Event], pieces: list[str]) -> None:
    """Join the text of all *pieces* in the last event."""
    last = joined[-1] if joined else None
    if len(pieces) > 1 and isinstance(last, Text):
        joined[-1] = Text(last.stream, "".join(pieces))
