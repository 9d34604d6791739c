"""What is kept for a client that is away."""

from __future__ import annotations

import orjson

from gateway.core.backlog import MAX_PARENTS, OVERHEAD_BYTES, Backlog, Lost
from gateway.core.jupyter import Channel, Head, Relayed, compose, read


def message(kind: str, parent: str, size: int = 100, channel: Channel = "iopub") -> Relayed:
    """One of about *size* bytes."""
    header = {"msg_id": "m", "msg_type": kind}
    return read(channel, [orjson.dumps(part) for part in (header, {"msg_id": parent}, {}, {"text": "x" * size})])


def mark(lost: Lost) -> Relayed:
    head = Head("mark", "stream")
    return compose("iopub", head, "now", lost.parent, {"messages": lost.messages, "bytes": lost.size_bytes})


def test_messages_come_back_once_and_in_order() -> None:
    """Also when they are of different kinds."""
    backlog = Backlog(1_000_000)
    sent = [message(kind, "r") for kind in ("status", "stream", "display_data", "stream", "status")]
    for item in sent:
        backlog.add(item)
    assert len(backlog) == 5
    assert backlog.take(mark) == sent
    backlog.add(sent[4])
    backlog.put_back(sent[:4])
    assert backlog.take(mark) == sent
    assert backlog.take(mark) == []


def test_text_goes_first_then_charts_and_the_end_of_a_run_stays() -> None:
    """And what is missing is said once for each run, first of all."""
    backlog = Backlog(4 * (1000 + OVERHEAD_BYTES))
    text, chart, end = (
        message("stream", "r", 900),
        message("display_data", "r", 900),
        message("execute_reply", "r", 900, "shell"),
    )
    for item in (chart, end, *[text] * 50):
        backlog.add(item)
    first, *rest = backlog.take(mark)
    assert rest[:2] == [chart, end]
    assert orjson.loads(first.parent) == {"msg_id": "r"}
    told = orjson.loads(first.content)
    assert told["messages"] == 50 - len(rest[2:])
    assert told["bytes"] == told["messages"] * text.size_bytes
    for item in (chart, *[end] * 50):
        backlog.add(item)
    assert chart not in backlog.take(mark)


def test_however_much_comes_memory_is_bounded() -> None:
    """Bytes, number of messages, and number of notes."""
    backlog = Backlog(10_000)
    for number in range(1000):
        backlog.add(message("stream", f"r{number}", 0))
    kept = backlog.take(mark)
    assert len(kept) <= 10_000 // OVERHEAD_BYTES + MAX_PARENTS
    told = sum(orjson.loads(item.content).get("messages", 0) for item in kept if item.head.msg_id == "mark")
    assert told + len([item for item in kept if item.head.msg_id == "m"]) == 1000
