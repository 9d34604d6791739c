"""The last answer on a connection: complete HTTP, and not lost to a reset while the client still sends."""

from __future__ import annotations

import asyncio
import socket

import orjson
import pytest

from gateway.core.errors import HeadersTooLarge
from gateway.web.edge import lingering
from gateway.web.edge.failure import SECURITY_HEADERS
from gateway.web.edge.lingering import FULL, LINGER_BYTES, MALFORMED, Farewells, headers_too_large
from tests.live import HANG_S


@pytest.mark.parametrize(
    ("answer", "first", "code"),
    [
        (MALFORMED, b"HTTP/1.1 400 Bad Request", "bad_request"),
        (FULL, b"HTTP/1.1 503 Service Unavailable", "busy"),
        (headers_too_large(9), b"HTTP/1.1 431 Request Header Fields Too Large", HeadersTooLarge.code),
    ],
)
def test_an_answer_before_tornado_is_whole(answer: bytes, first: bytes, code: str) -> None:
    """It has its length, the end of the connection and the headers of all answers."""
    head, _, body = answer.partition(b"\r\n\r\n")
    line, *headers = head.split(b"\r\n")
    assert line == first
    assert orjson.loads(body)["error"]["code"] == code
    expected = {"Content-Length": str(len(body)), "Connection": "close", **SECURITY_HEADERS}
    assert {f"{name}: {value}".encode() for name, value in expected.items()} <= set(headers)


def pair() -> tuple[socket.socket, socket.socket]:
    """The server's end and the client's end of a TCP connection: only TCP resets."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        client = socket.create_connection(server.getsockname())
        accepted, _ = server.accept()
    accepted.setblocking(False)
    client.setblocking(False)
    return accepted, client


async def heard(client: socket.socket) -> bytes:
    """All that comes until the other end shuts down; ConnectionResetError when it is cut off."""
    loop, parts = asyncio.get_running_loop(), []
    async with asyncio.timeout(HANG_S):
        while data := await loop.sock_recv(client, 65536):
            parts.append(data)
    return b"".join(parts)


async def test_a_client_that_still_sends_reads_its_answer() -> None:
    """Closed with bytes unread the connection would be reset, and the answer lost."""
    farewells, (accepted, client) = Farewells(), pair()
    with client:
        client.send(b"x" * 10_000)
        accepted.send(b"no")
        farewells.linger(accepted)
        accepted.close()
        assert await heard(client) == b"no"
        client.send(b"still sending")
    await farewells.close()


async def test_a_client_that_sends_on_and_on_is_cut_off(monkeypatch: pytest.MonkeyPatch) -> None:
    """After so many bytes, although it has time left."""
    monkeypatch.setattr(lingering, "LINGER_S", 3600.0)
    farewells, (accepted, client) = Farewells(), pair()
    with client:
        farewells.linger(accepted)
        accepted.close()
        sent, loop = 0, asyncio.get_running_loop()
        with pytest.raises(ConnectionError):
            async with asyncio.timeout(HANG_S):
                while True:
                    await loop.sock_sendall(client, bytes(65536))
                    sent += 65536
        assert sent >= LINGER_BYTES
    await farewells.close()


async def reset_of(client: socket.socket) -> None:
    """Return once the other end is gone altogether: it answers what is sent by a reset."""
    async with asyncio.timeout(HANG_S):
        while True:
            try:
                client.send(b"x")
            except ConnectionError:
                return
            await asyncio.sleep(0)


async def test_so_many_linger_and_the_end_of_the_gateway_ends_them(monkeypatch: pytest.MonkeyPatch) -> None:
    """One more is closed at once: a reset for its client is better than a flood of waiting sockets."""
    monkeypatch.setattr(lingering, "LINGER_S", 3600.0)
    monkeypatch.setattr(lingering, "MAX_LINGERING", 3)
    farewells, pairs = Farewells(), [pair() for _ in range(4)]
    for accepted, client in pairs:
        farewells.linger(accepted)
        accepted.close()
        assert await heard(client) == b""
    *lingered, (_, last) = pairs
    await reset_of(last)
    for _, client in lingered:
        client.send(b"x")
        client.send(b"x")
    await farewells.close()
    for _, client in lingered:
        await reset_of(client)
    for _, client in pairs:
        client.close()
