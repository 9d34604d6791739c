"""What is kept of a command's output, and what a reader is told that comes late."""

from __future__ import annotations

from hypothesis import example, given
from hypothesis import strategies as st

from gateway.core.command_log import JOINED_BYTES, CommandLog, OutputStream, Piece
from gateway.core.event_log import ENTRY_BYTES, Gap


def told(log: CommandLog, seq: int = 0) -> list[Piece | Gap]:
    """All that a reader gets that has everything up to *seq*."""
    found = []
    while (one := log.next_after(seq)) is not None:
        found.append(one)
        seq = one.last if isinstance(one, Gap) else one.seq
    return found


def test_pieces_come_in_order_and_streams_apart() -> None:
    """What one stream wrote without a reader in between is one piece."""
    log = CommandLog(10_000)
    for stream, data in (("stdout", b"a"), ("stdout", b"b"), ("stderr", b"c"), ("stdout", b"d")):
        log.append(stream, data)  # type: ignore[arg-type]
    assert told(log) == [Piece(1, "stdout", b"ab"), Piece(2, "stderr", b"c"), Piece(3, "stdout", b"d")]
    assert (log.output("stdout"), log.output("stderr")) == (b"abd", b"c")
    assert (log.last_seq, log.is_cut) == (3, False)
    assert log.next_after(3) is None


def test_a_piece_that_was_read_does_not_grow() -> None:
    """Its reader would never see the rest; nor does one that is large enough."""
    log = CommandLog(100_000)
    log.append("stdout", b"a")
    assert told(log) == [Piece(1, "stdout", b"a")]
    log.append("stdout", b"b")
    log.append("stdout", bytes(JOINED_BYTES))
    assert [found.seq for found in told(log, 1) if isinstance(found, Piece)] == [2, 3]


def test_the_oldest_goes_when_there_is_no_room() -> None:
    """A reader that comes late is told so; the newest piece stays, however large."""
    log = CommandLog(3 * (ENTRY_BYTES + 5000))
    for at in range(5):
        log.append("stdout", b"%d" % at * 5000)
    assert told(log)[0] == Gap(1, 2)
    assert len(told(log)) == 4
    assert log.is_cut
    log.append("stderr", bytes(100_000))
    assert told(log) == [Gap(1, 5), Piece(6, "stderr", bytes(100_000))]


def test_what_one_more_would_drop_is_known_before() -> None:
    """So that a reader can be waited for."""
    log = CommandLog(3 * (ENTRY_BYTES + 5000))
    assert log.dropped_by(1_000_000) == 0
    for _ in range(3):
        log.append("stdout", bytes(5000))
    assert [log.dropped_by(size) for size in (0, 5000, 5001, 15_000 + ENTRY_BYTES * 2, 1_000_000)] == [1, 1, 2, 3, 3]
    log.append("stdout", bytes(5000))
    assert told(log)[0] == Gap(1, 1)


@given(st.lists(st.tuples(st.sampled_from(["stdout", "stderr"]), st.binary(max_size=3000)), max_size=50))
@example([("stdout", bytes(3000))] * 10)
def test_the_log_stays_within_its_limit(writes: list[tuple[OutputStream, bytes]]) -> None:
    """And the account of what it uses is right."""
    log = CommandLog(8000)
    for stream, data in writes:
        log.append(stream, data)
        kept = [found for found in told(log) if isinstance(found, Piece)]
        assert log.used_bytes == sum(ENTRY_BYTES + len(piece.data) for piece in kept) <= 8000
        assert kept[-1].seq == log.last_seq
