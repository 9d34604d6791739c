"""Who asked what of a kernel, so that each answer finds its asker, and no reply overtakes the output before it. Pure.

Jupyter promises no order between channels: an ``execute_reply`` may arrive before the last output. Clients that stop at the
reply would lose that output, so the reply is held until the same request's ``idle``, which comes after all of it.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Final

from gateway.core.jupyter import Channel, Head, Relayed

EVERYBODY: Final = ""
"""Stands for all clients."""
MOST = 1024
"""Requests remembered; of older ones replies go to everybody, who can tell by the parent header that they did not ask."""
HELD_BYTES = 64 * 1024 * 1024


@dataclass(slots=True)
class RoutedRequest:
    """One request under way: what answers it needs of it. What it asked for, often far larger, is not kept."""

    channel: Channel
    head: Head
    header: bytes
    asker: str
    is_idle: bool = False
    is_answered: bool = False
    held: list[Relayed] = field(default_factory=list)

    @property
    def wants_reply(self) -> bool:
        """Whether a reply is to come."""
        return self.head.msg_type.endswith("_request")


class Asked:
    """The requests under way of one kernel."""

    def __init__(self) -> None:
        self._requests: OrderedDict[str, RoutedRequest] = OrderedDict()
        self._held_bytes = 0

    def note(self, message: Relayed, asker: str) -> None:
        """*asker* sends *message* to the kernel."""
        if message.channel == "stdin":
            return
        self._requests.pop(message.head.msg_id, None)
        self._requests[message.head.msg_id] = RoutedRequest(message.channel, message.head, message.header, asker)
        if len(self._requests) > MOST:
            self._requests.popitem(last=False)

    def route(self, message: Relayed) -> list[tuple[str, Relayed]]:
        """What is to be sent now that the kernel sent *message*, and to whom, in order."""
        request = self._requests.get(message.head.parent_id)
        if message.channel == "iopub":
            return [(EVERYBODY, message), *self._note_state(request, message)]
        if request is None:
            return [(EVERYBODY, message)]
        if message.channel == "stdin":
            return [(request.asker, message)]
        if message.head.msg_type == "execute_reply" and not request.is_idle:
            return self._hold(request, message)
        request.is_answered = True
        self._forget_if_over(request)
        return [(request.asker, message)]

    def release(self) -> list[tuple[str, Relayed]]:
        """All replies held: their idle will not come."""
        return [sent for request in list(self._requests.values()) for sent in self._let_go(request)]

    def is_holding(self) -> bool:
        """Whether a reply waits for its idle."""
        return self._held_bytes > 0

    def open_requests(self) -> Iterator[RoutedRequest]:
        """Requests whose reply has not come, in order of arrival."""
        yield from (request for request in self._requests.values() if request.wants_reply and not request.is_answered)

    def askers(self) -> set[str]:
        """Who waits for something."""
        return {request.asker for request in self._requests.values()}

    def hand_on(self, gone: set[str], asker: str) -> None:
        """What *gone* asked for is from here on for *asker*."""
        for request in self._requests.values():
            if request.asker in gone:
                request.asker = asker

    def asker_of(self, message: Relayed) -> str:
        """Who asked for what *message* is part of; EVERYBODY when that is not known."""
        request = self._requests.get(message.head.parent_id)
        return request.asker if request else EVERYBODY

    def clear(self) -> None:
        """Forget everything."""
        self._requests.clear()
        self._held_bytes = 0

    def _note_state(self, request: RoutedRequest | None, message: Relayed) -> list[tuple[str, Relayed]]:
        if request is None or message.state != "idle":
            return []
        request.is_idle = True
        sent = self._let_go(request)
        self._forget_if_over(request)
        return sent

    def _hold(self, request: RoutedRequest, message: Relayed) -> list[tuple[str, Relayed]]:
        self._held_bytes += message.size_bytes
        request.held.append(message)
        return self.release() if self._held_bytes > HELD_BYTES else []

    def _let_go(self, request: RoutedRequest) -> list[tuple[str, Relayed]]:
        sent = [(request.asker, message) for message in request.held]
        self._held_bytes -= sum(message.size_bytes for message in request.held)
        request.held = []
        request.is_answered = request.is_answered or bool(sent)
        return sent

    def _forget_if_over(self, request: RoutedRequest) -> None:
        if request.is_idle and (request.is_answered or not request.wants_reply):
            self._requests.pop(request.head.msg_id, None)
