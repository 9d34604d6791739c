"""When a run is over, and what belongs to it."""

from __future__ import annotations

from itertools import pairwise, permutations
from typing import Literal

from hypothesis import given
from hypothesis import strategies as st

from gateway.core.call_message import CallMessage
from gateway.core.collect import CONTAINER_BYTES, DISPLAY_BYTES, UNREADABLE, Collector, coalesce
from gateway.core.host_calls import HostCalls
from gateway.core.host_tools import CallLimits, HostAnswer, HostCall, HostTool
from gateway.core.model import Cleared, Display, Event, Finished, KernelReport, Raised, Text
from gateway.core.strict_json import Count
from gateway.core.validate import (
    Body,
    Clear,
    ErrorMessage,
    ExecuteReply,
    Interrupted,
    Message,
    Shown,
    Status,
    StreamMessage,
    UnreadMessage,
    Welcome,
)

E1 = ErrorMessage(Raised("ValueError", "no", "tb"), is_cut=False)
E2 = ErrorMessage(Raised("KeyError", "forged", "tb"), is_cut=False)
IDLE, BUSY, OK = Status("idle"), Status("busy"), ExecuteReply("ok", KernelReport(cpu_s=1.0))


def out(text: str, stream: Literal["stdout", "stderr"] = "stdout") -> StreamMessage:
    """A piece of output."""
    return StreamMessage(stream, text)


def shown(size: int = 0, *, is_cut: bool = False) -> Shown:
    """Something displayed."""
    return Shown(Display("display", {"text/plain": "x"}), size, is_cut)


def named(size: int, *, updates: bool = False) -> Shown:
    """Something displayed under the id *x*, or an update of it."""
    return Shown(Display("display", {"text/plain": "x"}, {}, "x", updates=updates), size, False)


def collector(output_bytes: int = 1000, rich_bytes: int = 10 * DISPLAY_BYTES) -> Collector:
    """A collector of run ``r``."""
    return Collector("r", output_bytes, rich_bytes)


def feed(run: Collector, *bodies: Body, parent: str = "r") -> list[Event]:
    """All events of messages with these bodies."""
    return [event for body in bodies for event in run.feed(Message(parent, body))]


def test_a_run_ends_only_after_reply_and_idle() -> None:
    """The reply may overtake output; nothing printed before idle is lost."""
    run = collector()
    assert feed(run, BUSY, OK, out("late\n")) == [Text("stdout", "late\n")]
    assert not run.is_over
    assert feed(run, IDLE) == [KernelReport(cpu_s=1.0), Finished("ok")]
    assert run.is_over


def test_a_run_ends_when_idle_comes_first() -> None:
    """The two come over different sockets."""
    run = collector()
    assert feed(run, BUSY, IDLE) == []
    assert not run.is_over
    assert feed(run, OK)[-1] == Finished("ok")


def test_nothing_comes_after_the_end() -> None:
    """Late or repeated messages change nothing."""
    run = collector()
    feed(run, OK, IDLE)
    assert feed(run, out("x"), IDLE, OK, E1, shown(), Clear(wait=False)) == []
    assert not run.has_exceeded


def test_messages_of_other_requests_are_ignored() -> None:
    """Neither output nor an end of another run is this run's."""
    run = collector(output_bytes=1)
    assert feed(run, out("other's"), OK, IDLE, E1, parent="q") == []
    assert feed(run, out("nobody's"), IDLE, parent="") == []
    assert not run.is_over
    assert not run.has_exceeded


def test_welcome_and_interrupt_replies_say_nothing_of_the_run() -> None:
    """They are the client's business."""
    run = collector()
    assert feed(run, Welcome(), Interrupted(), BUSY, Status("starting")) == []
    assert not run.is_over


def test_a_forged_second_reply_changes_nothing() -> None:
    """The first reply counts."""
    run = collector()
    feed(run, OK, ExecuteReply("error", failure=E2))
    assert feed(run, IDLE) == [KernelReport(cpu_s=1.0), Finished("ok")]


def test_a_reply_that_cannot_be_read_counts_if_no_other_comes() -> None:
    """Code can forge one, and the true one follows; without it the run must not wait for ever."""
    run = collector()
    assert run.settle() == []
    assert feed(run, UNREADABLE, IDLE) == []
    assert (run.is_unsettled, run.is_over) == (True, False)
    assert feed(run, OK) == [OK.report, Finished("ok")]
    assert (run.is_unsettled, run.is_over, run.is_truncated) == (False, True, False)
    assert run.settle() == []
    run = collector()
    feed(run, UNREADABLE, UNREADABLE, IDLE)
    assert UNREADABLE.failure is not None
    assert run.settle() == [UNREADABLE.failure.raised, KernelReport(), Finished("error")]
    assert (run.is_over, run.is_truncated) == (True, True)
    assert feed(run, OK) == []
    run = collector()
    feed(run, OK, UNREADABLE, IDLE)
    assert (run.is_over, run.is_truncated) == (True, False)


def test_a_failure_is_reported_once_and_in_place() -> None:
    """The error message comes before the reply repeats it."""
    run = collector()
    events = feed(run, out("a"), E1, E2, ExecuteReply("error", failure=E1), IDLE)
    assert events == [Text("stdout", "a"), E1.raised, KernelReport(), Finished("error")]


def test_a_failure_known_from_the_reply_alone_is_reported() -> None:
    """Whatever became of the error message."""
    run = collector()
    assert feed(run, IDLE, ExecuteReply("error", failure=E1)) == [E1.raised, KernelReport(), Finished("error")]


def test_output_over_the_limit_is_cut_at_it() -> None:
    """What was captured up to there is returned; the client is told to end the run."""
    run = collector(output_bytes=5)
    assert feed(run, out("abc"), out("defg", "stderr")) == [Text("stdout", "abc"), Text("stderr", "de")]
    assert run.has_exceeded
    assert run.is_truncated
    assert feed(run, out("more"), shown(), Clear(wait=True)) == []


def test_output_of_just_the_limit_is_fine() -> None:
    """The limit itself is allowed."""
    run = collector(output_bytes=5)
    feed(run, out("abcde"))
    assert not run.has_exceeded


def test_the_limit_counts_bytes_and_never_splits_a_character() -> None:
    """Half a character would not be text."""
    run = collector(output_bytes=4)
    assert feed(run, out("€€")) == [Text("stdout", "€")]
    assert run.has_exceeded


def test_displays_have_a_limit_of_their_own() -> None:
    """A chart does not use up the room for text, nor text that for charts."""
    run = collector(output_bytes=1, rich_bytes=DISPLAY_BYTES + 100)
    assert len(feed(run, shown(100))) == 1
    assert not run.has_exceeded
    assert feed(run, shown()) == []
    assert run.has_exceeded


def test_floods_of_empty_displays_and_clearings_end_too() -> None:
    """Each costs the gateway something."""
    for body in (shown(), Clear(wait=False)):
        run = collector()
        feed(run, *[body] * 10)
        assert not run.has_exceeded
        feed(run, body)
        assert run.has_exceeded


def test_cut_messages_make_the_result_truncated() -> None:
    """Nothing is cut silently."""
    for body in (shown(is_cut=True), ErrorMessage(E1.raised, is_cut=True), ExecuteReply("ok", is_cut=True)):
        run = collector()
        feed(run, body)
        assert run.is_truncated
        assert not run.has_exceeded


def test_clearing_is_an_event_and_loses_nothing() -> None:
    """Callers decide what to do with it."""
    assert feed(collector(), out("a"), Clear(wait=True), out("b")) == [
        Text("stdout", "a"),
        Cleared(wait=True),
        Text("stdout", "b"),
    ]


bodies = st.sampled_from(
    [IDLE, BUSY, OK, E1, E2, out("a"), out("b", "stderr"), shown(), Clear(wait=True), ExecuteReply("aborted")]
)
messages = st.lists(st.tuples(st.sampled_from(["r", "q", ""]), bodies), max_size=40)


@given(messages)
def test_a_run_hears_only_its_own_and_finishes_at_most_once(script: list[tuple[str, Body]]) -> None:
    """In any order, with any messages of others in between."""
    run, alone = collector(), collector()
    events = [event for parent, body in script for event in run.feed(Message(parent, body))]
    assert events == feed(alone, *(body for parent, body in script if parent == "r"))
    assert sum(isinstance(event, Finished) for event in events) == int(run.is_over)
    if run.is_over:
        assert isinstance(events[-1], Finished)


def test_every_order_of_reply_idle_and_output_keeps_what_came_before_the_end() -> None:
    """All six orders."""
    bodies: list[Body] = [OK, IDLE, out("x")]
    for order in permutations(bodies):
        run = collector()
        events = feed(run, *order)
        assert run.is_over
        assert (Text("stdout", "x") in events) == (order[-1] != out("x"))


def test_adjacent_pieces_of_one_stream_are_joined() -> None:
    """A flood of small writes becomes one event a batch."""
    a, b, c = Text("stdout", "a"), Text("stdout", "b"), Text("stderr", "c")
    assert coalesce([a, b, c, c, a]) == [Text("stdout", "ab"), Text("stderr", "cc"), a]
    assert coalesce([a, Cleared(wait=False), b]) == [a, Cleared(wait=False), b]
    assert coalesce([]) == []


texts = st.builds(Text, st.sampled_from(["stdout", "stderr"]), st.text(max_size=3))
events = st.lists(texts | st.just(Cleared(wait=True)))


@given(events)
def test_joining_loses_and_moves_nothing(before: list[Event]) -> None:
    """Each stream reads the same, and no two neighbours are left to join."""
    after = coalesce(before)
    for stream in ("stdout", "stderr"):
        assert _written(before, stream) == _written(after, stream)
    pairs = pairwise(after)
    assert not any(isinstance(a, Text) and isinstance(b, Text) and a.stream == b.stream for a, b in pairs)


def _written(events: list[Event], stream: str) -> str:
    return "".join(event.text for event in events if isinstance(event, Text) and event.stream == stream)


def test_an_update_counts_as_often_as_it_is_shown() -> None:
    """A small thing shown fifty times and then made large would come out fifty times as large."""
    few = collector(rich_bytes=100 * DISPLAY_BYTES)
    feed(few, named(10), named(20 * DISPLAY_BYTES, updates=True))
    assert not few.has_exceeded
    many = collector(rich_bytes=100 * DISPLAY_BYTES)
    assert feed(many, *[named(10)] * 50)
    assert not many.has_exceeded
    assert feed(many, named(20 * DISPLAY_BYTES, updates=True)) == []
    assert many.has_exceeded


def test_showing_the_same_again_costs_what_it_adds() -> None:
    """Fifty times the same, and updates of one display, are no more than their own sum."""
    again = collector(rich_bytes=100 * DISPLAY_BYTES)
    feed(again, *[named(DISPLAY_BYTES)] * 50)
    assert not again.has_exceeded
    updated = collector(rich_bytes=100 * DISPLAY_BYTES)
    feed(updated, named(DISPLAY_BYTES), *[named(DISPLAY_BYTES, updates=True)] * 49)
    assert not updated.has_exceeded
    feed(updated, named(DISPLAY_BYTES, updates=True))
    assert updated.has_exceeded


def test_a_message_that_was_not_read_makes_the_result_truncated() -> None:
    """It would have taken too long; the run goes on."""
    run = collector()
    assert feed(run, UnreadMessage(), out("a")) == [Text("stdout", "a")]
    assert run.is_truncated


def test_a_run_that_was_its_kernels_last_says_so() -> None:
    """Once its reply is there."""
    run = collector()
    assert not run.ends_kernel
    feed(run, ExecuteReply("ok", KernelReport(is_last=True)))
    assert run.ends_kernel


class NoLine:
    """A kernel and a clock for runs whose calls nobody answers."""

    def deliver(self, answer: HostAnswer) -> None:
        raise AssertionError(answer)

    def begin_waiting(self) -> None:
        """The clock."""

    def end_waiting(self) -> None:
        raise AssertionError


def test_a_call_of_a_tool_is_an_event() -> None:
    """If the run was given that tool; a run without tools has none."""
    call = CallMessage(HostCall("a", "f", {}))
    calls = HostCalls([HostTool("f")], CallLimits())
    calls.open(NoLine())
    run = Collector("r", 1000, 1000, calls)
    assert feed(run, BUSY, call, call, CallMessage(HostCall("b", "g", {})), OK, IDLE)[0] == HostCall("a", "f", {})
    assert len(calls.waiting) == 1
    assert feed(collector(), call) == []


def test_a_call_of_many_lists_weighs_what_they_take() -> None:
    """Not only their bytes: `[],` has three, and takes seventy of the gateway's memory."""
    calls = HostCalls([HostTool("f")], CallLimits())
    calls.open(NoLine())
    run = Collector("r", 1000, 1000, calls)
    (told,) = run.feed(Message("r", CallMessage(HostCall("a", "f", {}, 100)), Count(containers=3)))
    assert isinstance(told, HostCall)
    assert told.size_bytes == 100 + 3 * CONTAINER_BYTES
