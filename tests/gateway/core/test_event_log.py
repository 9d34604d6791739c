"""What is kept of a run for readers that come later, and what they are told about the rest."""

from __future__ import annotations

from dataclasses import replace
from itertools import count

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.core.event_log import (
    ENTRY_BYTES,
    JOINED_CHARS,
    SHOWN_CODE_CHARS,
    Accepted,
    Done,
    EventLog,
    Gap,
    Item,
    LoggedEvent,
    RunRefused,
    ShownCode,
    content_bytes,
)
from gateway.core.host_tools import HostCall
from gateway.core.model import Display, Raised, Result, ShownText, Text
from gateway.core.run_files import Fetched, FetchedFile
from gateway.core.strict_json import NODE_BYTES

DONE = Done(Result(True, "", "", "", None, 0, 0.1))
ROOMY = 1_000_000


def read(log: EventLog, after: int = 0) -> list[LoggedEvent | Gap]:
    """Everything a reader gets who has all up to *after*."""
    found: list[LoggedEvent | Gap] = []
    while (piece := log.next_after(after)) is not None:
        found.append(piece)
        after = piece.seq
    return found


def test_entries_are_numbered_from_1_in_order() -> None:
    """A reader may start anywhere and gets the rest, once each."""
    log = EventLog(ROOMY)
    items: list[Item] = [Accepted("r"), Text("stdout", "a"), Text("stderr", "b"), DONE]
    for item in items:
        log.append(item)
    assert read(log) == [LoggedEvent(seq, item) for seq, item in enumerate(items, 1)]
    assert read(log, 2) == [LoggedEvent(3, items[2]), LoggedEvent(4, items[3])]
    assert read(log, 4) == []


def test_only_the_last_word_closes_it() -> None:
    """A run that ended, or could not be carried out."""
    for last in (DONE, RunRefused("Busy", "Full.", "busy")):
        log = EventLog(ROOMY)
        log.append(Accepted("r"))
        assert not log.is_closed
        log.append(last)
        assert log.is_closed


def test_what_was_dropped_is_a_gap_with_its_numbers() -> None:
    """The oldest goes first; the newest stays, however large it is."""
    log = EventLog(3 * ENTRY_BYTES + 300)
    for number in range(10):
        log.append(Display("display", {"text/plain": f"{number}" * 60}))
    assert read(log)[0] == Gap(1, 7)
    assert [piece.seq for piece in read(log)[1:]] == [8, 9, 10]
    assert read(log, 5)[0] == Gap(6, 7)
    assert isinstance(read(log, 7)[0], LoggedEvent)
    log.append(Display("display", {"text/plain": "x" * 10_000}))
    assert [piece.seq for piece in read(log)] == [10, 11]


def test_pieces_nobody_has_read_are_joined() -> None:
    """A flood of tiny writes costs little; what a reader has seen never changes."""
    log = EventLog(ROOMY)
    for _ in range(JOINED_CHARS * 3):
        log.append(Text("stdout", "x"))
    assert log.last_seq == 3
    seen = read(log)
    log.append(Text("stdout", "y"))
    assert read(log) == [*seen, LoggedEvent(4, Text("stdout", "y"))]
    log.append(Text("stderr", "z"))
    assert read(log, 4) == [LoggedEvent(5, Text("stderr", "z"))]


@given(
    st.lists(st.tuples(st.sampled_from(["stdout", "stderr"]), st.text(max_size=50)), max_size=60),
    st.integers(300, 5000),
    st.lists(st.booleans(), min_size=60, max_size=60),
)
def test_nothing_is_lost_unsaid(writes: list[tuple[str, str]], limit: int, reads: list[bool]) -> None:
    """However much is written and whenever it is read: memory is bounded, and text is missing only where a gap says so."""
    log, after, got, gaps = EventLog(limit), 0, "", 0
    for (stream, text), now in zip(writes, reads, strict=False):
        log.append(Text(stream, text))  # type: ignore[arg-type]  # one of the two
        assert log.used_bytes <= max(limit, ENTRY_BYTES + 4 * JOINED_CHARS)
        while now and (piece := log.next_after(after)) is not None:
            assert (piece.first if isinstance(piece, Gap) else piece.seq) == after + 1
            after = piece.seq
            gaps += isinstance(piece, Gap)
            got += piece.item.text if isinstance(piece, LoggedEvent) and isinstance(piece.item, Text) else ""
    for piece in read(log, after):
        gaps += isinstance(piece, Gap)
        got += piece.item.text if isinstance(piece, LoggedEvent) and isinstance(piece.item, Text) else ""
    assert gaps or got == "".join(text for _, text in writes)


@pytest.mark.parametrize(
    ("item", "size"),
    [
        (Text("stdout", "é"), 2),
        (Raised("E", "é", "tb"), 5),
        (Display("display", {"a/b": "xy"}), NODE_BYTES * 2 + 5),
        (Accepted("r"), 0),
        (HostCall("a", "f", {}, 30), 30),
    ],
)
def test_what_is_kept_is_counted_in_bytes(item: Item, size: int) -> None:
    """Characters may take four each."""
    assert content_bytes(item) == size


def test_the_values_of_an_ended_run_count_too() -> None:
    """They may be as large as its output."""
    result = Result(True, "", "", "", None, 0, 0.1, variables={"x": {"preview": "y" * 1000}})
    assert content_bytes(Done(result)) > 1000
    returned = replace(DONE.result, return_value=["y" * 1000])
    assert content_bytes(Done(returned)) >= content_bytes(DONE) + 1000
    shown = ShownText("a" * 5000, "", "")
    assert content_bytes(Done(replace(result, shown=shown))) >= content_bytes(Done(result)) + 5000
    fetched = Fetched((FetchedFile(b"a", 750, "A" * 1000),))
    assert content_bytes(Done(replace(DONE.result, fetched=fetched))) >= content_bytes(DONE) + 1000


def test_logs_that_share_stamps_are_read_in_one_order() -> None:
    """By the stamp of the last event that a reader of both has; what was dropped is left out."""
    stamps = count(1)
    one, two = EventLog(ROOMY, stamps), EventLog(ROOMY, stamps)
    assert (one.last_stamp, one.next_beyond(-1)) == (-1, None)
    for log in (one, two, one, two):
        log.append(Display("display", {}))
    assert (one.last_stamp, two.last_stamp) == (3, 4)
    assert [getattr(one.next_beyond(stamp), "stamp", None) for stamp in range(4)] == [1, 3, 3, None]
    assert [getattr(two.next_beyond(stamp), "stamp", None) for stamp in range(5)] == [2, 2, 4, 4, None]
    one.trim(0)
    assert one.next_beyond(0) == LoggedEvent(2, Display("display", {}))


def test_the_code_of_a_run_is_shown_up_to_a_size_and_counted() -> None:
    """Those who watch see what runs; a program of megabytes is not kept for that."""
    whole, cut = ShownCode.of("python", "x = 1"), ShownCode.of("chart", "x" * (SHOWN_CODE_CHARS + 1))
    assert whole == ShownCode("python", "x = 1", is_cut=False)
    assert cut == ShownCode("chart", "x" * SHOWN_CODE_CHARS, is_cut=True)
    assert content_bytes(Accepted("r", cut)) >= SHOWN_CODE_CHARS
    assert content_bytes(Accepted("r")) == 0
