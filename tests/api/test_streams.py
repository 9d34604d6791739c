"""Streams of a real gateway: what a program prints is there while it still runs, and nothing is lost on the way."""

from __future__ import annotations

import asyncio
import base64
import json
import re
from collections.abc import AsyncIterator
from typing import Any

import pytest
from tornado.httpclient import HTTPRequest
from tornado.websocket import WebSocketClientConnection, websocket_connect

from tests.live import Gateway

pytestmark = pytest.mark.kernel

BASE = "/code-interpreter"
STREAM = f"{BASE}/stream"
WAIT_S = 30.0


class Client:
    """One WebSocket of a test."""

    def __init__(self, socket: WebSocketClientConnection) -> None:
        self.socket = socket

    async def say(self, **message: object) -> None:
        await self.socket.write_message(json.dumps(message))

    async def hear(self) -> dict[str, Any]:
        message = await asyncio.wait_for(self.socket.read_message(), WAIT_S)
        assert message is not None, (self.socket.close_code, self.socket.close_reason)
        event: dict[str, Any] = json.loads(message)
        return event

    async def hear_until(self, kind: str, text: str = "") -> list[dict[str, Any]]:
        """The events up to one of type *kind* that has *text* in it."""
        heard = [await self.hear()]
        while heard[-1]["type"] != kind or text not in heard[-1].get("text", text):
            heard.append(await self.hear())
        return heard

    def cut(self) -> None:
        """Lose the connection without a goodbye."""
        protocol = self.socket.protocol
        self.socket.close()
        if protocol is not None:
            protocol.stream.close()  # type: ignore[union-attr]  # an open one has it


class Line:
    """Opens WebSockets of one gateway."""

    def __init__(self, gateway: Gateway) -> None:
        self.gateway = gateway
        self.clients: list[Client] = []
        self.sessions: list[str] = []

    async def open(self, path: str = STREAM, *, protocols: list[str] | None = None) -> Client:
        headers = {} if protocols else {"Authorization": f"Bearer {self.gateway.token}"}
        request = HTTPRequest(f"ws://127.0.0.1:{self.gateway.port}{path}", headers=headers)
        client = Client(await websocket_connect(request, subprotocols=protocols, max_message_size=64 << 20))
        self.clients.append(client)
        return client

    async def session(self) -> str:
        """The path of a new session."""
        reply = await asyncio.to_thread(self.gateway.ask, "POST", f"{BASE}/sessions", {"language": "python"})
        assert reply.status == 200, reply
        self.sessions.append(f"{BASE}/sessions/{reply.body['id']}")
        return self.sessions[-1]


@pytest.fixture
async def line(gateway: Gateway) -> AsyncIterator[Line]:
    """A way to the session's gateway; its connections and sessions are ended after the test."""
    made = Line(gateway)
    yield made
    for client in made.clients:
        client.cut()
    for session in made.sessions:
        await asyncio.to_thread(gateway.ask, "DELETE", session)


def text_of(heard: list[dict[str, Any]], stream: str = "stdout") -> str:
    return "".join(event["text"] for event in heard if event["type"] == stream)


async def test_what_is_printed_is_there_while_the_program_runs(line: Line) -> None:
    """Without flush, from Python and from a child process; an interrupt ends it, and the rest is told in order."""
    client = await line.open()
    code = "import subprocess, time\nprint('one')\nsubprocess.run(['echo', 'two'])\ndisplay('shown')\ntime.sleep(60)"
    await client.say(code=code)
    heard = await client.hear_until("display")
    assert text_of(heard) == "one\ntwo\n"
    await client.say(type="interrupt")
    heard += await client.hear_until("done")
    error, done = heard[-2:]
    assert error["type"] == "error"
    assert error["error"]["type"] == "KeyboardInterrupt"
    assert (done["success"], done["limits"], done["error"]) == (False, [], error["error"])
    assert [event["seq"] for event in heard] == [*range(1, len(heard) + 1)]
    assert await client.socket.read_message() is None
    assert client.socket.close_code == 1000


async def test_the_events_together_are_the_answer(line: Line, gateway: Gateway) -> None:
    """Text by stream, rich values, charts, variables and the error are those of the same run over HTTP."""
    code = (
        "import sys\nx = 41\nprint('a')\nsys.stderr.write('b')\ndisplay({'k': x})\n"
        "import matplotlib.pyplot as plt\nplt.plot([1, 2])\nplt.show()\nprint('c')\nx / 0"
    )
    client = await line.open()
    await client.say(type="python", code=code)
    heard = await client.hear_until("done")
    answer = await asyncio.to_thread(gateway.run, code)
    done = heard[-1]
    assert (text_of(heard), text_of(heard, "stderr")) == (answer["stdout"], answer["stderr"])
    assert done["error"] == answer["error"]
    assert {name: done[name] for name in ("success", "variables", "exitCode", "limits", "truncated")} == {
        name: answer[name] for name in ("success", "variables", "exitCode", "limits", "truncated")
    }
    (chart,) = [event for event in heard if event["type"] == "chart"]
    assert base64.b64decode(chart["base64"]).startswith(b"\x89PNG")
    assert [event["data"] for event in heard if event["type"] == "display"] == [answer["results"][0]["data"]]


async def test_a_stream_tells_the_text_as_a_terminal_shows_it_at_its_end(line: Line) -> None:
    """Its pieces come as they were written."""
    client = await line.open()
    await client.say(type="python", code="print('\\r1%\\r2%', end='')", text="terminal")
    heard = await client.hear_until("done")
    assert (text_of(heard), heard[-1]["output"]) == ("\r1%\r2%", "2%")


async def test_a_broken_connection_loses_nothing(line: Line) -> None:
    """The program goes on; who comes back hears every line exactly once, also after its end."""
    client = await line.open()
    await client.say(code="import time\nfor i in range(40):\n    print(i)\n    time.sleep(0.02)")
    heard = await client.hear_until("stdout", "5\n")
    client.cut()
    run_id, after = heard[0]["runId"], heard[-1]["seq"]
    again = await line.open(f"{STREAM}?run={run_id}&after={after}")
    heard += await again.hear_until("done")
    assert text_of(heard) == "".join(f"{i}\n" for i in range(40))
    late = await line.open()
    await late.say(type="resume", run=run_id)
    assert text_of(await late.hear_until("done")) == text_of(heard)


async def test_a_session_runs_one_after_the_other(line: Line) -> None:
    """In order of arrival, with the state of the run before; a run that waits can be called off."""
    session = await line.session()
    client = await line.open(f"{session}/stream")
    for label, code in (("a", "import time\nx = 1\nprint('in a')\ntime.sleep(60)"), ("b", "y = 1"), ("c", "print(x)")):
        await client.say(type="execute", id=label, code=code)
    heard = await client.hear_until("stdout", "in a")
    runs = {event["id"]: event["run"] for event in heard if event["type"] == "accepted"}
    while set(runs) != {"a", "b", "c"}:
        event = await client.hear()
        runs[event["id"]] = event["run"]
    await client.say(type="interrupt", run=runs["b"])
    called_off = await client.hear_until("done")
    assert {event["id"] for event in called_off} == {"b"}
    assert called_off[0]["error"]["message"] == "The run was interrupted before it began"
    await client.say(type="interrupt")
    ended = await client.hear_until("done")
    assert {event["id"] for event in ended} == {"a"}
    last = await client.hear_until("done")
    assert {event["id"] for event in last} == {"c"}
    assert text_of(last) == "1\n"
    assert last[-1]["sessionId"] == session.rpartition("/")[2]


async def test_a_sessions_end_is_told_on_its_stream(line: Line, gateway: Gateway) -> None:
    """As the failure that HTTP would answer; the connection stays."""
    session = await line.session()
    client = await line.open(f"{session}/stream")
    assert (await asyncio.to_thread(gateway.ask, "DELETE", session)).status == 200
    await client.say(code="1")
    refused = (await client.hear_until("error"))[-1]
    assert refused["error"]["code"] == "gone"
    await client.say(code="")
    assert (await client.hear())["error"]["code"] == "bad_request"


async def test_a_browser_shows_its_token_as_a_subprotocol(line: Line, gateway: Gateway) -> None:
    """It can't set headers; the token is neither said again nor logged."""
    client = await line.open(protocols=["omega.v1", f"omega.token.{gateway.token}"])
    assert client.socket.selected_subprotocol == "omega.v1"
    await client.say(code="print(1)")
    assert text_of(await client.hear_until("done")) == "1\n"
    assert gateway.token not in gateway.log.read_text()


async def test_who_does_not_read_holds_up_nobody(line: Line, gateway: Gateway) -> None:
    """A run that shows far more than sockets hold ends all the same, and its reader gets everything when it reads."""
    client = await line.open()
    client.socket.protocol.stream.set_nodelay(True)  # type: ignore[union-attr]  # an open one has it
    code = "for i in range(24):\n    display({'image/png': 'A' * 1_000_000}, raw=True)\nopen('/work/done', 'w')"
    await client.say(code=code)
    run_id = (await client.hear())["runId"]
    other = await line.open(f"{STREAM}?run={run_id}&after=0")
    assert (await other.hear_until("done"))[-1]["success"]
    heard = await client.hear_until("done")
    assert [event["type"] for event in heard].count("chart") == 24


async def test_events_come_over_http_too(gateway: Gateway) -> None:
    """The first while the program still runs; leaving ends it."""
    reader, writer = await asyncio.open_connection("127.0.0.1", gateway.port)
    body = json.dumps({"code": "import time\nprint('early')\ntime.sleep(60)"}).encode()
    head = f"POST {BASE}/python HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {gateway.token}\r\n"
    head += f"Accept: text/event-stream\r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
    writer.write(head.encode() + body)
    said = await asyncio.wait_for(reader.readuntil(b"early"), WAIT_S)
    assert b"Content-Type: text/event-stream" in said
    during = await metrics(gateway)
    assert 'omega_stream_runs{state="running"} 1.0' in during
    assert re.search(r'^omega_connections\{state="request"\} [2-9]', during.replace("\\n", "\n"), re.MULTILINE), during
    assert said.index(b"event: accepted") < said.index(b"event: started") < said.index(b"event: stdout")
    writer.close()
    await writer.wait_closed()
    async with asyncio.timeout(WAIT_S):
        while 'omega_runs_active{kind="python"} 0.0' not in await metrics(gateway):  # noqa: ASYNC110  # another process
            await asyncio.sleep(0.05)


async def metrics(gateway: Gateway) -> str:
    return str((await asyncio.to_thread(gateway.ask, "GET", "/metrics")).body)
