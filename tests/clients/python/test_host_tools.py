"""Tools that code can call: what is told of them, and how a run with them is carried out, against a scripted gateway."""

from __future__ import annotations

import asyncio
import contextvars
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
from tests.clients.python.peer import STREAM_END, STREAM_HEAD, Asked, document, event

PYTHON, RESULTS = "/code-interpreter/python", "/code-interpreter/runs/r1/tool-results"
CALLS = [
    {"id": "1", "name": "query", "input": {"sql": "a"}},
    {"id": "2", "name": "query", "input": {"sql": "b", "limit": 1}},
    {"id": "3", "name": "query", "input": {"sql": "wrong"}},
]
ANSWERED = [
    {"id": "1", "output": [["a", 10]]},
    {"id": "2", "output": [["b", 1]]},
    {"id": "3", "error": "LookupError: no table"},
]
COMPLETED = {"success": True, "status": "completed", "output": "done\n", "error": None}


@omega.tool
def query(sql: str, limit: int = 10) -> list[Any]:
    """Ask the database."""
    if sql == "wrong":
        raise LookupError("no table")
    return [(sql, limit)]


def required(*calls: dict[str, Any]) -> bytes:
    """The answer of a run that waits."""
    return document({"status": "tool_call_required", "run": "r1", "continuation": RESULTS, "toolCalls": list(calls)})


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
        yield STREAM_HEAD
        yield event(type="accepted", runId="r1")
        for call in CALLS:
            yield event(type="tool_call", **call)
            arrived.wait()
        yield event(type="done", **COMPLETED)
        yield STREAM_END

    with peer.peer(handler) as served:
        events, run = both.stream(served.url, "code", tools=[query])
    assert [one.type for one in events] == ["accepted", *["tool_call"] * 3, "done"]
    assert run.success
    assert [one.json() for one in served.asked if one.path == RESULTS] == [{"results": [one]} for one in ANSWERED]


def test_a_run_that_is_over_needs_no_answer(both: Both) -> None:
    """It may end while a tool works; its last event says how."""
    ended = threading.Event()

    def handler(asked: Asked) -> Iterator[bytes]:
        if asked.path == RESULTS:
            yield document({"error": {"code": "gone", "message": "Over."}}, "410 Gone")
            ended.set()
            return
        yield STREAM_HEAD
        yield event(type="accepted", runId="r1")
        yield event(type="tool_call", **CALLS[0])
        assert ended.wait(60)
        yield event(type="done", **{**COMPLETED, "success": False})
        yield STREAM_END

    with peer.peer(handler) as served:
        _, run = both.stream(served.url, "code", tools=[query])
    assert not run.success


def called(*calls: dict[str, Any], ends: threading.Event) -> peer.Handler:
    """A gateway whose run makes *calls* and ends once all have their results, or *ends* is set."""
    answered: list[Any] = []

    def handler(asked: Asked) -> Iterator[bytes]:
        if asked.path == RESULTS:
            yield document({"accepted": 1})
            answered.extend(asked.json()["results"])
            if len(answered) == len(calls):
                ends.set()
            return
        yield STREAM_HEAD
        yield event(type="accepted", runId="r1")
        for call in calls:
            yield event(type="tool_call", **call)
        assert ends.wait(60)
        yield event(type="done", **COMPLETED)
        yield STREAM_END

    return handler


def test_async_tools_go_side_by_side() -> None:
    """Each waits for the other, which in a row would never end. Results that are there together are sent together."""
    meeting: list[int] = []

    async def run() -> omega.Run:
        everybody = asyncio.Event()

        @omega.tool
        async def meet(number: int) -> int:
            meeting.append(number)
            if len(meeting) == 2:
                everybody.set()
            await everybody.wait()
            return number

        async with omega.AsyncClient(served.url, "t") as client:
            done = await client.run("code", tools=[meet])
        with omega.Client(served.url, "t") as plain, pytest.raises(TypeError, match="meet: async functions are tools for"):
            plain.run("code", tools=[meet])
        return done

    calls = [{"id": str(at), "name": "meet", "input": {"number": at}} for at in (1, 2)]
    with peer.peer(called(*calls, ends=threading.Event())) as served:
        assert asyncio.run(run()).success
        results = [one for asked in served.asked if asked.path == RESULTS for one in asked.json()["results"]]
    assert sorted(results, key=lambda one: str(one["id"])) == [{"id": "1", "output": 1}, {"id": "2", "output": 2}]


NUMBER = contextvars.ContextVar("NUMBER", default=0)


def test_plain_tools_go_side_by_side(both: Both) -> None:
    """In threads, in the caller's context: each waits for the other, which in a row would never end."""
    everybody = threading.Barrier(2, timeout=60)

    @omega.tool
    def meet(number: int) -> int:
        everybody.wait()
        return number + NUMBER.get()

    calls = [{"id": str(at), "name": "meet", "input": {"number": at}} for at in (1, 2)]
    streamed, told = called(*calls, ends=threading.Event()), iter([required(*calls), document(COMPLETED)])
    token = NUMBER.set(10)
    with peer.peer(streamed if both.kind == "asyncio" else lambda _: [next(told)]) as served:
        assert both.run(served.url, "code", tools=[meet]).success
        results = [one for asked in served.asked if asked.path == RESULTS for one in asked.json()["results"]]
    NUMBER.reset(token)
    assert sorted(results, key=lambda one: str(one["id"])) == [{"id": "1", "output": 11}, {"id": "2", "output": 12}]


def test_one_call_is_carried_out_in_the_callers_thread() -> None:
    """What belongs to a thread, such as a connection of sqlite3, can be used as long as code calls in a row."""
    threads: list[int] = []

    @omega.tool
    def here() -> None:
        threads.append(threading.get_ident())

    answers = iter([required({"id": "1", "name": "here", "input": {}}), document(COMPLETED)])
    with peer.peer(lambda _: [next(answers)]) as served, omega.Client(served.url, "t") as client:
        client.run("code", tools=[here])
    assert threads == [threading.get_ident()]


def test_a_plain_tool_does_not_stop_the_event_loop() -> None:
    """Tasks go on while it works."""
    released = threading.Event()

    async def run() -> None:
        begun, loop = asyncio.Event(), asyncio.get_running_loop()

        @omega.tool
        def wait() -> bool:
            loop.call_soon_threadsafe(begun.set)
            return released.wait(60)

        async with omega.AsyncClient(served.url, "t") as client:
            task = asyncio.ensure_future(client.run("code", tools=[wait]))
            await begun.wait()
            released.set()
            await task

    with peer.peer(called({"id": "1", "name": "wait", "input": {}}, ends=threading.Event())) as served:
        asyncio.run(run())
        assert [one.json() for one in served.asked if one.path == RESULTS] == [{"results": [{"id": "1", "output": True}]}]


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


@pytest.mark.parametrize("status", ["401 Unauthorized", "500 Internal Server Error"])
def test_a_result_that_can_not_be_sent_ends_the_stream(both: Both, status: str) -> None:
    """The run would wait for it to no end."""

    def handler(asked: Asked) -> Iterator[bytes]:
        if asked.path == RESULTS:
            yield document({"error": {"message": "No."}}, status)
            return
        yield STREAM_HEAD
        yield event(type="accepted", runId="r1")
        yield event(type="tool_call", **CALLS[0])

    with peer.peer(handler) as served:
        with pytest.raises(omega.ApiError, match="No"):
            both.stream(served.url, "code", tools=[query])
        assert served.left.wait(60)


def test_a_result_that_is_too_large_is_an_error_that_the_code_can_catch(both: Both) -> None:
    """In a stream as in a plain run."""
    ended, large = threading.Event(), document({"error": {"message": "Too large."}}, "413 Payload Too Large")

    def handler(asked: Asked) -> Iterator[bytes]:
        if asked.path == RESULTS:
            is_error = "error" in asked.json()["results"][0]
            yield (document(COMPLETED) if is_error else large)
            if is_error:
                ended.set()
        elif asked.headers.get("accept") == "text/event-stream":
            ended.clear()
            yield STREAM_HEAD
            yield event(type="accepted", runId="r1")
            yield event(type="tool_call", **CALLS[0])
            assert ended.wait(60)
            yield event(type="done", **COMPLETED)
            yield STREAM_END
        else:
            yield required(CALLS[0])

    told = [{"id": "1", "error": "The gateway did not take the result: Too large."}]
    with peer.peer(handler) as served:
        assert both.stream(served.url, "code", tools=[query])[1].success
        assert both.run(served.url, "code", tools=[query]).success
        assert [one.json()["results"] for one in served.asked if one.path == RESULTS][1::2] == [told, told]


def test_one_result_that_is_refused_spoils_no_other() -> None:
    """What came together goes one by one then, until the run is over."""

    def handler(asked: Asked) -> Iterator[bytes]:
        results = asked.json().get("results")
        if results is None:
            yield required(*CALLS)
        elif any(one.get("output") == [["b", 1]] for one in results):
            yield document({"error": {"message": "No \ud800."}}, "400 Bad Request")
        else:
            yield document(COMPLETED) if results[0]["id"] == "3" else required(*CALLS)

    with peer.peer(handler) as served, omega.Client(served.url, "t") as client:
        assert client.run("code", tools=[query]).success
    told = {"id": "2", "error": "The gateway did not take the result: No \ufffd."}
    sent = [asked.json()["results"] for asked in served.asked[1:]]
    assert sent == [ANSWERED, ANSWERED[:1], ANSWERED[1:2], [told], ANSWERED[2:]]


@pytest.mark.parametrize("answer", [document({"error": {"message": "No."}}, "401 Unauthorized"), b"HTTP/1.1 200 OK\r\n?"])
def test_whatever_is_raised_the_run_is_given_up(answer: bytes) -> None:
    """It would wait for its host, and hold a kernel."""

    def handler(asked: Asked) -> Iterator[bytes]:
        if asked.path == PYTHON:
            yield required(CALLS[0])
        elif len(served.asked) == 2:
            yield answer
            if answer.endswith(b"?"):
                raise peer.Left

    with peer.peer(handler) as served:
        with omega.Client(served.url, "t") as client, pytest.raises(omega.OmegaError):
            client.run("code", tools=[query])
        while len(served.asked) < 3:
            assert served.left.wait(60)
            served.left.clear()
        assert served.asked[2].json() == {"results": [{"id": "1", "error": "The host gave up before it answered."}]}


def test_a_tool_that_is_interrupted_ends_the_run() -> None:
    """The gateway is told, and the connection closed, instead of leaving the kernel to wait."""

    @omega.tool
    def stop() -> None:
        raise KeyboardInterrupt

    with peer.peer(waiting_for("stop")) as served:
        with omega.Client(served.url, "t") as client, pytest.raises(KeyboardInterrupt):
            client.run("code", tools=[stop])
        assert_given_up(served)


def test_a_task_that_is_cancelled_ends_the_run() -> None:
    """The same, on asyncio: the stream is closed."""

    async def run() -> None:
        begun = asyncio.Event()

        @omega.tool
        async def stop() -> None:
            begun.set()
            await asyncio.Event().wait()

        async with omega.AsyncClient(served.url, "t") as client:
            task = asyncio.ensure_future(client.run("code", tools=[stop]))
            await begun.wait()
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task

    ends = threading.Event()
    with peer.peer(called({"id": "1", "name": "stop", "input": {}}, ends=ends)) as served:
        asyncio.run(run())
        ends.set()
        assert served.left.wait(60)
        assert [one.path for one in served.asked] == [PYTHON]


def waiting_for(name: str) -> peer.Handler:
    """A gateway whose run waits for a call of *name*."""

    def handler(asked: Asked) -> Iterator[bytes]:
        if asked.path == PYTHON:
            yield required({"id": "1", "name": name, "input": {}})

    return handler


def assert_given_up(served: peer.Peer) -> None:
    """The run was told that there will be no result."""
    while len(served.asked) < 2:
        assert served.left.wait(60)
        served.left.clear()
    assert served.asked[1].json() == {"results": [{"id": "1", "error": "The host gave up before it answered."}]}


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
