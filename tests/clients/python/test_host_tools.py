"""Tools that code can call: what is told of them, and how a run with them is carried out, against a scripted gateway."""

from __future__ import annotations

import datetime
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest

import omega_client as omega
from omega_client import host_tools
from omega_client.host_tools import HostCall, HostTools, result_of
from tests.clients.python import peer
from tests.clients.python.both import Both
from tests.clients.python.peer import Asked, document, event
from tests.clients.python.tool_runs import ANSWERED, CALLS, COMPLETED, PYTHON, RESULTS, begun, ended, query, required


def test_a_function_becomes_a_tool() -> None:
    """And can be called as before."""
    assert query("a") == [("a", 10)]
    assert query.definition() == {
        "name": "query",
        "description": "Ask the database.",
        "parameters": {
            "type": "object",
            "properties": {"sql": {"type": "string"}, "limit": {"type": "integer", "default": 10}},
            "required": ["sql"],
            "additionalProperties": False,
        },
    }
    named = omega.tool(name="other", description="Else.", parameters={"type": "object"})(len)
    assert named.definition() == {"name": "other", "description": "Else.", "parameters": {"type": "object"}}
    with pytest.raises(ValueError, match="name of its own"):
        HostTools([query, query])


@pytest.mark.parametrize("name", ["_x", "class", "a-b", "1a", "é", "x" * 65, "a b"])
def test_a_name_that_code_can_not_write_is_refused(name: str) -> None:
    """Where the tool is made, not where it is used."""
    with pytest.raises(ValueError, match="can't be the name of a tool"):
        omega.tool(name=name)(print)


@pytest.mark.parametrize(
    ("tools", "says"),
    [
        ("price", "'price' is no list"),
        (["price"], "'price' is no function"),
        (query, "not HostTool"),
        (len, "not builtin_function_or_method"),
        ({"query": query}, "not dict"),
        ([query, {"name": "f"}], "is no function"),
    ],
)
def test_tools_are_functions_in_a_list(both: Both, tools: Any, says: str) -> None:
    """Anything else is refused with what to give, before anything is sent."""
    with peer.peer(lambda _: []) as served:
        for ask in (both.run, both.stream):
            with pytest.raises(TypeError, match=f"tools must be a list of functions of yours.*{says}"):
                ask(served.url, "code", tools=tools)
        assert served.asked == []


def test_a_run_is_carried_out_in_several_requests() -> None:
    """Each call of an answer is answered, an exception as an error that the code can catch."""
    answers = iter([required(*CALLS), required(CALLS[0]), document(COMPLETED)])
    with peer.peer(lambda _: [next(answers)]) as served, omega.Client(served.url, "t") as client:
        run = client.run("code", tools=[query], timeout_s=2, env={"A": "b"})
    assert run.output == "done\n"
    first, second, third = served.asked
    assert (first.path, second.path, third.path) == (PYTHON, RESULTS, RESULTS)
    assert first.json() == {"code": "code", "timeout": 2000, "env": {"A": "b"}, "tools": [query.definition()]}
    assert second.json() == {"results": ANSWERED}
    assert third.json() == {"results": ANSWERED[:1]}
    assert {one.headers["authorization"] for one in served.asked} == {"Bearer t"}


def test_calls_of_a_stream_are_answered_while_it_goes_on(both: Both) -> None:
    """The events go on to the caller, these too."""
    arrived = threading.Barrier(2, timeout=60)

    def handler(asked: Asked) -> Iterator[bytes]:
        if asked.path == RESULTS:
            yield document({"accepted": 1})
            arrived.wait()
            return
        yield from begun()
        for call in CALLS:
            yield event(type="tool_call", **call)
            arrived.wait()
        yield from ended()

    with peer.peer(handler) as served:
        events, run = both.stream(served.url, "code", tools=[query])
    assert [one.type for one in events] == ["accepted", *["tool_call"] * 3, "done"]
    assert run.success
    assert [one.json() for one in served.asked if one.path == RESULTS] == [{"results": [one]} for one in ANSWERED]


def test_a_run_that_is_over_needs_no_answer(both: Both) -> None:
    """It may end while a tool works; its last event says how."""
    is_over = threading.Event()

    def handler(asked: Asked) -> Iterator[bytes]:
        if asked.path == RESULTS:
            yield document({"error": {"code": "gone", "message": "Over."}}, "410 Gone")
            is_over.set()
            return
        yield from begun(CALLS[0])
        assert is_over.wait(60)
        yield from ended(success=False)

    with peer.peer(handler) as served:
        _, run = both.stream(served.url, "code", tools=[query])
    assert not run.success


@pytest.mark.parametrize("error", [StopIteration(), StopAsyncIteration("x"), KeyError("k")])
def test_every_exception_of_a_tool_is_told(both: Both, error: Exception) -> None:
    """Also one that threads and tasks take for a sign of their own."""

    @omega.tool
    def fail() -> None:
        raise error

    call = HostCall("1", "fail", {})
    known = HostTools([fail])
    found = known.answer(call) if both.kind == "plain" else both.wait(known.answer_async(call))
    told = f"{type(error).__name__}: {error}" if str(error) else type(error).__name__
    assert found == {"id": "1", "error": told}


@dataclass
class Row:
    """A row."""

    day: datetime.date
    sold: int


@pytest.mark.parametrize(
    ("output", "told"),
    [
        (None, {"output": None}),
        ((1, "a"), {"output": [1, "a"]}),
        ({"\udc80": ["a\ud800"]}, {"output": {"\ufffd": ["a\ufffd"]}}),
        ({1: 2}, {"output": {"1": 2}}),
        ([Row(datetime.date(2026, 1, 25), 5)], {"output": [{"day": "2026-01-25", "sold": 5}]}),
        (
            float("nan"),
            {"error": "Out of range float values are not JSON compliant"},
        ),
        (b"x", {"error": "bytes is not a type of JSON"}),
        (Row, {"error": "type is not a type of JSON"}),
    ],
)
def test_a_result_is_strict_json(output: object, told: dict[str, Any]) -> None:
    """What has no such form is an error that names its type."""
    found = result_of(HostCall("1", "f", {}), output)
    if "error" in told:
        assert found["error"].startswith(f"f gave something that has no form in JSON: {told['error']}")
    else:
        assert found == {"id": "1", **told}


def test_a_run_does_not_call_without_end(monkeypatch: pytest.MonkeyPatch) -> None:
    """A gateway has a limit, too; whoever has none is given up."""
    monkeypatch.setattr(host_tools, "ROUNDS", 3)
    told = pytest.raises(omega.OmegaError, match="more than 3 times")
    with peer.peer(lambda _: [required(CALLS[0])]) as served, omega.Client(served.url, "t") as client, told:
        client.run("code", tools=[query])


def test_a_gateway_can_not_send_the_token_elsewhere() -> None:
    """A continuation is an address of its own."""
    answer = {"status": "tool_call_required", "continuation": "//elsewhere/x", "toolCalls": []}
    told = pytest.raises(omega.OmegaError, match="none of its own")
    with peer.peer(lambda _: [document(answer)]) as served, omega.Client(served.url, "t") as client, told:
        client.run("code", tools=[query])
