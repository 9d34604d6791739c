"""Runs over WebSockets and as server-sent events, the runner faked: what is said, in which order, and who may hear it."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest
from tornado.httpclient import HTTPClientError
from tornado.websocket import WebSocketClientConnection

from gateway.core.errors import Busy, TooManyRequests, Unauthorized
from gateway.core.model import Raised, Result, Text
from gateway.core.request import Caller, RunRequest
from gateway.web.api import server_sent_events
from tests.gateway.web.edge.test_endpoint import assert_failure, request
from tests.gateway.web.world import TOKEN, Gateway
from tests.live import HANG_S

STREAM = "/code-interpreter/stream"
SESSION = "/code-interpreter/sessions/there/stream"
PYTHON = "/code-interpreter/python"
HELLO = [Text("stdout", "hello\n")]
SSE = {"Accept": "text/event-stream"}


async def hear(socket: WebSocketClientConnection) -> dict[str, Any]:
    """The next event; closing is an AssertionError."""
    message = await asyncio.wait_for(socket.read_message(), HANG_S)
    assert message is not None, (socket.close_code, socket.close_reason)
    event: dict[str, Any] = json.loads(message)
    return event


async def hear_all(socket: WebSocketClientConnection, last: str = "done") -> list[dict[str, Any]]:
    """The events up to one of type *last*."""
    heard = [await hear(socket)]
    while heard[-1]["type"] != last:
        heard.append(await hear(socket))
    return heard


async def say(socket: WebSocketClientConnection, **message: object) -> None:
    await socket.write_message(json.dumps(message))


async def test_one_run_is_told_from_beginning_to_end(gateway: Gateway) -> None:
    """Numbered from 1; after the last event the connection is closed as usual (1000)."""
    gateway.runner.events = HELLO
    socket = await gateway.connect(STREAM)
    await say(socket, code="print('hello')")
    heard = await hear_all(socket)
    assert [event["type"] for event in heard] == ["accepted", "started", "stdout", "done"]
    assert [event["seq"] for event in heard] == [1, 2, 3, 4]
    assert socket.headers is not None
    assert heard[0]["runId"] == socket.headers["X-Run-Id"]
    assert await socket.read_message() is None
    assert socket.close_code == 1000
    assert gateway.runner.asked == [RunRequest("python", "print('hello')", 30.0)]


async def test_a_bad_message_is_told_and_the_next_one_heard(gateway: Gateway) -> None:
    """On both streams; nothing was run."""
    for path in (STREAM, SESSION):
        socket = await gateway.connect(path)
        for bad in ("{", '{"type": "stop"}', '{"code": 1}', '{"type": "resume", "run": "unknown"}'):
            await socket.write_message(bad)
            event = await hear(socket)
            assert event["type"] == "error"
            assert event["error"]["code"] in ("bad_request", "not_found")
            assert "seq" not in event
        assert not gateway.runner.asked
        await say(socket, code="1")
        await hear_all(socket)
        gateway.runner.asked.clear()


async def test_a_second_run_needs_a_connection_of_its_own(gateway: Gateway) -> None:
    """A session's stream is for many."""
    gateway.runner.waits_for = asyncio.Event()
    socket = await gateway.connect(STREAM)
    await say(socket, code="1")
    await hear_all(socket, "started")
    await say(socket, code="2")
    assert (await hear(socket))["error"]["code"] == "bad_request"
    assert len(gateway.runner.asked) == 1


async def test_a_run_is_interrupted_on_word(gateway: Gateway) -> None:
    """It may still say what it has to."""
    gateway.runner.waits_for = asyncio.Event()
    gateway.runner.answer = lambda _: Result(False, "", "", "", Raised("KeyboardInterrupt", "", ""), 1, 0.1)
    socket = await gateway.connect(STREAM)
    await say(socket, code="1")
    await hear_all(socket, "started")
    await say(socket, type="interrupt")
    heard = await hear_all(socket)
    assert gateway.runner.interrupted.is_set()
    assert not gateway.runner.cancelled.is_set()
    assert [event["type"] for event in heard] == ["error", "done"]


async def test_a_session_takes_many_runs_and_names_them(gateway: Gateway) -> None:
    """Each event has its run's id, and the client's own name for it."""
    gateway.runner.events = HELLO
    socket = await gateway.connect(SESSION)
    ids = []
    for label in ("first", "second"):
        await say(socket, type="execute", id=label, code="1")
        heard = await hear_all(socket)
        assert {event["id"] for event in heard} == {label}
        (run_id,) = {event["run"] for event in heard}
        assert heard[0]["runId"] == run_id
        assert heard[-1]["sessionId"] == "there"
        ids.append(run_id)
    assert len(set(ids)) == 2
    assert [asked.session for asked in gateway.runner.asked] == ["there", "there"]
    await say(socket, type="interrupt")
    await say(socket, type="nonsense")
    await hear(socket)
    assert gateway.sessions.asked == [("interrupt", "there")]


async def test_a_session_that_is_not_there_has_no_stream(gateway: Gateway) -> None:
    """404 before the upgrade, as for every request to it."""
    with pytest.raises(HTTPClientError, match="404"):
        await gateway.connect("/code-interpreter/sessions/other/stream")


async def test_a_broken_connection_is_taken_up_where_it_ended(gateway: Gateway) -> None:
    """By address or by message; the run went on meanwhile."""
    gateway.runner.events, gateway.runner.waits_for = HELLO, asyncio.Event()
    first = await gateway.connect(STREAM)
    await say(first, code="1")
    run_id = (await hear_all(first, "stdout"))[0]["runId"]
    first.protocol.stream.close()  # type: ignore[union-attr]  # without a word of goodbye
    second = await gateway.connect(f"{STREAM}?run={run_id}&after=2")
    assert (await hear(second))["seq"] == 3
    third = await gateway.connect(STREAM)
    await say(third, type="resume", run=run_id, after=1)
    assert (await hear(third))["seq"] == 2
    gateway.runner.waits_for.set()
    assert (await hear_all(second))[-1]["seq"] == (await hear_all(third))[-1]["seq"] == 4
    assert not gateway.runner.cancelled.is_set()
    for query in ("run=unknown&after=0", f"run={run_id}&after=99", f"run={run_id}&after=x", "after=1"):
        with pytest.raises(HTTPClientError, match="40"):
            await gateway.connect(f"{STREAM}?{query}")


async def test_a_run_is_another_keys_business(gateway: Gateway, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its id opens nothing."""
    gateway.runner.waits_for = asyncio.Event()
    socket = await gateway.connect(STREAM)
    await say(socket, code="1")
    run_id = (await hear(socket))["runId"]
    monkeypatch.setattr(gateway.services.keys, "admit", lambda token, address: Caller("k2", "other"))
    with pytest.raises(HTTPClientError, match="404"):
        await gateway.connect(f"{STREAM}?run={run_id}&after=0")
    other = await gateway.connect(STREAM)
    for message in ({"type": "resume", "run": run_id}, {"type": "interrupt", "run": run_id}):
        await say(other, **message)
        assert (await hear(other))["error"]["code"] == "not_found"
    assert not gateway.runner.interrupted.is_set()


async def test_who_says_goodbye_stops_the_run(gateway: Gateway) -> None:
    """A connection closed with 1000 was closed on purpose."""
    gateway.runner.waits_for = asyncio.Event()
    socket = await gateway.connect(STREAM)
    await say(socket, code="1")
    await hear_all(socket, "started")
    socket.close(1000)
    await asyncio.wait_for(gateway.runner.cancelled.wait(), HANG_S)


async def test_a_run_ends_before_its_connection_does(gateway: Gateway) -> None:
    """When the gateway is to end, clients without a run are sent away first."""
    gateway.runner.waits_for = asyncio.Event()
    busy, idle = await gateway.connect(STREAM), await gateway.connect(SESSION)
    await say(busy, code="1")
    await hear_all(busy, "started")
    gateway.server.open_sockets.end_idle(1001, "the gateway is shutting down")
    assert await idle.read_message() is None
    assert gateway.server.open_sockets.is_busy
    gateway.runner.waits_for.set()
    assert (await hear(busy))["type"] == "done"
    assert await busy.read_message() is None
    assert (idle.close_code, busy.close_code) == (1001, 1000)


async def test_every_run_counts_as_a_request(gateway: Gateway, monkeypatch: pytest.MonkeyPatch) -> None:
    """Over its rate a key is told; one that was revoked is cut off."""
    socket = await gateway.connect(SESSION)
    monkeypatch.setattr(gateway.services.keys, "admit", raising(TooManyRequests("Slowly.")))
    await say(socket, code="1")
    assert (await hear(socket))["error"]["code"] == "too_many_requests"
    monkeypatch.setattr(gateway.services.keys, "admit", raising(Unauthorized("The token is not valid.")))
    await say(socket, code="1")
    assert await socket.read_message() is None
    assert (socket.close_code, socket.close_reason) == (1008, "The token is not valid.")
    assert not gateway.runner.asked


def raising(error: Exception) -> Any:
    def admit(token: str, address: str) -> Caller:
        raise error

    return admit


async def test_server_sent_events_are_the_same_events(gateway: Gateway) -> None:
    """Number, type and JSON, in the form of the standard."""
    gateway.runner.events = HELLO
    response = await gateway.ask(PYTHON, {"code": "1"}, headers=SSE)
    assert response.headers["Content-Type"] == "text/event-stream"
    assert response.headers["X-Content-Type-Options"] == "nosniff"
    heard = parse(response.body.decode())
    assert [event["type"] for event in heard] == ["accepted", "started", "stdout", "done"]
    assert [event["seq"] for event in heard] == [1, 2, 3, 4]
    for path in ("/code-interpreter/chart", "/code-interpreter/sessions/there/execute"):
        response = await gateway.ask(path, {"code": "1"}, headers={"Accept": "text/html, Text/Event-Stream;q=0.9"})
        assert parse(response.body.decode())[-1]["type"] == "done"


def parse(text: str) -> list[dict[str, Any]]:
    """The events in *text*; id and event must say what the data says."""
    heard = []
    for block in text.removesuffix("\n\n").split("\n\n"):
        fields = dict(line.split(": ", 1) for line in block.split("\n"))
        event = json.loads(fields["data"])
        assert (fields["id"], fields["event"]) == (str(event["seq"]), event["type"])
        heard.append(event)
    return heard


async def test_what_keeps_a_run_from_beginning_is_an_ordinary_error(
    gateway: Gateway, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With its status, also for who asked for events."""
    assert (await gateway.ask(PYTHON, {"code": ""}, headers=SSE)).code == 400

    async def refuse(*_args: object) -> Result:
        raise Busy("Full.", retry_after_s=3)

    monkeypatch.setattr(gateway.runner, "run", refuse)
    response = await gateway.ask(PYTHON, {"code": "1"}, headers=SSE)
    assert response.code == 503
    assert response.headers["Retry-After"] == "3"
    assert response.headers["Content-Type"] == "application/json; charset=utf-8"
    assert_failure(response.body, "busy")


async def test_a_reader_of_events_who_leaves_stops_the_run(gateway: Gateway) -> None:
    """As with every other request."""
    gateway.runner.waits_for = asyncio.Event()
    reader, writer = await asyncio.open_connection("127.0.0.1", gateway.port)
    writer.write(request("POST", PYTHON, b'{"code": "1"}', "Accept: text/event-stream"))
    await asyncio.wait_for(reader.readuntil(b"event: started"), HANG_S)
    writer.close()
    await asyncio.wait_for(gateway.runner.cancelled.wait(), HANG_S)
    await asyncio.sleep(0.01)
    assert gateway.metrics.answered == [(PYTHON, "POST", 499)]


async def test_silence_is_filled_with_comments(gateway: Gateway) -> None:
    """Proxies cut off what says nothing."""
    gateway.runner.waits_for = asyncio.Event()
    socket = await gateway.connect(STREAM)
    await say(socket, code="1")
    run = gateway.services.live.find((await hear(socket))["runId"], Caller("k1", "test"))
    with run.reading() as news:
        pieces = server_sent_events.stream(run, news, keepalive_s=0.01)
        heard = [await anext(pieces) for _ in range(4)]
    assert heard[2:] == [server_sent_events.KEEPALIVE, server_sent_events.KEEPALIVE]
    assert server_sent_events.KEEPALIVE.startswith(b":")
    assert TOKEN.encode() not in b"".join(heard)
