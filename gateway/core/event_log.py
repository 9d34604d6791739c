"""The events of one run, numbered from 1, in a bounded buffer for clients that read them later."""

from __future__ import annotations

from bisect import bisect_right
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from itertools import count

from gateway.core.host_tools import HostCall
from gateway.core.model import Display, Event, Raised, Result, Task, Text
from gateway.core.strict_json import size_bytes, text_bytes

ENTRY_BYTES = 256
"""Bytes charged per entry in addition to its content."""
SHOWN_CODE_CHARS = 65_536
"""How much of a run's code is kept for those who watch its session."""
JOINED_CHARS = 4096
"""Unread pieces of one stream are joined up to this length, so that thousands of tiny ones become few."""


@dataclass(frozen=True, slots=True)
class ShownCode:
    """What a run of a session is to do, for those who did not send it; *is_cut*: the code goes on after *code*."""

    task: Task
    code: str
    is_cut: bool

    @classmethod
    def of(cls, task: Task, code: str) -> ShownCode:
        """The beginning of *code*."""
        return cls(task, code[:SHOWN_CODE_CHARS], len(code) > SHOWN_CODE_CHARS)


@dataclass(frozen=True, slots=True)
class Accepted:
    """The run waits in the queue, under this id."""

    run_id: str
    shown: ShownCode | None = None


@dataclass(frozen=True, slots=True)
class RunStarted:
    """The run has its kernel."""


@dataclass(frozen=True, slots=True)
class Done:
    """The run has ended with this result. Earlier entries contain its output."""

    result: Result


@dataclass(frozen=True, slots=True)
class RunRefused:
    """The gateway did not carry out the run: the failure's type, message and code."""

    type: str
    message: str
    code: str


@dataclass(frozen=True, slots=True)
class SessionRestarted:
    """The session has another kernel, without the state it had."""


@dataclass(frozen=True, slots=True)
class SessionEnded:
    """The session is over: *how*, in one word, and a sentence for its callers."""

    how: str
    reason: str


Item = Accepted | RunStarted | Event | Done | RunRefused | SessionRestarted | SessionEnded


@dataclass(frozen=True, slots=True)
class LoggedEvent:
    """One event. *stamp* orders the entries of several runs."""

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
        """The number of the last dropped entry."""
        return self.last


class EventLog:
    """Appends entries and drops the oldest while all together exceed *limit_bytes*.

    Logs share *stamps* if their entries are to be read in one order.
    """

    def __init__(self, limit_bytes: int, stamps: Iterator[int] | None = None) -> None:
        self._limit_bytes = limit_bytes
        self._stamps = stamps if stamps is not None else count()
        self._entries: deque[LoggedEvent] = deque()
        self._read_seq = 0
        self.last_seq = 0
        """The number of the newest entry; 0 for none."""
        self.used_bytes = 0
        """The approximate memory of the entries."""

    @property
    def last_stamp(self) -> int:
        """The stamp of the newest entry; -1 for none."""
        return self._entries[-1].stamp if self._entries else -1

    @property
    def is_closed(self) -> bool:
        """Whether the run is over, so that no entry follows."""
        return bool(self._entries) and isinstance(self._entries[-1].item, Done | RunRefused)

    def append(self, item: Item) -> None:
        """Append an entry. The newest entry is kept, however large it is."""
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
        """The next entry for a reader that has everything up to *seq*; None if there is none yet."""
        if seq >= self.last_seq:
            return None
        first = self._entries[0].seq
        if seq + 1 < first:
            return Gap(seq + 1, first - 1, self._entries[0].stamp)
        return self._read(self._entries[seq + 1 - first])

    def next_beyond(self, stamp: int) -> LoggedEvent | None:
        """The oldest entry with a greater stamp, for a reader of several logs; None if there is none yet."""
        if stamp >= self.last_stamp:
            return None
        return self._read(self._entries[bisect_right(self._entries, stamp, key=_stamp_of)])

    def _read(self, entry: LoggedEvent) -> LoggedEvent:
        self._read_seq = max(self._read_seq, entry.seq)
        return entry


def _stamp_of(entry: LoggedEvent) -> int:
    return entry.stamp


def item_bytes(item: Item) -> int:
    """The approximate memory of *item*."""
    return ENTRY_BYTES + content_bytes(item)


def content_bytes(item: Item) -> int:
    """The approximate memory of the contents of *item*."""
    match item:
        case Text(text=text):
            return text_bytes(text)
        case Display(data=data, metadata=metadata):
            return size_bytes(data) + size_bytes(metadata)
        case Raised(kind, message, traceback, hint):
            return text_bytes(kind) + text_bytes(message) + text_bytes(traceback) + text_bytes(hint)
        case Done(result):
            fetched = result.fetched.files if result.fetched else ()
            shown = text_bytes(result.shown.output) if result.shown else 0
            values = size_bytes(result.variables) + size_bytes(result.return_value)
            return values + sum(len(file.base64) for file in fetched) + shown
        case Accepted(shown=ShownCode(code=code)):
            return text_bytes(code)
        case HostCall(size_bytes=size):
            return size
        case _:
            return 0
