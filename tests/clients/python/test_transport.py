"""HTTP of both clients, against a server that does what it is told."""

from __future__ import annotations

import asyncio
import socket
import ssl
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from omega_client import http1
from omega_client.address import parse_address
from omega_client.async_transport import AsyncTransport
from omega_client.errors import ConnectionFailed, TimedOut
from omega_client.transport import Transport
from omega_client.wire import Request, get
from tests.clients.python import peer
from tests.clients.python.both import Both
from tests.clients.python.peer import LOCALHOST_PEM, STREAM_END, STREAM_HEAD, Asked, Left, chunk, reply

BIG = bytes(range(256)) * 2000
CHUNKS = [STREAM_HEAD, chunk(b"a"), chunk(BIG), b"1;name=value\r\nz\r\n", b"0\r\nTrailer: x\r\n\r\n"]


@pytest.mark.parametrize(
    ("pieces", "body"),
    [
        ([reply(BIG)], BIG),
        ([reply()], b""),
        ([b"HTTP/1.1 100 Continue\r\n\r\n", reply(b"x")], b"x"),
        (CHUNKS, b"a" + BIG + b"z"),
        ([bytes([byte]) for byte in reply(b"slow")], b"slow"),
    ],
)
def test_a_reply_is_read_in_every_form(both: Both, pieces: list[bytes], body: bytes) -> None:
    """And the connection is kept for the next."""
    with peer.peer(lambda _: pieces) as served, both.sending(f"{served.url}/p", headers={"X-A": "b"}) as send:
        assert [send(Request("POST", "/x", b"data")).body for _ in range(3)] == [body] * 3
        assert served.connections == 1
        asked = served.asked[0]
        assert (asked.method, asked.path, asked.body, asked.headers["x-a"]) == ("POST", "/p/x", b"data", "b")
        assert served.url.endswith(asked.headers["host"])


@pytest.mark.parametrize(
    "pieces",
    [
        [b"HTTP/1.1 200 OK\r\n\r\nall"],
        [b"HTTP/1.0 200 OK\r\nContent-Length: 3\r\n\r\nall"],
        [reply(b"all", Connection="close")],
    ],
)
def test_a_reply_that_ends_with_its_connection_is_read(both: Both, pieces: list[bytes]) -> None:
    """The next request has a new one."""

    def once(_: Asked) -> Iterator[bytes]:
        yield from pieces
        raise Left

    with peer.peer(once) as served, both.sending(served.url) as send:
        assert [send(get("/")).body for _ in range(2)] == [b"all"] * 2
        assert served.connections == 2


@pytest.mark.parametrize(
    "pieces",
    [
        [],
        [b"HTTP/1.1 200 OK\r\nContent-Le"],
        [b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nab"],
        [STREAM_HEAD, b"5\r\nab"],
        [STREAM_HEAD, chunk(b"ab")],
        [STREAM_HEAD, b"five\r\nabcde\r\n"],
        [b"SSH-2.0-OpenSSH\r\n\r\n"],
        [b"HTTP/1.1 200 OK\r\nContent-Length: x\r\n\r\n"],
        [b"HTTP/1.1 200 OK\r\n" + b"X-A: b\r\n" * 20000 + b"\r\n"],
    ],
)
def test_a_reply_that_is_none_is_told(both: Both, pieces: list[bytes]) -> None:
    """What is cut is never taken for the whole."""

    def broken(_: Asked) -> Iterator[bytes]:
        yield from pieces
        raise Left

    with peer.peer(broken) as served, both.sending(served.url) as send, pytest.raises(ConnectionFailed):
        send(Request("POST", "/", b"x"))


def test_a_server_that_is_silent_is_given_up(both: Both) -> None:
    """A request that takes longer by itself says so."""
    with peer.peer(lambda _: []) as served, both.sending(served.url, silence_s=0.05) as send:
        with pytest.raises(TimedOut, match="No answer: timed out"):
            send(get("/"))
        with pytest.raises(TimedOut):
            send(Request("POST", "/", b"", work_s=0.01))


def test_nobody_there_is_told(both: Both) -> None:
    """With the address."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    with both.sending(f"http://127.0.0.1:{port}") as send, pytest.raises(ConnectionFailed, match=f"127.0.0.1:{port}"):
        send(get("/"))


@pytest.mark.parametrize(("method", "is_repeated"), [("GET", True), ("POST", False)])
def test_a_kept_connection_that_breaks_is_tried_again_only_where_that_is_safe(
    both: Both, method: str, is_repeated: bool
) -> None:
    """Code must not run twice because nobody knows whether it ran."""
    answers = iter([[reply(b"1")], [], [reply(b"2")]])

    def handler(_: Asked) -> Iterator[bytes]:
        pieces = next(answers)
        yield from pieces
        if not pieces:
            raise Left

    request = Request(method, "/", is_repeatable=method == "GET")
    with peer.peer(handler) as served, both.sending(served.url) as send:
        send(request)
        if is_repeated:
            assert send(request).body == b"2"
        else:
            with pytest.raises(ConnectionFailed):
                send(request)
        assert [one.method for one in served.asked] == [method] * (3 if is_repeated else 2)


def test_a_kept_connection_that_has_ended_is_not_used(both: Both) -> None:
    """Then no request is lost, of whatever kind."""

    def handler(_: Asked) -> Iterator[bytes]:
        yield reply(b"x")
        raise Left

    with peer.peer(handler) as served, both.sending(served.url) as send:
        for _ in range(5):
            assert send(Request("POST", "/")).body == b"x"
            assert served.left.wait(60)
            served.left.clear()
        assert served.connections == 5


def test_a_header_can_not_be_two(both: Both) -> None:
    """A token with a line break would write headers of its own: nothing is sent."""
    with peer.peer(lambda _: [reply()]) as served, both.sending(served.url, headers={"X-A": "a\r\nX-B: c"}) as send:
        with pytest.raises((ValueError, ConnectionFailed), match="X-A"):
            send(get("/"))
        assert served.asked == []


def test_whoever_leaves_a_reply_closes_its_connection(both: Both) -> None:
    """So a server learns that nobody listens any more."""

    def endless(_: Asked) -> Iterator[bytes]:
        yield STREAM_HEAD
        while True:
            yield chunk(b"x" * 1000)

    with peer.peer(endless) as served:
        address: Any = parse_address(served.url)
        if both.kind == "plain":
            with Transport(address, {}, connect_s=60, silence_s=60).open(get("/")) as (head, pieces):
                assert (head.status, next(pieces)[:1]) == (200, b"x")
        else:

            async def look() -> None:
                transport = AsyncTransport(address, {}, connect_s=60, silence_s=60)
                async with transport.open(get("/")) as (head, pieces):
                    assert (head.status, (await pieces.__anext__())[:1]) == (200, b"x")

            both.wait(look())
        assert served.left.wait(60)


def test_ipv6_has_brackets_in_its_header(both: Both) -> None:
    """As in its URL."""
    try:
        socket.create_server(("::1", 0), family=socket.AF_INET6).close()
    except OSError:
        pytest.skip("there is no IPv6 here")
    with peer.peer(lambda _: [reply(b"6")], host="::1") as served, both.sending(served.url) as send:
        assert send(get("/")).body == b"6"
        assert served.asked[0].headers["host"] == served.url.removeprefix("http://")


def test_tls_is_checked(both: Both) -> None:
    """A certificate that nobody trusts is refused, unless the caller brings it."""
    with peer.peer(lambda _: [reply(b"safe")], tls=True) as served:
        with both.sending(served.url) as send, pytest.raises(ConnectionFailed, match="CERTIFICATE_VERIFY_FAILED"):
            send(get("/"))
        trusting = ssl.create_default_context(cafile=str(LOCALHOST_PEM))
        with both.sending(served.url, tls=trusting) as send:
            assert [send(get("/")).body for _ in range(2)] == [b"safe", b"safe"]
        assert served.asked[0].path == "/"


def test_an_end_without_a_reply_is_sent() -> None:
    """`send_and_leave` says that there will be nothing more, and waits for nothing."""
    with peer.peer(lambda _: []) as served:
        transport = Transport(parse_address(served.url), {}, connect_s=60, silence_s=60)
        transport.send_and_leave(Request("POST", "/bye", b"{}"))
        assert served.left.wait(60)
        assert [one.path for one in served.asked] == ["/bye"]


def test_one_client_serves_many_at_once(both: Both) -> None:
    """Threads or tasks: each gets the reply to its own request, and connections are used again."""

    def echo(asked: Asked) -> Iterator[bytes]:
        yield reply(asked.path.encode())

    with peer.peer(echo) as served:
        address = parse_address(served.url)
        paths = [f"/{number}" for number in range(200)]
        if both.kind == "plain":
            transport = Transport(address, {}, connect_s=60, silence_s=60)
            with ThreadPoolExecutor(4) as pool:
                found = list(pool.map(lambda path: transport.send(get(path)).body.decode(), paths))
            transport.close()
        else:

            async def ask() -> list[str]:
                transport = AsyncTransport(address, {}, connect_s=60, silence_s=60)
                replies = []
                for at in range(0, len(paths), 4):
                    replies += await asyncio.gather(*(transport.send(get(path)) for path in paths[at : at + 4]))
                transport.close()
                return [one.body.decode() for one in replies]

            found = both.wait(ask())
        assert found == paths
        assert served.connections <= 4


def test_the_end_of_a_stream_leaves_nothing_unread(both: Both) -> None:
    """The next request on the connection gets its own reply."""
    answers = iter([[*CHUNKS[:2], STREAM_END], [reply(b"second")]])
    with peer.peer(lambda _: next(answers)) as served, both.sending(served.url) as send:
        assert [send(get("/")).body for _ in range(2)] == [b"a", b"second"]
        assert served.connections == 1


@pytest.mark.parametrize("pieces", [[reply(BIG)], CHUNKS, [b"HTTP/1.1 200 OK\r\n\r\n", BIG]])
def test_an_answer_has_an_end(both: Both, pieces: list[bytes], monkeypatch: pytest.MonkeyPatch) -> None:
    """One that has none would take all memory."""
    monkeypatch.setattr(http1, "BODY_BYTES", 1000)
    with peer.peer(lambda _: pieces) as served, both.sending(served.url) as send:
        with pytest.raises(ConnectionFailed, match="more than 1,000 bytes"):
            send(get("/x"))
        assert served.left.wait(60)
