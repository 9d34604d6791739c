"""What happened in one run, numbered from 1, and kept within a bound for those who read it later."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from itertools import count

from gateway.core.model import Display, Event, Raised, Result, Text
from gateway.core.strict_json import size_bytes, text_bytes

ENTRY_BYTES = 256
"""What each entry costs beside its content."""
JOINED_CHARS = 4096
"""Pieces of one stream that nobody has read yet are joined up to this length: thousands of tiny ones become few."""


@dataclass(frozen=True, slots=True)
class Accepted:
    """The run has its place in the queue, under this id."""

    run_id: str


@dataclass(frozen=True, slots=True)
class RunStarted:
    """The run has its kernel."""


@dataclass(frozen=True, slots=True)
class Done:
    """The run has ended so. Its output stands in the entries before."""

    result: Result


@dataclass(frozen=True, slots=True)
class RunRefused:
    """The run could not be carried out: the failure's type, message and code."""

    type: str
    message: str
    code: str


Item = Accepted | RunStarted | Event | Done | RunRefused


@dataclass(frozen=True, slots=True)
class LoggedEvent:
    """One thing that happened. *stamp* tells what came first among the entries of several runs."""

    seq: int
    item: Item
    stamp: int = field(default=0, compare=False)


@dataclass(frozen=True, slots=True)
class Gap:
    """The entries *first* to *last* are no longer kept; *stamp* is that of the next one."""

    first: int
    last: int
    stamp: int = field(default=0, compare=False)

    @property
    def seq(self) -> int:
        """The number of the last entry it stands for."""
        return self.last


class EventLog:
    """Takes entries at one end and drops the oldest at the other when they are more than *limit_bytes* together.

    *stamps* is shared by the logs whose entries are to be told in their order.
    """

    def __init__(self, limit_bytes: int, stamps: Iterator[int] | None = None) -> None:
        self._limit_bytes = limit_bytes
        self._stamps = stamps if stamps is not None else count()
        self._entries: deque[LoggedEvent] = deque()
        self._read_seq = 0
        self.last_seq = 0
        """The number of the newest entry; 0 for none."""
        self.used_bytes = 0
        """About how much memory the entries take."""

    @property
    def is_closed(self) -> bool:
        """Nothing more will come: the run is over."""
        return bool(self._entries) and isinstance(self._entries[-1].item, Done | RunRefused)

    def append(self, item: Item) -> None:
        """Add what happened last. The newest entry is kept, however large it is."""
        if not self._join(item):
            self.last_seq += 1
            self._entries.append(LoggedEvent(self.last_seq, item, next(self._stamps)))
            self.used_bytes += item_bytes(item)
        self.trim(self._limit_bytes)

    def trim(self, limit_bytes: int) -> None:
        """Drop the oldest entries until the others fit; the newest stays."""
        while self.used_bytes > limit_bytes and len(self._entries) > 1:
            self.used_bytes -= item_bytes(self._entries.popleft().item)

    def _join(self, item: Item) -> bool:
        last = self._entries[-1] if self._entries else None
        if last is None or last.seq <= self._read_seq or not isinstance(item, Text) or not isinstance(last.item, Text):
            return False
        if last.item.stream != item.stream or len(last.item.text) + len(item.text) > JOINED_CHARS:
            return False
        self._entries[-1] = replace(last, item=Text(item.stream, last.item.text + item.text))
        self.used_bytes += text_bytes(item.text)
        return True

    def next_after(self, seq: int) -> LoggedEvent | Gap | None:
        """What comes for a reader who has everything up to *seq*; None when there is nothing yet."""
        if seq >= self.last_seq:
            return None
        first = self._entries[0].seq
        if seq + 1 < first:
            return Gap(seq + 1, first - 1, self._entries[0].stamp)
        entry = self._entries[seq + 1 - first]
        self._read_seq = max(self._read_seq, entry.seq)
        return entry


def item_bytes(item: Item) -> int:
    """About how much memory *item* takes."""
    return ENTRY_BYTES + content_bytes(item)


def content_bytes(item: Item) -> int:
    """About how much memory what *item* holds takes, without the item itself."""
    match item:
        case Text(text=text):
            return text_bytes(text)
        case Display(data=data, metadata=metadata):
            return size_bytes(data) + size_bytes(metadata)
        case Raised(kind, message, traceback):
            return text_bytes(kind) + text_bytes(message) + text_bytes(traceback)
        case Done(result):
            return size_bytes(result.variables)
        case _:
            return 0
