"""What every WebSocket promises: who may open it, how it ends, and that no client makes it hold or do too much."""

from __future__ import annotations

import asyncio
import base64
import os
import struct
import tracemalloc
from collections.abc import AsyncIterator
from socket import IPPROTO_TCP, TCP_NODELAY
from typing import Any

import pytest
from structlog.testing import capture_logs
from tornado.httpclient import HTTPClientError
from tornado.iostream import IOStream

from gateway.core.errors import Gone, NotFound
from gateway.web.edge.server import UNSENT_BYTES
from gateway.web.edge.websocket import Socket
from gateway.web.edge.websocket_frames import CONTROL_FRAMES, GOING_AWAY, MAX_FRAGMENTS
from gateway.web.routes import SocketRoute
from gateway.web.services import WebSettings
from tests.gateway.web.edge.test_endpoint import assert_failure
from tests.gateway.web.world import TOKEN, Gateway, serve
from tests.live import HANG_S

ECHO = "/echo/x"
FLOOD = os.urandom(8 * 1024 * 1024).hex().encode()
FLOODS: list[IOStream] = []


class Echo(Socket):
    """Says what it hears."""

    async def on_check(self) -> None:
        if self.parts["name"] == "gone":
            raise Gone("It has ended.")

    async def on_message(self, message: str | bytes) -> None:
        if message == "fail":
            raise KeyError("secret detail")
        if message == "bye":
            self.end(1000, "bye")
            return
        if message == "nodelay":
            await self.send(str(self._stream.socket.getsockopt(IPPROTO_TCP, TCP_NODELAY)))
            return
        if message == "flood":
            FLOODS.append(self._stream)
            await self.send_pieces((b"x" * 10, memoryview(FLOOD)[5:], FLOOD))
            return
        await self.send(message, binary=isinstance(message, bytes))


class QueryEcho(Echo):
    """The same for clients that can't set headers."""

    takes_query_token = True


@pytest.fixture
async def gateway() -> AsyncIterator[Gateway]:
    """A gateway with two sockets."""
    settings = WebSettings(body_bytes=100_000, max_connections=4, allowed_origins=frozenset({"https://notebooks.example"}))
    async with serve(settings, [SocketRoute("/echo/{name}", Echo), SocketRoute("/query/{name}", QueryEcho)]) as made:
        yield made


async def refusal(gateway: Gateway, path: str = ECHO, *, code: str, **asked: Any) -> int:
    """The status a socket is refused with; the answer has the form of all failures."""
    with pytest.raises(HTTPClientError) as caught:
        await gateway.connect(path, **asked)
    assert caught.value.response is not None
    assert_failure(caught.value.response.body, code)
    return caught.value.code


async def test_small_messages_are_never_held_back(gateway: Gateway) -> None:
    """TCP_NODELAY is on for an upgraded connection, and stays on."""
    socket = await gateway.connect(ECHO)
    for _ in range(3):
        await socket.write_message("nodelay")
        assert await socket.read_message() != "0"
    socket.close()
    await socket.read_message()


async def test_a_caller_with_a_token_talks(gateway: Gateway) -> None:
    """By header, as subprotocol (which is not said again), and where a socket allows it in the query."""
    for socket in (
        await gateway.connect(ECHO),
        await gateway.connect(ECHO, headers={"Origin": "https://notebooks.example"}),
        await gateway.connect(ECHO, token=None, protocols=["omega.v1", f"omega.token.{TOKEN}"]),
        await gateway.connect(f"/query/x?token={TOKEN}", token=None),
    ):
        await socket.write_message("hello")
        assert await socket.read_message() == "hello"
        assert socket.headers is not None
        assert TOKEN not in str(list(socket.headers.get_all()))
        socket.close()
        await socket.read_message()
    chosen = await gateway.connect(ECHO, token=None, protocols=[f"omega.token.{TOKEN}", "other", "omega.v1"])
    assert chosen.selected_subprotocol == "omega.v1"
    chosen.close()


async def test_nobody_else_gets_in(gateway: Gateway) -> None:
    """No or a wrong token, a page elsewhere, a foreign host, a token in the address: an HTTP answer, and no socket."""
    assert await refusal(gateway, token=None, code="unauthorized") == 401
    assert await refusal(gateway, token="wrong", code="unauthorized") == 401
    assert await refusal(gateway, token=None, protocols=["omega.v1", "omega.token.wrong"], code="unauthorized") == 401
    assert await refusal(gateway, headers={"Host": "evil.example"}, code="misdirected") == 421
    for origin in ("https://evil.example", "null", f"http://127.0.0.1:{gateway.port}.evil.example"):
        assert await refusal(gateway, headers={"Origin": origin}, code="forbidden") == 403
    assert await refusal(gateway, headers={"Sec-Fetch-Site": "cross-site"}, code="forbidden") == 403
    assert await refusal(gateway, f"/echo/x?token={TOKEN}", token=None, code="bad_request") == 400
    assert await refusal(gateway, "/echo/gone", code="gone") == 410
    assert await refusal(gateway, "/nowhere", code="not_found") == NotFound.status
    assert {route for route, _, _ in gateway.metrics.answered} == {"/echo/{name}", "unknown"}


async def test_a_request_that_is_no_upgrade_is_told_so(gateway: Gateway) -> None:
    """426 with what to ask for; other methods 405; a body is refused before it is read."""
    response = await gateway.ask("/echo/x")
    assert response.code == 426
    assert response.headers["Upgrade"] == "websocket"
    assert_failure(response.body, "upgrade_required")
    assert (await gateway.ask("/echo/x", b"{}", method="POST")).code == 405
    for lines, status in (
        ("Content-Length: 5\r\n", 400),
        ("Content-Length: 10000000000\r\n", 413),
        ("Transfer-Encoding: chunked\r\n", 400),
        ("Sec-WebSocket-Key: short\r\n", 400),
    ):
        head = hello(with_key="Key" not in lines) + lines.encode() + b"Connection: close\r\n\r\n"
        assert int((await gateway.raw(head)).split()[1]) == status, lines


async def test_what_breaks_the_protocol_is_closed_with_its_code(gateway: Gateway) -> None:
    """Too big, no UTF-8, reserved bits, no mask, no such code, endless fragments, a flood of pings: it can read why."""
    assert await said_to(gateway, struct.pack("!BBQ", 0x81, 0xFF, 1 << 30)) == 1009
    assert await said_to(gateway, frame(0x81, b"\xff\xfe")) == 1007
    assert await said_to(gateway, frame(0xC1, b"x")) == 1002
    assert await said_to(gateway, frame(0x83, b"x")) == 1002
    for first in (0x81, 0x82, 0x01, 0x80, 0x88, 0x89, 0x8A):
        assert await said_to(gateway, struct.pack("!BB", first, 2) + b"\x03\xe8") == 1002, first
    for code in (b"x", b"\x03\xe7", b"\x03\xec", b"\x03\xed", b"\x03\xf7", b"\x0b\xb7", b"\x13\x88"):
        assert await said_to(gateway, frame(0x88, code)) == 1002, code
    for number in (1000, 1003, 1014, 3000, 4999):
        assert await said_to(gateway, frame(0x88, struct.pack("!H", number))) == number
    assert await said_to(gateway, frame(0x01, b"x") + struct.pack("!BB", 0x80, 1) + b"x") == 1002
    assert await said_to(gateway, frame(0x01, b"x") + frame(0x00, b"") * (MAX_FRAGMENTS + 1)) == 1009
    assert await said_to(gateway, frame(0x89, b"x") * (int(CONTROL_FRAMES.burst) + 100)) == 1008
    assert len(gateway.server.open_sockets) == 0


async def test_after_our_goodbye_nothing_is_heard(gateway: Gateway) -> None:
    """Whatever the client has sent in the meantime; its own goodbye ends it."""
    with capture_logs() as log:
        assert await said_to(gateway, frame(0x81, b"bye") + frame(0x81, b"fail") * 3 + frame(0x88, b"\x03\xe8")) == 1000
    assert not [entry for entry in log if entry["log_level"] == "error"]


async def test_a_storm_of_closings_leaves_nothing_open(gateway: Gateway) -> None:
    """However clients go: with a code, with a wrong one, without a word, in the middle of a frame, before the answer."""
    for ending in (
        frame(0x88, b""),
        frame(0x88, b"\x03\xe8"),
        frame(0x88, b"\x00\x01\xff"),
        frame(0x88, b"x"),
        b"",
        b"\x81",
    ) * 10:
        _reader, writer = await asyncio.open_connection("127.0.0.1", gateway.port)
        writer.write(hello() + b"\r\n" + ending)
        writer.close()
        await writer.wait_closed()
    socket = await gateway.connect(ECHO)
    await socket.write_message("hello")
    assert await asyncio.wait_for(socket.read_message(), HANG_S) == "hello"
    async with asyncio.timeout(HANG_S):
        while len(gateway.server.open_sockets) > 1 or len(gateway.server.open_connections) > 1:  # noqa: ASYNC110  # no event
            await asyncio.sleep(0.01)


async def test_compression_is_not_agreed_to(gateway: Gateway) -> None:
    """A small message could become endless."""
    offer = hello() + b"Sec-WebSocket-Extensions: permessage-deflate\r\n\r\n" + frame(0x88, b"")
    assert b"Sec-WebSocket-Extensions" not in await gateway.raw(offer)


async def test_a_client_without_a_sign_of_life_is_dropped() -> None:
    """It does not answer the ping within the time there is for it."""
    async with serve(WebSettings(ping_s=0.05), [SocketRoute("/echo/{name}", Echo)]) as gateway:
        assert await said_to(gateway, b"") == 1008
        socket = await gateway.connect(ECHO)
        for _ in range(4):
            await asyncio.sleep(0.05)
            await socket.write_message("alive")
            assert await socket.read_message() == "alive"


async def test_a_fault_of_ours_says_nothing_but_the_run_id(gateway: Gateway) -> None:
    """The log has the rest."""
    socket = await gateway.connect(ECHO)
    await socket.write_message("fail")
    assert await socket.read_message() is None
    assert socket.close_code == 1011
    assert socket.headers is not None
    assert socket.close_reason == f"internal error (run {socket.headers['X-Run-Id']})"


async def test_what_a_client_does_not_read_is_not_piled_up(gateway: Gateway) -> None:
    """The gateway holds no copy of a large message for it, and the system takes little; when it reads it gets all."""
    FLOODS.clear()
    reader, writer = await asyncio.open_connection("127.0.0.1", gateway.port, limit=1024)
    tracemalloc.start()
    writer.write(hello() + b"\r\n" + frame(0x81, b"flood"))
    while not FLOODS or not FLOODS[0].writing():  # noqa: ASYNC110  # no event
        await asyncio.sleep(0.01)
    assert tracemalloc.get_traced_memory()[1] < len(FLOOD) / 8
    tracemalloc.stop()
    assert FLOODS[0]._total_write_done_index < 8 * UNSENT_BYTES
    data = await reader.readuntil(b"\r\n\r\n")
    size = 10 + 2 * len(FLOOD) - 5
    assert await reader.readexactly(10) == struct.pack("!BBQ", 0x81, 127, size)
    data = await reader.readexactly(size)
    assert data == b"x" * 10 + FLOOD[5:] + FLOOD
    writer.close()


async def test_an_open_socket_counts_as_a_connection(gateway: Gateway) -> None:
    """It is not closed for newcomers, and makes room when it ends."""
    sockets = [await gateway.connect(ECHO) for _ in range(4)]
    assert b"503" in (await gateway.raw(b""))[:20]
    sockets[0].close()
    await sockets[0].read_message()
    sockets.append(await gateway.connect(ECHO))
    for socket in sockets[1:]:
        await socket.write_message("still here")
        assert await socket.read_message() == "still here"
        socket.close()


async def test_the_end_of_the_gateway_is_told(gateway: Gateway) -> None:
    """Code 1001, so that clients connect again."""
    socket = await gateway.connect(ECHO)
    reading = asyncio.ensure_future(socket.read_message())
    await gateway.server.open_sockets.end(GOING_AWAY, "the gateway is shutting down", 5)
    assert await reading is None
    assert not gateway.server.open_sockets.is_busy
    assert (socket.close_code, socket.close_reason) == (GOING_AWAY, "the gateway is shutting down")


def hello(*, with_key: bool = True) -> bytes:
    """The start of a right upgrade request, its headers still open."""
    key = base64.b64encode(os.urandom(16)).decode()
    lines = ["GET /echo/x HTTP/1.1", "Host: localhost", f"Authorization: Bearer {TOKEN}", "Upgrade: websocket"]
    lines += ["Connection: Upgrade", "Sec-WebSocket-Version: 13", *([f"Sec-WebSocket-Key: {key}"] if with_key else [])]
    return ("\r\n".join(lines) + "\r\n").encode()


def frame(first: int, payload: bytes) -> bytes:
    """A masked frame with a short payload; the mask is zero."""
    return struct.pack("!BB4x", first, 0x80 | len(payload)) + payload


async def said_to(gateway: Gateway, frames: bytes) -> int:
    """The close code a client gets that sends *frames*."""
    answer = (await gateway.raw(hello() + b"\r\n" + frames)).partition(b"\r\n\r\n")[2]
    while answer[:1] != b"\x88":
        assert len(answer) > 1, answer
        answer = answer[2 + answer[1] :]
    return int(struct.unpack("!H", answer[2:4])[0])
