"""The events of one session in one order: those of its runs, which stay in the runs' own logs, and its own.

All logs of a session take their stamps from one count. So the stamp of an event is its number in the session, a reader
needs no more than the number of the last event it has, and numbers that are missing are events that are not kept any more.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Set
from dataclasses import dataclass
from itertools import chain
from typing import Generic, Protocol, TypeVar

from gateway.core.errors import BadRequest
from gateway.core.event_log import EventLog, Item, LoggedEvent

OWN_BYTES = 16 * 1024
"""What the session's own events may take: they are few and small."""


class Logged(Protocol):
    """A run of the session."""

    run_id: str

    @property
    def log(self) -> EventLog:
        """Its events, with stamps of the session."""


R = TypeVar("R", bound=Logged)


@dataclass(frozen=True, slots=True)
class Told(Generic[R]):
    """One event of a session. *run* is None for an event of the session itself."""

    entry: LoggedEvent
    run: R | None

    @property
    def number(self) -> int:
        """Its number in the session."""
        return self.entry.stamp


@dataclass(frozen=True, slots=True)
class Missing:
    """The events *first* to *last* of the session are not kept any more."""

    first: int
    last: int

    @property
    def number(self) -> int:
        """The number of the last of them."""
        return self.last


class SessionNumbers(Iterator[int]):
    """Counts from 1."""

    last = 0
    """The number given last; 0 for none."""

    def __next__(self) -> int:
        self.last += 1
        return self.last


class SessionLog(Generic[R]):
    """The runs of one session whose events are kept: those under way, and those that are over."""

    def __init__(self) -> None:
        self.numbers = SessionNumbers()
        """The stamps for the logs of its runs."""
        self._own = EventLog(OWN_BYTES, self.numbers)
        self._under_way: dict[R, None] = {}
        self._over: dict[R, None] = {}
        """In the order of their last events."""

    @property
    def under_way(self) -> tuple[R, ...]:
        """The runs that wait or go on, in order of arrival."""
        return tuple(self._under_way)

    def begin(self, run: R) -> None:
        """*run* is one of the session's from here on."""
        self._under_way[run] = None

    def close(self, run: R) -> None:
        """*run* has had its last event."""
        if run in self._under_way:
            del self._under_way[run]
            self._over[run] = None

    def forget(self, run: R) -> None:
        """The events of *run* are not kept any more."""
        self._under_way.pop(run, None)
        self._over.pop(run, None)

    def append(self, item: Item) -> None:
        """Append an event of the session itself."""
        self._own.append(item)

    def check(self, after: int) -> None:
        """Accept *after* as the number of an event, or 0; raises BadRequest for one that the session has not reached."""
        if not 0 <= after <= self.numbers.last:
            raise BadRequest(f"after must be from 0 to {self.numbers.last}, the number of this session's last event.")

    def next_after(self, number: int) -> Told[R] | Missing | None:
        """What follows for a reader that has everything up to *number*; None if there is nothing yet."""
        found = _oldest([*self._with_news(number), (None, self._own)], number)
        before = self.numbers.last if found is None else found.number - 1
        return Missing(number + 1, before) if before > number else found

    def next_of(self, run_ids: Set[str], number: int) -> Told[R] | None:
        """The oldest event of these runs alone with a greater number."""
        present = chain(self._over, self._under_way)
        return _oldest([(run, run.log) for run in present if run.run_id in run_ids], number)

    def _with_news(self, number: int) -> Iterator[tuple[R, EventLog]]:
        """The runs that have events after *number*, found without a look at each that is over."""
        for run in reversed(self._over):
            if run.log.last_stamp <= number:
                break
            yield run, run.log
        for run in self._under_way:
            yield run, run.log


def _oldest(logs: Iterable[tuple[R | None, EventLog]], number: int) -> Told[R] | None:
    """The event with the least number beyond *number*; None if there is none yet."""
    found = [Told(entry, run) for run, log in logs if (entry := log.next_beyond(number)) is not None]
    return min(found, key=lambda told: told.number, default=None)
