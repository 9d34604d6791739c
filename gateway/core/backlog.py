"""A bounded buffer of a kernel's messages while its client is disconnected, with a note about dropped messages. Pure."""

from __future__ import annotations

from collections import OrderedDict, deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from gateway.core.jupyter import Relayed

OVERHEAD_BYTES = 1024
"""Bytes charged per message in addition to its parts."""
MAX_PARENTS = 64

_TEXT, _SHOWN, _ESSENTIAL = 0, 1, 2
_ORDER = {
    "stream": _TEXT,
    "status": _ESSENTIAL,
    "execute_input": _ESSENTIAL,
    "error": _ESSENTIAL,
    "input_request": _ESSENTIAL,
}


@dataclass(slots=True)
class Lost:
    """The dropped output of one request, whose parent header is kept as bytes."""

    parent: bytes
    messages: int = 0
    size_bytes: int = 0


class Backlog:
    """Messages in order of arrival. Over the limit it drops the oldest printed text first, then charts and other
    rich output, and last the messages that end a request (replies, states, errors)."""

    def __init__(self, limit_bytes: int) -> None:
        self._limit_bytes = limit_bytes
        self._used_bytes = 0
        self._first = self._next = 0
        self._kept: tuple[deque[tuple[int, Relayed]], ...] = (deque(), deque(), deque())
        self._lost: OrderedDict[str, Lost] = OrderedDict()

    def add(self, message: Relayed) -> None:
        """Keep *message*; drop others if there is no room."""
        self._kind(message).append((self._next, message))
        self._next += 1
        self._count(message)

    def put_back(self, messages: Sequence[Relayed]) -> None:
        """Keep *messages*, which are older than all kept ones."""
        for message in reversed(messages):
            self._first -= 1
            self._kind(message).appendleft((self._first, message))
            self._count(message)

    def _kind(self, message: Relayed) -> deque[tuple[int, Relayed]]:
        usual = _SHOWN if message.channel == "iopub" else _ESSENTIAL
        return self._kept[_ORDER.get(message.head.msg_type, usual)]

    def _count(self, message: Relayed) -> None:
        self._used_bytes += message.size_bytes + OVERHEAD_BYTES
        while self._used_bytes > self._limit_bytes:
            self._drop(next(kept for kept in self._kept if kept))

    def _drop(self, kept: deque[tuple[int, Relayed]]) -> None:
        _, message = kept.popleft()
        self._used_bytes -= message.size_bytes + OVERHEAD_BYTES
        self.note_lost(message.head.parent_id, message.parent, message.size_bytes)

    def note_lost(self, parent_id: str, parent: bytes, size_bytes: int) -> None:
        """A message of *size_bytes* to the request *parent_id* is lost."""
        if parent_id not in self._lost and len(self._lost) >= MAX_PARENTS:
            parent_id = next(reversed(self._lost))
        lost = self._lost.setdefault(parent_id, Lost(parent))
        lost.messages += 1
        lost.size_bytes += size_bytes

    def __len__(self) -> int:
        """The number of kept messages."""
        return sum(map(len, self._kept))

    def take(self, mark: Callable[[Lost], Relayed]) -> list[Relayed]:
        """Take out everything kept, preceded by the notes that *mark* makes of dropped output."""
        marks = [mark(lost) for lost in self._lost.values()]
        messages = [
            message for _, message in sorted((item for kept in self._kept for item in kept), key=lambda item: item[0])
        ]
        for kept in self._kept:
            kept.clear()
        self._lost.clear()
        self._used_bytes = 0
        return [*marks, *messages]
