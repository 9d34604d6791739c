"""The events of a session in one order: what a reader gets who has all up to a number, and what it is told of the rest."""

from __future__ import annotations

import pytest

from gateway.core.errors import BadRequest
from gateway.core.event_log import Accepted, Done, EventLog, LoggedEvent, SessionEnded, SessionRestarted
from gateway.core.model import Display, Result, Text
from gateway.core.session_log import OWN_BYTES, Missing, SessionLog, Told

DONE = Done(Result(True, "", "", "", None, 0, 0.1))


class Run:
    """A run with a log in a session."""

    def __init__(self, session: SessionLog[Run], run_id: str, limit_bytes: int = 1_000_000) -> None:
        self.run_id = run_id
        self.log = EventLog(limit_bytes, session.numbers)
        self.session = session
        session.begin(self)
        self.log.append(Accepted(run_id))

    def show(self, text: str) -> None:
        """Show something that is joined to nothing."""
        self.log.append(Display("display", {"text/plain": text}))

    def end(self) -> None:
        """Have the last event."""
        self.log.append(DONE)
        self.session.close(self)


def read(session: SessionLog[Run], after: int = 0) -> list[tuple[int, str]]:
    """The numbers of all that a reader gets, and whose each is; "-" for what is missing, "" for the session's own."""
    found: list[tuple[int, str]] = []
    while (piece := session.next_after(after)) is not None:
        whose = "-" if isinstance(piece, Missing) else piece.run.run_id if piece.run else ""
        found.append((piece.number, whose))
        after = piece.number
    return found


@pytest.fixture
def session() -> SessionLog[Run]:
    """A session without runs."""
    return SessionLog()


def test_events_of_all_runs_have_one_order(session: SessionLog[Run]) -> None:
    """A run that waits is told of before the one that goes on has ended; a reader may begin anywhere."""
    a = Run(session, "a")
    b = Run(session, "b")
    a.show("1")
    a.end()
    b.show("2")
    assert session.under_way == (b,)
    b.end()
    assert read(session) == [(1, "a"), (2, "b"), (3, "a"), (4, "a"), (5, "b"), (6, "b")]
    assert read(session, 3) == [(4, "a"), (5, "b"), (6, "b")]
    assert read(session, 6) == []
    assert session.next_after(2) == Told(LoggedEvent(2, Display("display", {"text/plain": "1"}), 3), a)


def test_what_is_not_kept_is_missing_and_never_told_twice(session: SessionLog[Run]) -> None:
    """Runs that are forgotten, oldest events that did not fit, in the middle and at the end."""
    a = Run(session, "a")
    b = Run(session, "b")
    a.show("1")
    a.end()
    b.show("2")
    session.forget(a)
    assert read(session) == [(1, "-"), (2, "b"), (4, "-"), (5, "b")]
    assert session.next_after(2) == Missing(3, 4)
    b.log.trim(0)
    assert read(session) == [(4, "-"), (5, "b")]
    session.forget(b)
    assert read(session, 1) == [(5, "-")]
    assert session.under_way == ()
    b.end()
    assert read(session, 5) == [(6, "-")]


def test_a_reader_at_the_end_looks_at_no_run_that_is_over(session: SessionLog[Run]) -> None:
    """A session may have a thousand of them."""
    runs = [Run(session, str(number)) for number in range(5)]
    for run in runs[:4]:
        run.end()
    looked: list[str] = []

    class Seen(EventLog):
        def next_beyond(self, stamp: int) -> LoggedEvent | None:
            looked.append("over")
            return super().next_beyond(stamp)

    for run in runs[:4]:
        run.log.__class__ = Seen
    last = session.numbers.last
    runs[4].show("new")
    assert read(session, last) == [(last + 1, "4")]
    assert looked == []
    assert read(session, last - 1) == [(last, "3"), (last + 1, "4")]


def test_text_that_nobody_has_read_is_joined_and_keeps_its_number(session: SessionLog[Run]) -> None:
    """What was told never changes."""
    run = Run(session, "a")
    run.log.append(Text("stdout", "x"))
    run.log.append(Text("stdout", "y"))
    told = session.next_after(1)
    assert isinstance(told, Told)
    assert (told.number, told.entry.item) == (2, Text("stdout", "xy"))
    run.log.append(Text("stdout", "z"))
    assert read(session, 2) == [(3, "a")]


def test_the_session_has_events_of_its_own(session: SessionLog[Run]) -> None:
    """Few are kept; they have places among the others."""
    run = Run(session, "a")
    session.append(SessionRestarted())
    run.end()
    session.append(SessionEnded("deleted", "It was deleted."))
    assert read(session) == [(1, "a"), (2, ""), (3, "a"), (4, "")]
    for _ in range(OWN_BYTES // 100):
        session.append(SessionRestarted())
    assert read(session)[2] == (3, "a")
    assert (4, "-") not in read(session)[:3]
    assert len(read(session)) < 100


def test_the_events_of_some_runs_can_be_read_alone(session: SessionLog[Run]) -> None:
    """As those do who come in the middle of a run: without what is missing, and without the others."""
    a = Run(session, "a")
    b = Run(session, "b")
    a.end()
    b.show("1")
    told = session.next_of({"b"}, 0)
    assert told is not None
    assert (told.number, told.run) == (2, b)
    b.end()
    told = session.next_of({"b"}, 2)
    assert told is not None
    assert told.number == 4
    assert session.next_of({"b"}, 5) is None
    assert session.next_of(set(), 0) is None


def test_a_place_is_one_that_the_session_has_reached(session: SessionLog[Run]) -> None:
    """A number of another session would miss everything."""
    session.check(0)
    Run(session, "a")
    session.check(1)
    for wrong in (-1, 2):
        with pytest.raises(BadRequest, match="from 0 to 1"):
            session.check(wrong)


def test_closing_a_run_twice_or_after_it_was_forgotten_changes_nothing(session: SessionLog[Run]) -> None:
    """Its end may be noted by more than one."""
    run = Run(session, "a")
    run.end()
    session.close(run)
    session.forget(run)
    session.close(run)
    assert read(session) == [(2, "-")]
