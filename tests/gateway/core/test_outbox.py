"""What waits for the clients of one kernel, held once."""

from __future__ import annotations

from collections.abc import Sequence

from hypothesis import example, given
from hypothesis import strategies as st

from gateway.core.backlog import OVERHEAD_BYTES
from gateway.core.jupyter import Relayed, read
from gateway.core.outbox import Held, Outbox


def message(name: str, size: int = 0) -> Relayed:
    """A message of *size* bytes and some."""
    return read(
        "iopub", [b'{"msg_id":"%s","msg_type":"stream"}' % name.encode(), b"{}", b"{}", b'{"x":"%s"}' % (b"x" * size)]
    )


def weight(*messages: Relayed) -> int:
    return sum(one.size_bytes + OVERHEAD_BYTES for one in messages)


def test_a_message_counts_once_for_all_its_clients() -> None:
    """It is counted until the last of them has it, and messages that only look alike are two."""
    held = Held()
    first, second = Outbox(held), Outbox(held)
    big, twin = message("a", 1000), message("a", 1000)
    first.add([big])
    second.add([big])
    assert held.size_bytes == weight(big)
    second.add([twin])
    assert held.size_bytes == weight(big, twin)
    first.write_next(None, lambda *_: (b"",))
    first.note_arrival(1)
    assert held.size_bytes == weight(big, twin)
    assert second.take_back() == [big, twin]
    assert held.size_bytes == 0


def test_each_layout_is_made_once() -> None:
    """However many clients speak it; a message that waits again later is laid out again."""
    made: list[str | None] = []

    def encode(_message: Relayed, protocol: str | None) -> Sequence[bytes]:
        made.append(protocol)
        return (b"whole",)

    held = Held()
    one = message("a")
    boxes = [Outbox(held) for _ in range(6)]
    for at, box in enumerate(boxes):
        box.add([one])
        assert box.write_next("v1" if at % 2 else None, encode) == (one, (b"whole",))
    assert made == [None, "v1"]
    for box in boxes:
        box.note_arrival(1)
    boxes[0].add([one])
    boxes[0].write_next(None, encode)
    assert made == [None, "v1", None]


@given(st.lists(st.tuples(st.integers(0, 2), st.sampled_from(("add", "write", "arrive", "back"))), max_size=60))
@example([(0, "add"), (0, "add"), (0, "write"), (0, "write"), (0, "arrive"), (0, "back")])
def test_nothing_is_lost_doubled_or_miscounted(steps: list[tuple[int, str]]) -> None:
    """Whatever the order: each box gives out what was put in, in order, and the count is that of all that is in any."""
    held = Held()
    boxes = [Outbox(held) for _ in range(3)]
    mine: list[list[Relayed]] = [[], [], []]
    written = [0, 0, 0]
    for number, (at, step) in enumerate(steps):
        if step == "add":
            one = message(str(number))
            for other in {at, (at + number) % 3}:
                boxes[other].add([one])
                mine[other].append(one)
        elif step == "write" and boxes[at].has_unwritten:
            assert boxes[at].write_next(None, lambda *_: ())[0] is mine[at][written[at]]
            written[at] += 1
        elif step == "arrive" and written[at]:
            boxes[at].note_arrival(1)
            mine[at].pop(0)
            written[at] -= 1
        elif step == "back":
            assert boxes[at].take_back() == mine[at]
            mine[at], written[at] = [], 0
        assert [len(box) for box in boxes] == [len(messages) for messages in mine]
        assert held.size_bytes == weight(*{id(one): one for messages in mine for one in messages}.values())
