"""Routes each reply to the client that sent the request, and holds execute_reply until idle. Pure.

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
"""Means all clients."""
MOST = 1024
"""Number of requests remembered. Replies to older ones go to all clients, which check the parent header."""
HELD_BYTES = 64 * 1024 * 1024


@dataclass(slots=True)
class RoutedRequest:
    """One request in progress. Its content, which may be large, is not kept."""

    channel: Channel
    head: Head
    header: bytes
    asker: str
    is_idle: bool = False
    is_answered: bool = False
    held: list[Relayed] = field(default_factory=list)

    @property
    def wants_reply(self) -> bool:
        """Whether a reply will follow."""
        return self.head.msg_type.endswith("_request")


class Asked:
    """The requests in progress of one kernel."""

    def __init__(self) -> None:
        self._requests: OrderedDict[str, RoutedRequest] = OrderedDict()
        self._held_bytes = 0

    def note(self, message: Relayed, asker: str) -> None:
        """The client *asker* sends *message* to the kernel."""
        if message.channel == "stdin":
            return
        self._requests.pop(message.head.msg_id, None)
        self._requests[message.head.msg_id] = RoutedRequest(message.channel, message.head, message.header, asker)
        if len(self._requests) > MOST:
            self._requests.popitem(last=False)

    def route(self, message: Relayed) -> list[tuple[str, Relayed]]:
        """The messages to send after the kernel sent *message*, each with its recipient, in order."""
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
        """Take out all held replies, whose idle will not arrive."""
        return [sent for request in list(self._requests.values()) for sent in self._let_go(request)]

    def is_holding(self) -> bool:
        """Whether a reply waits for its idle."""
        return self._held_bytes > 0

    def open_requests(self) -> Iterator[RoutedRequest]:
        """The requests without a reply, in order of arrival."""
        yield from (request for request in self._requests.values() if request.wants_reply and not request.is_answered)

    def askers(self) -> set[str]:
        """The clients with requests in progress."""
        return {request.asker for request in self._requests.values()}

    def hand_on(self, gone: set[str], asker: str) -> None:
        """Replies to requests of *gone* go to *asker* from now on."""
        for request in self._requests.values():
            if request.asker in gone:
                request.asker = asker

    def asker_of(self, message: Relayed) -> str:
        """The client whose request *message* answers; EVERYBODY if unknown."""
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
