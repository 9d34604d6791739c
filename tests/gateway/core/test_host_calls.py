"""Which calls of a run wait for its client, and what they may take."""

from __future__ import annotations

import json
from typing import Any

import pytest

from gateway.core.errors import BadRequest, Conflict
from gateway.core.host_calls import HostCalls
from gateway.core.host_tools import CallLimits, HostAnswer, HostCall, HostTool


class Line:
    """A kernel and a clock that note what they are told."""

    def __init__(self) -> None:
        self.said: list[Any] = []

    def deliver(self, answer: HostAnswer) -> None:
        self.said.append(json.loads(answer.content))

    def begin_waiting(self) -> None:
        self.said.append("waits")

    def end_waiting(self) -> None:
        self.said.append("goes on")


def calls(**limits: Any) -> tuple[HostCalls, Line]:
    """The calls of a run with the tool ``f``, under way."""
    made, line = HostCalls([HostTool("f")], CallLimits(**limits)), Line()
    made.open(line)
    return made, line


def call(call_id: str, size: int = 0, name: str = "f") -> HostCall:
    return HostCall(call_id, name, {}, size)


def waiting(run: HostCalls) -> list[str]:
    return [one.call_id for one in run.waiting]


def test_a_call_waits_until_it_is_answered() -> None:
    """The clock stands still from the first that waits to the last that is answered."""
    run, line = calls()
    assert (run.take(call("a")), run.take(call("b"))) == (call("a"), call("b"))
    assert waiting(run) == ["a", "b"]
    run.answer([HostAnswer.of("b", output=2)])
    assert waiting(run) == ["a"]
    run.answer([HostAnswer.of("a", error="no")])
    assert line.said == ["waits", {"id": "b", "output": 2}, {"id": "a", "error": "no"}, "goes on"]
    run.answer([])
    assert line.said[-1] == "goes on"
    assert len(line.said) == 4
    run.take(call("c"))
    assert line.said[-1] == "waits"
    assert run.taken == 3


def test_a_forged_call_is_none() -> None:
    """A tool that was not given, an id that was there, a time when nothing runs."""
    run, line = calls()
    assert run.take(call("a", name="g")) is None
    run.take(call("a"))
    assert run.take(call("a")) is None
    run.answer([HostAnswer.of("a", output=1)])
    assert run.take(call("a")) is None
    run.close()
    assert run.take(call("b")) is None
    assert HostCalls([HostTool("f")], CallLimits()).take(call("a")) is None
    assert line.said == ["waits", {"id": "a", "output": 1}, "goes on"]


def test_results_are_taken_all_or_none() -> None:
    """An id that is unknown, answered or named twice is an error that names it, and nothing is sent."""
    run, line = calls()
    for name in ("a", "b"):
        run.take(call(name))
    run.answer([HostAnswer.of("b", output=0)])
    sent = list(line.said)
    for ids, said in (
        ("ax", "'x' is none of this run's"),
        ("ab", "'b' has been answered"),
        ("aa", "result for the call 'a'"),
    ):
        with pytest.raises(BadRequest, match=said):
            run.answer([HostAnswer.of(name, output=1) for name in ids])
    assert line.said == sent
    assert waiting(run) == ["a"]


def test_the_end_of_the_run_is_the_end_of_its_calls() -> None:
    """Nothing waits any more, and results are refused."""
    run, line = calls()
    run.take(call("a"))
    assert not run.is_closed
    run.close()
    assert (waiting(run), run.is_closed) == ([], True)
    with pytest.raises(Conflict):
        run.answer([HostAnswer.of("a", output=1)])
    assert line.said == ["waits"]


def test_a_run_that_has_no_kernel_yet_has_no_calls() -> None:
    """It waits in the queue: there is nothing to answer."""
    run = HostCalls([HostTool("f")], CallLimits())
    run.answer([])
    with pytest.raises(BadRequest):
        run.answer([HostAnswer.of("a", output=1)])


def test_so_many_calls_and_no_more() -> None:
    """The code gets an error at the call; the client hears nothing of it."""
    run, line = calls(calls=2)
    assert [run.take(call(name)) is None for name in "abc"] == [False, False, True]
    assert line.said[1:] == [{"id": "c", "error": "The run has made 2 calls of tools, which is its limit"}]


def test_so_many_bytes_and_no_more() -> None:
    """Inputs and results count together; what is too large becomes an error in its place."""
    run, line = calls(total_bytes=100)
    text = "The calls of this run have more than 100 bytes, inputs and results together"
    assert run.take(call("a", 101)) is None
    assert line.said == [{"id": "a", "error": text}]
    assert run.take(call("b", 60)) is not None
    run.answer([HostAnswer.of("b", output="x" * 50)])
    assert line.said[2:] == [{"id": "b", "error": text}, "goes on"]
    run.take(call("c", 10))
    run.answer([HostAnswer.of("c", output=1)])
    assert line.said[-2:] == [{"id": "c", "output": 1}, "goes on"]
