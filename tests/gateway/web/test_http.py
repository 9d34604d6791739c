"""The wire below the endpoints: bodies of every size and shape, malformed HTTP, slow clients, by raw sockets."""

from __future__ import annotations

import asyncio
import re
import socket

import orjson
import pytest

from gateway.web.edge.failure import SECURITY_HEADERS
from gateway.web.edge.incoming_body import DRAIN_FACTOR
from tests.gateway.web.edge.test_endpoint import BODY, assert_failure, request
from tests.gateway.web.world import TOKEN, Gateway

PYTHON = "/code-interpreter/python"


def split(answer: bytes) -> tuple[int, dict[str, str], bytes]:
    """Status, headers and body of the one answer in *answer*."""
    head, _, body = answer.partition(b"\r\n\r\n")
    first, *lines = head.decode("latin-1").split("\r\n")
    headers = {name.lower(): value for name, _, value in (line.partition(": ") for line in lines)}
    assert len(body) == int(headers["content-length"]), answer
    return int(first.split()[1]), headers, body


def closing(path: str, body: bytes, *more: str) -> bytes:
    return request("POST", path, body, "Connection: close", *more)


async def test_a_body_at_the_limit_is_read_and_one_above_is_refused(gateway: Gateway) -> None:
    """The limit is exact, and the answer names it."""
    padding = 10_000 - len(b'{"code": "1"}')
    status, _, _ = split(await gateway.raw(closing(PYTHON, BODY + b" " * padding)))
    assert status == 200
    status, _, body = split(await gateway.raw(closing(PYTHON, BODY + b" " * (padding + 1))))
    assert status == 413
    assert "10000 bytes" in assert_failure(body, "too_large")["message"]


@pytest.mark.parametrize("size", [10_001, 10_000 * DRAIN_FACTOR])
async def test_a_client_that_sends_too_much_sees_its_413(gateway: Gateway, size: int) -> None:
    """The rest of the body is read and thrown away, so that the answer is not lost to a reset."""
    status, _, body = split(await gateway.raw(closing(PYTHON, b"x" * size)))
    assert status == 413
    assert_failure(body, "too_large")


async def test_a_huge_declared_body_is_answered_before_it_is_sent(gateway: Gateway) -> None:
    """Ten gigabytes are not waited for."""
    head = request("POST", PYTHON, length=str(10 * 2**30))
    status, headers, body = split(await gateway.raw(head))
    assert status == 413
    assert headers["connection"] == "close"
    assert_failure(body, "too_large")


async def test_a_client_that_asks_first_is_told_at_once(gateway: Gateway) -> None:
    """With Expect: 100-continue no byte of a refused body crosses the wire."""
    head = request("POST", PYTHON, length="20000").replace(b"\r\n\r\n", b"\r\nExpect: 100-continue\r\n\r\n")
    answer = await gateway.raw(head)
    assert not answer.startswith(b"HTTP/1.1 100")
    assert split(answer)[0] == 413
    wrong = head.replace(b"20000", b"10").replace(TOKEN.encode(), b"wrong")
    assert split(await gateway.raw(wrong))[0] == 401


async def test_a_client_that_asks_first_may_go_on_when_all_is_well(gateway: Gateway) -> None:
    """100 Continue, then the answer."""
    head = request("POST", PYTHON, length=str(len(BODY))).replace(
        b"\r\n\r\n", b"\r\nExpect: 100-continue\r\nConnection: close\r\n\r\n"
    )
    answer = await gateway.raw(head + BODY)
    assert answer.startswith(b"HTTP/1.1 100")
    assert split(answer.partition(b"\r\n\r\n")[2])[0] == 200


async def test_endless_chunks_end_in_413(gateway: Gateway) -> None:
    """A body without a declared length is counted as it comes."""
    head = request("POST", PYTHON).replace(b"Content-Length: 0", b"Transfer-Encoding: chunked")
    chunk = b"400\r\n" + b"x" * 1024 + b"\r\n"
    reader, writer = await asyncio.open_connection("127.0.0.1", gateway.port)
    writer.write(head)
    sent = 0
    with pytest.raises((ConnectionError, asyncio.IncompleteReadError)):
        while sent < 10_000 * 100:
            writer.write(chunk)
            await writer.drain()
            sent += 1024
            if reader.at_eof():
                raise ConnectionResetError
            await asyncio.sleep(0)
    assert sent < 10_000 * 100
    writer.close()
    await asyncio.gather(writer.wait_closed(), return_exceptions=True)


async def test_a_chunked_body_over_the_limit_gets_its_413(gateway: Gateway) -> None:
    """One that ends is answered after its end."""
    head = request("POST", PYTHON).replace(b"Content-Length: 0", b"Transfer-Encoding: chunked\r\nConnection: close")
    chunks = b"".join(b"400\r\n" + b"x" * 1024 + b"\r\n" for _ in range(12))
    status, _, body = split(await gateway.raw(head + chunks + b"0\r\n\r\n"))
    assert status == 413
    assert_failure(body, "too_large")


async def test_a_chunked_body_within_the_limit_is_read(gateway: Gateway) -> None:
    """Chunks are put together."""
    head = request("POST", PYTHON).replace(b"Content-Length: 0", b"Transfer-Encoding: chunked\r\nConnection: close")
    status, _, _ = split(await gateway.raw(head + b"5\r\n" + BODY[:5] + b"\r\n8\r\n" + BODY[5:] + b"\r\n0\r\n\r\n"))
    assert status == 200
    assert gateway.runner.asked[0].code == "1"


MALFORMED = {
    "no request line": b"\r\n\r\n\r\n\r\n",
    "not HTTP": b"hello\r\n\r\n",
    "version 3": b"GET / HTTP/3.0\r\nHost: localhost\r\n\r\n",
    "a header without a colon": b"GET / HTTP/1.1\r\nHost: localhost\r\nbroken\r\n\r\n",
    "a name with a blank": b"GET / HTTP/1.1\r\nHost : localhost\r\n\r\n",
    "a NUL in a header": b"GET / HTTP/1.1\r\nHost: localhost\r\nX: a\0b\r\n\r\n",
    "a bare CR in a header": b"GET / HTTP/1.1\r\nHost: localhost\r\nX: a\rSet-Cookie: b\r\n\r\n",
    "no Host": b"GET / HTTP/1.1\r\n\r\n",
    "two Hosts": b"GET / HTTP/1.1\r\nHost: localhost\r\nHost: evil.example\r\n\r\n",
    "a Host with a path": b"GET / HTTP/1.1\r\nHost: localhost/x\r\n\r\n",
    "a Host with a user": b"GET / HTTP/1.1\r\nHost: x@localhost\r\n\r\n",
    "a Host with two names": b"GET / HTTP/1.1\r\nHost: localhost, evil.example\r\n\r\n",
    "an ANSI code in the path": b"GET /\x1b[31m HTTP/1.1\r\nHost: localhost\r\n\r\n",
    "negative length": request("POST", PYTHON, length="-1"),
    "a length that is no number": request("POST", PYTHON, length="1e3"),
    "a length with a plus": request("POST", PYTHON, length="+5"),
    "two lengths": request("POST", PYTHON, BODY, "Content-Length: 5"),
    "length and chunks": request("POST", PYTHON, BODY, "Transfer-Encoding: chunked"),
    "chunks of no size": request("POST", PYTHON, b"zz\r\n\r\n").replace(b"Content-Length: 6", b"Transfer-Encoding: chunked"),
    "an unknown transfer coding": request("POST", PYTHON, BODY).replace(b"Content-Length: 13", b"Transfer-Encoding: gzip"),
    "a folded header": b"GET /metrics HTTP/1.1\r\nHost: localhost\r\nAuthorization:\r\n Bearer x\r\n\r\n",
}


@pytest.mark.parametrize("name", MALFORMED)
async def test_malformed_http_is_refused_in_the_form_of_all_errors(gateway: Gateway, name: str) -> None:
    """A 4xx with JSON and security headers, then the end of the connection; nothing runs."""
    answer = await gateway.raw(MALFORMED[name])
    status, headers, body = split(answer)
    assert 400 <= status < 500, answer
    assert orjson.loads(body)["success"] is False
    assert headers["x-content-type-options"] == "nosniff"
    assert set(headers) >= {header.lower() for header in SECURITY_HEADERS}
    assert "server" not in headers
    assert not gateway.runner.asked


async def test_a_request_smuggled_behind_another_is_not_run(gateway: Gateway) -> None:
    """Content-Length and Transfer-Encoding together are refused, so what follows is never taken for a request."""
    inner = request("POST", PYTHON, BODY)
    outer = request("POST", PYTHON, b"0\r\n\r\n" + inner, "Transfer-Encoding: chunked")
    answer = await gateway.raw(outer)
    assert answer.count(b"HTTP/1.1 ") == 1
    assert not gateway.runner.asked


@pytest.mark.thorough
@pytest.mark.parametrize(
    "sent", [b"", b"GET / HT", b"GET / HTTP/1.1\r\nHost: localhost\r\n", request("POST", PYTHON, length="13") + b'{"c']
)
async def test_a_client_that_stalls_is_let_go(gateway: Gateway, sent: bytes) -> None:
    """Neither headers nor body may take for ever; others are served meanwhile."""
    stalled = asyncio.create_task(gateway.raw(sent, timeout_s=4))
    response = await gateway.ask("/code-interpreter/health")
    assert response.code == 200
    assert b"HTTP/1.1 200" not in await stalled
    assert not gateway.runner.asked


async def test_a_long_run_is_not_cut_by_the_limits_on_slow_clients(gateway: Gateway) -> None:
    """They are about sending the request; the answer takes as long as the run."""
    gateway.runner.waits_for = asyncio.Event()
    asking = asyncio.create_task(gateway.raw(closing(PYTHON, BODY), timeout_s=10))
    await gateway.runner.started.wait()
    await asyncio.sleep(0.8)  # longer than header_timeout_s and body_timeout_s of this gateway
    gateway.runner.waits_for.set()
    assert split(await asking)[0] == 200


async def test_small_answers_are_never_held_back(gateway: Gateway) -> None:
    """TCP_NODELAY is on while a request is answered, also for the second on a connection (Tornado turns it off between)."""
    reader, writer = await asyncio.open_connection("127.0.0.1", gateway.port)
    for _ in range(2):
        gateway.runner.started.clear()
        gateway.runner.waits_for = asyncio.Event()
        writer.write(request("POST", PYTHON, BODY))
        await gateway.runner.started.wait()
        (connection,) = gateway.server._connections
        assert connection.stream.socket.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)
        gateway.runner.waits_for.set()
        head = await reader.readuntil(b"\r\n\r\n")
        match = re.search(rb"Content-Length: (\d+)", head)
        assert match
        await reader.readexactly(int(match[1]))
    writer.close()
    await writer.wait_closed()


async def test_neither_query_nor_token_is_logged(gateway: Gateway, capsys: pytest.CaptureFixture[str]) -> None:
    """Paths are; what may be private is not."""
    await gateway.ask("/code-interpreter/history?limit=7&secret=hidden")
    await gateway.ask(PYTHON, b'{"code": "hidden()"}')
    await gateway.ask(PYTHON, b'{"code": "x"}', token="hidden-token")
    said = "".join(capsys.readouterr())
    assert "/code-interpreter/history" in said
    assert "hidden" not in said


async def test_requests_are_counted_by_pattern(gateway: Gateway) -> None:
    """A caller can't make new series by asking for new paths."""
    await gateway.ask("/a/b/c")
    await gateway.ask(PYTHON, BODY)
    assert gateway.metrics.answered == [("unknown", "GET", 404), (PYTHON, "POST", 200)]
