"""What those who watch a session are told: from where they begin, what they miss, and how the session ends."""

from __future__ import annotations

import asyncio

import pytest

from gateway.core.errors import BadRequest
from gateway.core.event_log import Accepted, Done, EventLog, SessionEnded, SessionRestarted
from gateway.core.model import Display, Result
from gateway.core.request import RunRequest
from gateway.core.session_log import Missing, Told
from gateway.service.session_feed import CurrentRun, SessionFeed, Watch, WatchBegun
from tests.fakes import in_fake_time

DONE = Done(Result(True, "", "", "", None, 0, 0.1))


class Run:
    """A run of a session."""

    def __init__(self, feed: SessionFeed, run_id: str) -> None:
        self.feed, self.run_id, self.key_id, self.label = feed, run_id, "k1", ""
        self.request = RunRequest("chart", "x", 5.0)
        self.begun_utc: float | None = None
        self.log = EventLog(1_000_000, feed.numbers)
        feed.begin(self)
        self.add(Accepted(run_id))

    def add(self, item: Accepted | Display | Done) -> None:
        self.log.append(item)
        self.feed.note(self)

    def show(self) -> None:
        self.add(Display("display", {}))

    def end(self) -> None:
        self.add(DONE)


def told(watch: Watch, skipped: set[str] | None = None) -> list[object]:
    """All there is to tell: of events the run and the number."""
    heard: list[object] = []
    while (found := watch.next(skipped or set())) is not None:
        watch.take(found)
        is_of_run = isinstance(found, Told) and found.run is not None
        heard.append((found.run.run_id, found.number) if is_of_run else found)  # type: ignore[union-attr]  # it has one
    return heard


async def test_a_watch_begins_with_the_runs_under_way() -> None:
    """From their first events; runs that were over before are left out, and nothing of them is called missing."""
    feed = SessionFeed()
    over, goes_on = Run(feed, "over"), Run(feed, "goes on")
    over.show()
    over.end()
    goes_on.begun_utc = 7.0
    goes_on.show()
    waits = Run(feed, "waits")
    watch = Watch(feed, None, asyncio.Event())
    current = CurrentRun("goes on", 7.0, "chart")
    assert feed.current == current
    assert told(watch) == [WatchBegun(1, current), ("goes on", 2), ("goes on", 5), ("waits", 6)]
    waits.show()
    assert told(watch) == [("waits", 7)]


async def test_a_watch_of_an_idle_session_begins_with_the_next_event() -> None:
    """There is nothing to catch up with."""
    feed = SessionFeed()
    run = Run(feed, "a")
    run.end()
    watch = Watch(feed, None, asyncio.Event())
    assert feed.current is None
    assert told(watch) == [WatchBegun(2, None)]
    Run(feed, "b")
    assert told(watch) == [("b", 3)]


async def test_a_watcher_who_comes_back_gets_the_rest_and_hears_of_what_is_missing() -> None:
    """Once each; also when it left while it was still catching up."""
    feed = SessionFeed()
    a = Run(feed, "a")
    b = Run(feed, "b")
    a.end()
    feed.forget(a)
    b.show()
    first = Watch(feed, None, asyncio.Event())
    first.take(WatchBegun(1, None))
    found = first.next()
    assert isinstance(found, Told)
    first.take(found)
    again = Watch(feed, found.number, asyncio.Event())
    assert told(again) == [WatchBegun(2, None), Missing(3, 3), ("b", 4)]
    assert told(Watch(feed, 4, asyncio.Event())) == [WatchBegun(4, None)]
    with pytest.raises(BadRequest):
        Watch(feed, 5, asyncio.Event())


async def test_runs_that_a_connection_follows_itself_are_skipped() -> None:
    """Else it would get their events twice."""
    feed = SessionFeed()
    own, other = Run(feed, "own"), Run(feed, "other")
    own.show()
    other.show()
    watch = Watch(feed, 0, asyncio.Event())
    assert told(watch, {"own"})[1:] == [("other", 2), ("other", 4)]
    own.end()
    assert told(watch, {"own"}) == []
    assert told(watch) == [], "they are passed by then"


async def test_watchers_are_woken_until_they_leave() -> None:
    """Each has an asyncio event of its own."""
    feed, news = SessionFeed(), asyncio.Event()
    watch = Watch(feed, None, news)
    assert news.is_set(), "there is the beginning to tell"
    news.clear()
    run = Run(feed, "a")
    assert news.is_set()
    watch.close()
    news.clear()
    run.end()
    feed.restarted()
    assert not news.is_set()


async def test_the_end_of_a_session_is_the_last_event() -> None:
    """Its runs are told to their ends before; a second end is none."""
    feed = SessionFeed()
    watch = Watch(feed, None, asyncio.Event())
    run = Run(feed, "a")
    feed.restarted()
    feed.end("deleted", "It was deleted.")
    assert [getattr(getattr(one, "entry", None), "item", one) for one in told(watch)] == [
        WatchBegun(0, None),
        ("a", 1),
        SessionRestarted(),
    ]
    run.end()
    feed.end("shutdown", "again")
    ended = told(watch)
    assert ended[0] == ("a", 3)
    assert [one.entry.item for one in ended[1:] if isinstance(one, Told)] == [SessionEnded("deleted", "It was deleted.")]


def test_a_session_counts_as_watched_for_a_while_after_the_last_watcher_left() -> None:
    """Its line may have broken."""

    async def main() -> None:
        feed = SessionFeed()
        assert not feed.is_watched(30)
        watch = Watch(feed, None, asyncio.Event())
        await asyncio.sleep(100)
        assert feed.is_watched(30)
        watch.close()
        await asyncio.sleep(29)
        assert feed.is_watched(30)
        await asyncio.sleep(2)
        assert not feed.is_watched(30)

    in_fake_time(main())
