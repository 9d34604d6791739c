"""Events in whatever pieces they come."""

from __future__ import annotations

import pytest

from omega_client import sse
from omega_client.errors import ConnectionFailed
from omega_client.sse import EventReader

STREAM = (
    "\ufeff: hello\nid: 1\nevent: x\ndata: é\ndata:b\ndata\n\n: ping\n\ndata: {}\r\n\r\ndata: c\r\rdata: lost\n".encode()
)
DATA = ["é\nb", "{}", "c"]


@pytest.mark.parametrize("size", [1, 2, 3, 7, 1000])
def test_events_come_whole_from_pieces_of_any_size(size: int) -> None:
    """Letters, lines and their three kinds of ends may be cut."""
    reader = EventReader()
    found = [data for at in range(0, len(STREAM), size) for data in reader.feed(STREAM[at : at + size])]
    assert found == DATA


def test_an_event_without_its_end_is_none() -> None:
    """It may be incomplete."""
    assert EventReader().feed(b"data: a\n") == []


@pytest.mark.parametrize("piece", [b"data: 123", b"data: 1\n"])
def test_an_event_that_does_not_end_is_refused(piece: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    """In one line or in many; what has an end may go on for ever."""
    monkeypatch.setattr(sse, "EVENT_CHARS", 100)
    reader = EventReader()
    for _ in range(50):
        assert reader.feed(b": ping\n\ndata: 12345678901234567890\n\n") == ["12345678901234567890"]
        assert reader.feed(b": ping\n\n") == []
    with pytest.raises(ConnectionFailed, match="more than 100 characters"):
        for _ in range(50):
            reader.feed(piece)
