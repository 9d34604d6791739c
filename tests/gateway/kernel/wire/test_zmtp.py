"""ZMTP as bytes: what libzmq sends is read, what breaks the protocol or a limit is refused as soon as it can be seen."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.kernel.wire.zmtp import (
    FRAME_BYTES,
    GREETING,
    MAX_COMMAND_BYTES,
    MAX_COMMANDS,
    Reader,
    Violation,
    encode_message,
    encode_ready,
)

KIB = 1024
READY = encode_ready("ROUTER")
HELLO = GREETING + READY
frames = st.lists(st.binary(max_size=300), min_size=1, max_size=5)


def reader(limit_bytes: int = 64 * KIB) -> Reader:
    """A reader past the handshake."""
    fresh = Reader(limit_bytes)
    assert list(fresh.feed(HELLO)) == []
    assert fresh.is_ready
    return fresh


def header(flags: int, size: int) -> bytes:
    """The start of a long frame."""
    return bytes([flags | 2]) + size.to_bytes(8, "big")


@given(st.lists(frames, max_size=5), st.data())
def test_messages_survive_any_cut_into_pieces(messages: list[list[bytes]], data: st.DataObject) -> None:
    """Sockets cut where they like, in the handshake too."""
    stream = HELLO + b"".join(encode_message(message) for message in messages)
    cuts = sorted(data.draw(st.lists(st.integers(0, len(stream)), max_size=10)))
    pieces = [stream[start:end] for start, end in zip([0, *cuts], [*cuts, len(stream)], strict=True)]
    reading = Reader(64 * KIB)
    assert [message for piece in pieces for message in reading.feed(piece)] == messages


@given(st.binary(max_size=200))
def test_any_bytes_are_messages_or_a_violation(noise: bytes) -> None:
    """Before and after the handshake."""
    for fresh in (Reader(KIB), reader(KIB)):
        try:
            messages = list(fresh.feed(noise))
        except Violation:
            continue
        assert all(isinstance(frame, bytes) for message in messages for frame in message)


def test_the_steps_of_the_handshake_are_told() -> None:
    """READY is due after the greeting, messages after the peer's READY."""
    fresh, states = Reader(KIB), []
    for piece in (GREETING[:-1], GREETING[-1:], READY[:-1], READY[-1:]):
        assert list(fresh.feed(piece)) == []
        states.append((fresh.is_greeted, fresh.is_ready))
    assert states == [(False, False), (True, False), (True, False), (True, True)]


@pytest.mark.parametrize(
    "start",
    [
        b"GET / HTTP/1.1\r\n",
        b"\x01\x00",
        b"\xff" + bytes(8) + b"\x7e",
        GREETING[:10] + bytes([1]) + GREETING[11:],
        GREETING[:12] + b"PLAIN".ljust(20, b"\0") + GREETING[32:],
        GREETING[:12] + b"CURVE".ljust(20, b"\0") + GREETING[32:],
        GREETING + encode_message([b"too early"]),
        GREETING + b"\x04\x06\x05ERROR",
    ],
)
def test_another_protocol_is_refused(start: bytes) -> None:
    """HTTP, ZMTP 1 and 2, other mechanisms, messages before READY, an error instead of it."""
    with pytest.raises(Violation):
        list(Reader(KIB).feed(start))


@pytest.mark.parametrize("flags", [0x08, 0x80, 0x05, 0xFF])
def test_reserved_flags_are_refused(flags: int) -> None:
    """A command cannot have more frames."""
    with pytest.raises(Violation):
        list(reader().feed(bytes([flags, 0]) + bytes(8)))


def test_a_frame_over_the_limit_is_refused_before_its_body_comes() -> None:
    """Eight gigabytes are announced; none is waited for."""
    for size in (64 * KIB + 1, 8 * 2**30, 2**64 - 1):
        with pytest.raises(Violation):
            list(reader().feed(header(0, size)))


def test_an_unfinished_message_over_the_limit_is_refused() -> None:
    """Frame after frame, each within the limit, and never an end."""
    reading = reader(10 * KIB)
    piece = header(1, KIB) + b"x" * KIB
    with pytest.raises(Violation):
        for _ in range(11):
            assert list(reading.feed(piece)) == []


def test_empty_frames_without_end_are_refused() -> None:
    """They cost too."""
    reading = reader(10 * FRAME_BYTES)
    with pytest.raises(Violation):
        for _ in range(11):
            assert list(reading.feed(b"\x01\x00")) == []


def test_what_came_whole_before_a_violation_is_read() -> None:
    """The output right before a broken message is not lost."""
    taken = []
    with pytest.raises(Violation):
        for message in reader().feed(encode_message([b"fine"]) + b"\x08\x00"):
            taken.append(message)  # a comprehension would lose what came before
    assert taken == [[b"fine"]]


def test_the_limit_is_per_message() -> None:
    """Many small ones may pass."""
    reading = reader(KIB)
    for _ in range(100):
        assert list(reading.feed(encode_message([b"x" * 500]))) == [[b"x" * 500]]


def test_later_commands_are_read_over() -> None:
    """Heartbeats of a peer that sends them; not without bound."""
    reading = reader()
    assert list(reading.feed(b"\x04\x07\x04PING\x00\x00" + encode_message([b"x"]))) == [[b"x"]]
    with pytest.raises(Violation):
        list(reading.feed(header(4, MAX_COMMAND_BYTES + 1)))
    with pytest.raises(Violation):
        list(reader().feed(b"\x04\x00" * MAX_COMMANDS))
