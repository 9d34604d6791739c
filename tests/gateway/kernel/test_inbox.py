"""Whose the messages of a kernel are: the run's, an answer to an interrupt, somebody else's, or nobody's."""

from __future__ import annotations

import json
from typing import Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st
from jupyter_client.session import DELIM, Session

from gateway.core.fold import Completed
from gateway.core.model import RunSpec, Text
from gateway.core.strict_json import Steps, run_out
from gateway.core.validate import Channel
from gateway.kernel.inbox import Inbox
from gateway.kernel.run import Run
from gateway.kernel.wire.codec import Codec

KEY, MIB = "secret", 1024 * 1024
peer = Session(key=KEY.encode(), username="kernel")
Kind = Literal["own", "late", "greeting", "answered", "answered late", "forged"]


def message(kind: str, content: object, parent_id: str) -> list[bytes]:
    """A well-formed, signed message."""
    parts = [json.dumps(part).encode() for part in ({"msg_type": kind, "msg_id": "m"}, {"msg_id": parent_id}, {}, content)]
    return [DELIM, peer.sign(parts), *parts]


def printed(text: str, parent_id: str = "run") -> list[bytes]:
    """A line of output."""
    return message("stream", {"name": "stdout", "text": text}, parent_id)


MESSAGES: dict[Kind, tuple[Channel, list[bytes]]] = {
    "own": ("iopub", printed("x")),
    "late": ("iopub", printed("late", "before")),
    "greeting": ("iopub", message("iopub_welcome", {"subscription": ""}, "")),
    "answered": ("control", message("interrupt_reply", {"status": "ok"}, "stop")),
    "answered late": ("control", message("interrupt_reply", {"status": "ok"}, "stop before")),
    "forged": ("iopub", [DELIM, b"0" * 64, *printed("forged")[2:]]),
}


class World:
    """An inbox; *overflows* counts how often too much came that belongs to no run."""

    def __init__(self, max_noise_bytes: int = MIB) -> None:
        self.overflows = 0
        self.inbox = Inbox(Codec(KEY), max_noise_bytes, self._overflow)
        self.texts: list[str] = []
        self.run = Run("run", RunSpec("python", "", 30, MIB, MIB), self._take, 0.0)

    def _overflow(self) -> None:
        self.overflows += 1

    def _take(self, event: object) -> None:
        if isinstance(event, Text):
            self.texts.append(event.text)

    def get(self, *kinds: Kind) -> None:
        """Let these messages come, one by one."""
        for kind in kinds:
            channel, frames = MESSAGES[kind]
            run_out(self.inbox.receive(channel, [frames]))


@pytest.mark.parametrize(
    ("kind", "is_fed", "welcomes", "interrupts", "is_noise"),
    [
        ("own", True, False, False, False),
        ("late", False, True, False, False),
        ("greeting", False, True, False, False),
        ("answered", False, False, True, False),
        ("answered late", False, False, False, True),
        ("forged", False, False, False, True),
    ],
)
async def test_whose_a_message_is(kind: Kind, is_fed: bool, welcomes: bool, interrupts: bool, is_noise: bool) -> None:
    """The first message of a kernel, while a run is under way and an interrupt is to be answered."""
    world = World(max_noise_bytes=0)
    world.inbox.begin(world.run)
    world.inbox.expect_interrupt_reply("stop")
    world.get(kind)
    assert world.texts == (["x"] if is_fed else [])
    assert world.inbox.welcomed.is_set() == welcomes
    assert world.inbox.interrupted.is_set() == interrupts
    assert world.overflows == is_noise


async def test_what_comes_without_a_run_is_noise_until_the_next_begins() -> None:
    """Late output of one run counts together; each run starts from nothing."""
    world = World(max_noise_bytes=3 * sum(map(len, MESSAGES["late"][1])))
    world.get("greeting", "late", "late", "late")
    assert world.overflows == 0
    world.inbox.begin(world.run)
    world.get("late", "late", "late")
    assert world.overflows == 0
    world.get("late")
    assert world.overflows == 1


async def test_a_run_that_ended_between_the_steps_gets_nothing() -> None:
    """Nor does the next one, whose messages they are not."""
    world, text = World(), "x" * (MIB - 1)
    world.inbox.begin(world.run)
    steps = world.inbox.receive("iopub", [printed(text)])
    next(steps)
    world.inbox.end_run()
    following = World()
    world.inbox.begin(following.run)
    run_out(steps)
    assert (world.texts, following.texts) == ([], [])


async def test_a_successor_reads_all_that_follows() -> None:
    """And the inbox nothing."""
    world, seen = World(max_noise_bytes=0), list[list[list[bytes]]]()

    def successor(_channel: Channel, messages: list[list[bytes]]) -> Steps[int]:
        seen.append(messages)
        yield 5
        return 7

    world.inbox.hand_over(successor)
    assert world.inbox.is_handed_over
    steps = world.inbox.receive("iopub", [[b"anything"]])
    assert next(steps) == 5
    with pytest.raises(StopIteration) as end:
        next(steps)
    assert (end.value.value, seen, world.overflows) == (7, [[[b"anything"]]], 0)


Event = Kind | Literal["begin", "end", "interrupt"]
KINDS: list[Event] = [*MESSAGES, "begin", "end", "interrupt"]


@given(st.lists(st.sampled_from(KINDS), max_size=30))
async def test_in_any_order_a_run_gets_its_own_and_nothing_else(events: list[Event]) -> None:
    """Whatever the kernel sends, and whenever runs begin and end and interrupts are asked for."""
    world = World()
    is_running, is_asked, expected, interrupted, welcomed = False, False, 0, False, False
    for event in events:
        match event:
            case "begin":
                is_running = True
                world.inbox.begin(world.run)
            case "end":
                is_running = False
                world.inbox.end_run()
            case "interrupt":
                is_asked, interrupted = True, False
                world.inbox.expect_interrupt_reply("stop")
            case _:
                expected += event == "own" and is_running
                interrupted |= event == "answered" and is_asked
                welcomed |= event in ("greeting", "late") or (event == "own" and not is_running)
                world.get(event)
        assert world.inbox.interrupted.is_set() == interrupted
        assert world.inbox.welcomed.is_set() == welcomed
    assert world.run.result(Completed(None, MIB), 1.0).stdout == "x" * expected
    assert world.overflows == 0
