"""What happens in one session, for those who watch it: its runs, whoever asked for them, and its end.

The table of sessions has one feed for each; the runs enter it, and watches read it. A watch is a number: it holds neither
the session nor anything that is kept for it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Container, Set
from dataclasses import dataclass
from math import inf
from typing import Protocol

from gateway.core.event_log import EventLog, Item, SessionEnded, SessionRestarted
from gateway.core.model import Task
from gateway.core.request import RunRequest
from gateway.core.session_log import Missing, SessionLog, SessionNumbers, Told


@dataclass(frozen=True, slots=True)
class CurrentRun:
    """The run under way in a session. *since_utc* is when it got the kernel, in seconds since the epoch."""

    run_id: str
    since_utc: float
    task: Task


class FeedRun(Protocol):
    """A run of a session: live.LiveRun."""

    run_id: str
    label: str
    request: RunRequest

    @property
    def key_id(self) -> str:
        """Whose it is."""

    @property
    def log(self) -> EventLog:
        """Its events."""

    @property
    def begun_utc(self) -> float | None:
        """When it got its kernel; None before."""


@dataclass(frozen=True, slots=True)
class WatchBegun:
    """A watch has begun after event *number*."""

    number: int
    current: CurrentRun | None


Watched = Told[FeedRun] | Missing | WatchBegun


class SessionFeed:
    """The events of one session, and who is to hear of new ones."""

    def __init__(self) -> None:
        self._log: SessionLog[FeedRun] = SessionLog()
        self._watchers: set[asyncio.Event] = set()
        self._left_at = -inf
        self._end: SessionEnded | None = None
        self._is_over = False

    # ---- for runs ----------------------------------------------------------------------------------------------------

    @property
    def numbers(self) -> SessionNumbers:
        """The stamps of the logs of its runs."""
        return self._log.numbers

    @property
    def current(self) -> CurrentRun | None:
        """The run that has the kernel."""
        for run in self._log.under_way:
            if run.begun_utc is not None:
                return CurrentRun(run.run_id, run.begun_utc, run.request.task)
        return None

    def begin(self, run: FeedRun) -> None:
        """*run* has been accepted."""
        self._log.begin(run)

    def note(self, run: FeedRun) -> None:
        """*run* has a new event."""
        if run.log.is_closed:
            self._log.close(run)
            self._close()
        self._tell()

    def forget(self, run: FeedRun) -> None:
        """The events of *run* are not kept any more."""
        self._log.forget(run)

    # ---- for the session ---------------------------------------------------------------------------------------------

    def restarted(self) -> None:
        """The session has another kernel."""
        self._append(SessionRestarted())

    def end(self, how: str, reason: str) -> None:
        """The session is over. Watchers hear of it after the ends of its runs."""
        self._end = self._end or SessionEnded(how, reason)
        self._close()

    def _close(self) -> None:
        if self._end is not None and not self._is_over and not self._log.under_way:
            self._is_over = True
            self._append(self._end)

    def _append(self, item: Item) -> None:
        self._log.append(item)
        self._tell()

    # ---- for watches -------------------------------------------------------------------------------------------------

    @property
    def under_way(self) -> tuple[frozenset[str], int]:
        """The ids of the runs under way, and the number before their first event."""
        run_ids = frozenset(run.run_id for run in self._log.under_way)
        first = self._log.next_of(run_ids, 0)
        return run_ids, self.numbers.last if first is None else first.number - 1

    def check(self, after: int) -> None:
        """Accept *after* as the number of an event, or 0; raises BadRequest."""
        self._log.check(after)

    def next_after(self, number: int) -> Told[FeedRun] | Missing | None:
        """What follows event *number*; None if there is nothing yet."""
        return self._log.next_after(number)

    def next_of(self, run_ids: Set[str], number: int) -> Told[FeedRun] | None:
        """The next event of these runs alone."""
        return self._log.next_of(run_ids, number)

    def attach(self, news: asyncio.Event) -> None:
        """A watch begins; *news* is set whenever there is an event."""
        self._watchers.add(news)

    def detach(self, news: asyncio.Event) -> None:
        """A watch ends."""
        self._watchers.discard(news)
        self._left_at = asyncio.get_running_loop().time()

    def is_watched(self, within_s: float) -> bool:
        """Whether there is a watch, or was one in the last seconds, whose client may come back."""
        return bool(self._watchers) or asyncio.get_running_loop().time() - self._left_at < within_s

    def _tell(self) -> None:
        for news in self._watchers:
            news.set()


class Watch:
    """A reader of one session's feed, after event *after*; None begins with the runs under way, from their first events.

    *news* is set whenever there may be something to tell.
    """

    def __init__(self, feed: SessionFeed, after: int | None, news: asyncio.Event) -> None:
        self._feed = feed
        self._news = news
        self._early, self._joined_at = frozenset[str](), feed.numbers.last
        if after is None:
            self._early, after = feed.under_way
        else:
            feed.check(after)
        self._number = after
        self._begun: WatchBegun | None = WatchBegun(after, feed.current)
        feed.attach(news)
        news.set()

    def close(self) -> None:
        """The client has left."""
        self._feed.detach(self._news)

    def next(self, skipped: Container[str] = ()) -> Watched | None:
        """What to tell next, but for events of the runs *skipped*; None if there is nothing yet."""
        if self._begun is not None:
            return self._begun
        while True:
            found = self._look()
            if not isinstance(found, Told) or found.run is None or found.run.run_id not in skipped:
                return found
            self.take(found)

    def take(self, found: Watched) -> None:
        """*found* is told."""
        self._begun = None
        self._number = found.number

    def _look(self) -> Told[FeedRun] | Missing | None:
        """The next event: at first, of the runs alone that were under way at the beginning, up to the present."""
        if self._early:
            early = self._feed.next_of(self._early, self._number)
            if early is not None and early.number <= self._joined_at:
                return early
            self._early, self._number = frozenset(), self._joined_at
        return self._feed.next_after(self._number)
