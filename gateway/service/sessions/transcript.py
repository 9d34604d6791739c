"""The runs of a session and their output, for making a notebook of it; bounded in number and size."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, replace

from gateway.core.event_log import content_bytes
from gateway.core.host_tools import HostCall
from gateway.core.model import Event, KernelReport, Raised, Result, Task, Text
from gateway.core.strict_json import text_bytes

MAX_CELLS = 1000
EVENT_BYTES = 64
"""What each event costs beside its content."""


@dataclass(frozen=True, slots=True)
class Cell:
    """One run of a session. *is_cut* says that some, or all, of its events are left out."""

    code: str
    events: tuple[Event, ...]
    execution_count: int
    task: Task = "python"
    is_cut: bool = False


class Recording:
    """The run under way: keeps its events as long as they fit into *limit_bytes*."""

    def __init__(self, task: Task, code: str, execution_count: int, limit_bytes: int) -> None:
        self._cell = Cell(code, (), execution_count, task)
        self._events: list[Event] = []
        self._left_bytes = limit_bytes - text_bytes(code)
        self._is_cut = False

    def add(self, event: Event) -> None:
        """One more event."""
        if isinstance(event, KernelReport | HostCall):
            return
        self._left_bytes -= event_bytes(event)
        if self._left_bytes < 0:
            self._is_cut = True
        if not self._is_cut:
            self._events.append(event)

    def finish(self, result: Result | None) -> Cell:
        """The whole cell. Its only error is the one that the caller was shown."""
        events = self._events
        if result is not None and result.error is not None:
            events = [*(event for event in events if not isinstance(event, Raised)), result.error]
        return replace(self._cell, events=tuple(events), is_cut=self._is_cut)


class Transcript:
    """The cells of one session. Over the bound the oldest lose their output first, then are left out."""

    def __init__(self, limit_bytes: int) -> None:
        self._limit_bytes = limit_bytes
        self._cells: deque[Cell] = deque()
        self._stripped = 0
        """How many of the oldest have lost their output."""
        self._used_bytes = 0
        self._dropped = 0

    def begin(self, task: Task, code: str, execution_count: int) -> Recording:
        """A run starts; a single one gets at most half of the room."""
        return Recording(task, code, execution_count, self._limit_bytes // 2)

    def add(self, cell: Cell) -> None:
        """A run has ended."""
        self._cells.append(cell)
        self._used_bytes += cell_bytes(cell)
        while self._used_bytes > self._limit_bytes and self._stripped < len(self._cells) - 1:
            self._strip(self._stripped)
            self._stripped += 1
        while self._cells and (self._used_bytes > self._limit_bytes or len(self._cells) > MAX_CELLS):
            self._used_bytes -= cell_bytes(self._cells.popleft())
            self._stripped = max(0, self._stripped - 1)
            self._dropped += 1

    def cells(self) -> tuple[Cell, ...]:
        """All that is kept, the oldest first. If runs are left out, the first cell has no code and says how many."""
        if not self._dropped:
            return tuple(self._cells)
        many = f"{self._dropped} earlier {'run is' if self._dropped == 1 else 'runs are'} left out\n"
        return (Cell("", (Text("stderr", many),), 0, "python", is_cut=True), *self._cells)

    def _strip(self, index: int) -> None:
        cell = self._cells[index]
        if cell.events:
            bare = replace(cell, events=(), is_cut=True)
            self._used_bytes += cell_bytes(bare) - cell_bytes(cell)
            self._cells[index] = bare


def cell_bytes(cell: Cell) -> int:
    """About how much memory *cell* takes."""
    return text_bytes(cell.code) + sum(event_bytes(event) for event in cell.events)


def event_bytes(event: Event) -> int:
    """About how much memory *event* takes."""
    return EVENT_BYTES + content_bytes(event)
