"""Watching a session, the runner faked: by WebSocket and as server-sent events, live, after a lost line, to the end."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import ExitStack, asynccontextmanager
from typing import Any

import pytest
from tornado.httpclient import HTTPResponse
from tornado.websocket import WebSocketClientConnection

from gateway.core import event_log
from gateway.core.errors import Unauthorized
from gateway.core.model import Display, Text
from gateway.core.request import Caller
from gateway.service.runs import watches
from gateway.web.edge.websocket_frames import GOING_AWAY
from tests.gateway.web.api.test_streams import hear, hear_all, say
from tests.gateway.web.edge.test_unread import MIB, silent, unread_of, until_unread
from tests.gateway.web.world import TOKEN, Gateway, json_of

SESSION = "/code-interpreter/sessions/there"
STREAM, EVENTS = f"{SESSION}/stream", f"{SESSION}/events"
PATIENCE_S = 60.0


class EventSource:
    """A client that reads server-sent events."""

    def __init__(self, reader: asyncio.StreamReader) -> None:
        self.reader = reader
        self._body = b""

    async def _event(self) -> bytes:
        """The next event as it is sent; b"" at the end of the answer."""
        while b"\n\n" not in self._body:
            size = int(await self.reader.readline(), 16)
            chunk = await self.reader.readexactly(size + 2)
            if not size:
                return b""
            self._body += chunk[:-2]
        event, _, self._body = self._body.partition(b"\n\n")
        return event

    async def hear(self) -> dict[str, Any]:
        """The next event; its id and type are also in its JSON. {} at the end of the answer."""
        said = await asyncio.wait_for(self._event(), PATIENCE_S)
        if not said:
            return {}
        fields = {name: value for name, _, value in (line.partition(b": ") for line in said.split(b"\n"))}
        event: dict[str, Any] = json.loads(fields[b"data"])
        assert fields[b"event"].decode() == event["type"]
        assert fields.get(b"id") == (str(event["at"]).encode() if "at" in event else None)
        return event

    async def hear_until(self, kind: str) -> list[dict[str, Any]]:
        """The events up to one of this type."""
        heard = [await self.hear()]
        while heard[-1]["type"] != kind:
            heard.append(await self.hear())
        return heard


@asynccontextmanager
async def events(gateway: Gateway, query: str = "", *lines: str) -> AsyncIterator[EventSource]:
    """The session's events over a connection of its own."""
    reader, writer = await asyncio.open_connection("127.0.0.1", gateway.port, limit=64 * MIB)
    head = [f"GET {EVENTS}{query} HTTP/1.1", "Host: localhost", f"Authorization: Bearer {TOKEN}", *lines, "", ""]
    writer.write("\r\n".join(head).encode())
    status = await reader.readuntil(b"\r\n\r\n")
    assert status.startswith(b"HTTP/1.1 200 "), status
    assert b"Content-Type: text/event-stream" in status
    try:
        yield EventSource(reader)
    finally:
        writer.close()
        await asyncio.gather(writer.wait_closed(), return_exceptions=True)


def assert_refused(response: HTTPResponse, status: int, code: str) -> None:
    """The answer is this failure."""
    assert response.code == status
    assert json.loads(response.body)["error"]["code"] == code


async def leave(socket: WebSocketClientConnection) -> None:
    """Close as intended, and wait until the gateway has closed too."""
    protocol = socket.protocol
    socket.close(1000, "bye")
    while await socket.read_message() is not None:
        pass
    protocol.stream.close()  # type: ignore[union-attr]  # an open one has it


def types(heard: list[dict[str, Any]]) -> list[str]:
    return [event["type"] for event in heard]


@pytest.mark.parametrize("path", [f"{SESSION}/execute", "/code-interpreter/math"])
async def test_a_plain_run_is_seen_by_those_who_watch(gateway: Gateway, path: str) -> None:
    """Its code first, what it prints while it runs, and its end with what it used; the session says what goes on."""
    gateway.runner.events, gateway.runner.waits_for = [Text("stdout", "hello\n")], asyncio.Event()
    socket = await gateway.connect(STREAM)
    await say(socket, type="watch")
    begun = await hear(socket)
    assert begun == {"type": "watching", "at": 0, "currentRun": None}
    body = {"expression": "6 * 7", "session": "there"} if path.endswith("math") else {"code": "6 * 7"}
    async with events(gateway) as source:
        assert await source.hear() == begun
        asked = asyncio.create_task(gateway.ask(path, {**body}))
        heard = await hear_all(socket, "stdout")
        kind = "math" if path.endswith("math") else "python"
        run_id = heard[0]["run"]
        accepted = {"type": "accepted", "seq": 1, "runId": run_id, "kind": kind, "code": "6 * 7", "run": run_id, "at": 1}
        assert heard == [
            accepted,
            {"type": "started", "seq": 2, "run": run_id, "at": 2},
            {"type": "stdout", "seq": 3, "text": "hello\n", "run": run_id, "at": 3},
        ]
        assert await source.hear_until("stdout") == heard
        current = json_of(await gateway.ask(SESSION))["currentRun"]
        assert isinstance(current, dict)
        assert (current["id"], current["kind"]) == (run_id, kind)
        assert str(current["since"]).endswith("Z")
        gateway.runner.waits_for.set()
        done = await hear(socket)
        assert await source.hear() == done
        assert (done["type"], done["at"], done["success"], done["usage"]["wallTime"]) == ("done", 4, True, 12)
    answer = await asked
    assert answer.headers["X-Run-Id"] == run_id
    assert json_of(answer)["success"]
    assert json_of(await gateway.ask(SESSION))["currentRun"] is None


async def test_the_run_under_way_is_followed_by_its_id(gateway: Gateway) -> None:
    """And those who follow stop nothing when they leave; its caller gets the answer."""
    gateway.runner.events, gateway.runner.waits_for = [Text("stdout", "a")], asyncio.Event()
    asked = asyncio.create_task(gateway.ask(f"{SESSION}/execute", {"code": "1"}))
    await gateway.runner.started.wait()
    current = json_of(await gateway.ask(SESSION))["currentRun"]
    assert isinstance(current, dict)
    for path in (f"/code-interpreter/stream?run={current['id']}", f"{STREAM}?run={current['id']}&after=1"):
        socket = await gateway.connect(path)
        await hear_all(socket, "stdout")
        await leave(socket)
    assert not asked.done()
    gateway.runner.waits_for.set()
    assert json_of(await asked)["success"]


async def test_the_run_under_way_is_interrupted_whoever_asked_for_it(gateway: Gateway) -> None:
    """By the stream of its session, without its id."""
    gateway.runner.waits_for = asyncio.Event()
    asked = asyncio.create_task(gateway.ask(f"{SESSION}/execute", {"code": "1"}))
    await gateway.runner.started.wait()
    socket = await gateway.connect(STREAM)
    await say(socket, type="interrupt")
    await gateway.runner.interrupted.wait()
    assert (await asked).code == 200


async def test_a_watcher_who_comes_in_the_middle_sees_the_run_from_its_beginning(
    gateway: Gateway, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And is shown code up to a size."""
    monkeypatch.setattr(event_log, "SHOWN_CODE_CHARS", 10)
    gateway.runner.events, gateway.runner.waits_for = [Text("stdout", "a")], asyncio.Event()
    code = "x = 123456\n"
    asked = asyncio.create_task(gateway.ask(f"{SESSION}/execute", {"code": code}))
    await gateway.runner.started.wait()
    async with events(gateway) as source:
        begun, accepted, *rest = await source.hear_until("stdout")
        assert (begun["type"], begun["at"], begun["currentRun"]["id"]) == ("watching", 0, accepted["run"])
        assert (accepted["code"], accepted["codeTruncated"]) == (code[:-1], True)
        assert types(rest) == ["started", "stdout"]
        gateway.runner.waits_for.set()
        assert (await source.hear())["type"] == "done"
    await asked


async def test_after_a_lost_line_nothing_is_missing_and_nothing_twice(gateway: Gateway) -> None:
    """By message, by address, and by the header that browsers send; what is not kept is a gap with its numbers."""
    gateway.runner.events = [Text("stdout", "a")]
    async with events(gateway) as source:
        await source.hear()
        for _ in range(2):
            await gateway.ask(f"{SESSION}/execute", {"code": "1"})
        heard = [await source.hear() for _ in range(8)]
    socket = await gateway.connect(STREAM)
    await say(socket, type="watch", after=3)
    assert await hear(socket) == {"type": "watching", "at": 3, "currentRun": None}
    assert [await hear(socket) for _ in range(5)] == heard[3:]
    for query, lines in (("?after=5", ()), ("?after=1", ("Last-Event-ID: 5",)), ("", ("Last-Event-ID: 5",))):
        async with events(gateway, query, *lines) as source:
            assert (await source.hear())["at"] == 5
            assert [await source.hear() for _ in range(3)] == heard[5:]
    await gateway.services.live.close()
    async with events(gateway, "?after=2") as source:
        await source.hear()
        assert await source.hear() == {"type": "gap", "at": 8, "from": 3, "to": 8}


async def test_own_runs_come_once_to_a_connection_that_watches(gateway: Gateway) -> None:
    """They are followed as without a watch, and have their places among the others."""
    gateway.runner.events = [Text("stdout", "a")]
    socket = await gateway.connect(STREAM)
    await say(socket, type="watch")
    await hear(socket)
    await say(socket, id="mine", code="1")
    own = await hear_all(socket)
    await gateway.ask(f"{SESSION}/execute", {"code": "2"})
    other = await hear_all(socket)
    assert types(own) == types(other) == ["accepted", "started", "stdout", "done"]
    assert {event.get("id") for event in own} == {"mine"}
    assert [event["at"] for event in own + other] == [*range(1, 9)]
    assert "code" not in own[0]
    assert other[0]["code"] == "2"
    await leave(socket)


async def test_a_watch_has_one_place_on_a_connection(gateway: Gateway) -> None:
    """Thousands of messages open one; wrong ones say what is wrong. A stream for one run watches nothing."""
    socket = await gateway.connect(STREAM)
    wrong: list[dict[str, Any]] = [
        {"after": 1},
        {"after": "x"},
        {"after": -1},
        {"after": True},
        {"after": 10**30},
        {"run": "x"},
    ]
    for fields in wrong:
        await say(socket, type="watch", **fields)
        assert (await hear(socket))["error"]["code"] == "bad_request", fields
    for _ in range(1000):
        await say(socket, type="watch")
    assert (await hear(socket))["type"] in ("watching", "error")
    heard = [await hear(socket) for _ in range(999)]
    assert [event["error"]["code"] for event in heard if event["type"] == "error"].count("conflict") == 999
    single = await gateway.connect("/code-interpreter/stream")
    await say(single, type="watch")
    assert "sessions/{id}/stream" in (await hear(single))["error"]["message"]


async def test_a_key_has_so_many_watches(gateway: Gateway, monkeypatch: pytest.MonkeyPatch) -> None:
    """On both ways together; leaving makes room."""
    monkeypatch.setattr(watches, "MAX_WATCHES", 4)
    sockets = [await gateway.connect(STREAM) for _ in range(4)]
    for socket in sockets[1:]:
        await say(socket, type="watch")
        assert (await hear(socket))["type"] == "watching"
    async with events(gateway) as source:
        await source.hear()
        await say(sockets[0], type="watch")
        assert (await hear(sockets[0]))["error"]["code"] == "too_many_requests"
        assert_refused(await gateway.ask(EVENTS), 429, "too_many_requests")
    await leave(sockets[1])
    async with events(gateway) as source:
        assert (await source.hear())["type"] == "watching"


async def test_a_session_is_watched_by_its_own_key(gateway: Gateway, monkeypatch: pytest.MonkeyPatch) -> None:
    """For others it is not there, whatever they say; a wrong place is a bad request."""
    assert_refused(await gateway.ask("/code-interpreter/sessions/other/events"), 404, "not_found")
    assert_refused(await gateway.ask(EVENTS, token=None), 401, "unauthorized")
    for query in ("after=1", "after=x", "after=", "after=-1"):
        assert_refused(await gateway.ask(f"{EVENTS}?{query}"), 400, "bad_request")
    assert_refused(await gateway.ask(EVENTS, headers={"Last-Event-ID": "\u00e9"}), 400, "bad_request")
    head = await gateway.ask(EVENTS, method="HEAD")
    assert (head.code, head.headers["Content-Type"], head.body) == (200, "text/event-stream", b"")

    def refuse(_self: object, token: str, address: str) -> Caller:
        raise Unauthorized("The token is not valid.")

    socket = await gateway.connect(STREAM)
    monkeypatch.setattr(type(gateway.services.keys), "admit", refuse)
    await say(socket, type="watch")
    assert await hear(socket) == {"type": "watching", "at": 0, "currentRun": None}, "its sessions end with the key"


async def test_the_end_of_the_session_is_told_with_its_reason_and_ends_the_watch(gateway: Gateway) -> None:
    """After the ends of its runs; the socket closes as usual."""
    gateway.runner.waits_for = asyncio.Event()
    socket = await gateway.connect(STREAM)
    await say(socket, type="watch")
    async with events(gateway) as source:
        asked = asyncio.create_task(gateway.ask(f"{SESSION}/execute", {"code": "1"}))
        await hear_all(socket, "started")
        gateway.sessions.watched.restarted()
        gateway.sessions.watched.end("deleted", "This session was deleted.")
        gateway.runner.waits_for.set()
        heard = await hear_all(socket, "ended")
        assert types(heard) == ["restarted", "done", "ended"]
        assert heard[-1] == {"type": "ended", "how": "deleted", "reason": "This session was deleted.", "at": 5}
        assert (await source.hear_until("ended"))[-3:] == heard
        assert await source.hear() == {}
    assert await socket.read_message() is None
    assert (socket.close_code, socket.close_reason) == (1000, "the session has ended")
    await asked


async def test_a_gateway_that_stops_closes_watches(gateway: Gateway) -> None:
    """At once: with the code of all idle sockets, and with an event that says the same."""
    socket = await gateway.connect(STREAM)
    await say(socket, type="watch")
    await hear(socket)
    async with events(gateway) as source:
        await source.hear()
        gateway.server.open_sockets.end_idle(GOING_AWAY, "stopping")
        assert await source.hear() == {"type": "closed", "code": GOING_AWAY, "reason": "stopping"}
        assert await source.hear() == {}
    assert await socket.read_message() is None
    assert socket.close_code == GOING_AWAY
    assert len(gateway.server.open_sockets) == 0
    async with events(gateway) as source:
        await source.hear()
        gateway.server.open_sockets.drop()
        with pytest.raises(asyncio.IncompleteReadError):
            await asyncio.wait_for(source.reader.readuntil(b"never"), PATIENCE_S)


async def test_what_is_large_is_in_memory_once_for_all_who_watch(gateway: Gateway) -> None:
    """However they watch, and whether they read or not: the run ends all the same, and who reads gets everything."""
    picture = "A" * 4 * MIB
    gateway.runner.events = [Display("display", {"image/png": picture}), Text("stdout", "after")]
    socket = await gateway.connect(STREAM)
    await say(socket, type="watch")
    await hear(socket)
    unread = unread_of(gateway)
    with ExitStack() as stack:
        for _ in range(15):
            stack.enter_context(silent(gateway, f"GET {EVENTS} HTTP/1.1"))
        while len(gateway.server.open_sockets) < 16:  # noqa: ASYNC110  # no event
            await asyncio.sleep(0.01)
        assert json_of(await gateway.ask(f"{SESSION}/execute", {"code": "1"}))["success"]
        while not any(shared.readers >= 15 for shared in unread._shared.values()):  # noqa: ASYNC110  # no event
            await asyncio.sleep(0.01)
        assert unread.size_bytes < 4 * MIB + 1000
        heard = await hear_all(socket)
        assert types(heard) == ["accepted", "started", "chart", "stdout", "done"]
        assert heard[2]["base64"] == picture
        async with events(gateway, "?after=0") as source:
            assert (await source.hear_until("done"))[1:] == heard
        assert unread.size_bytes < 4 * MIB + 1000
    await until_unread(gateway, 0)
