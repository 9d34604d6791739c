"""Clients that are slow, many, endless or ambiguous, by raw sockets: one clear answer or none, and others are served."""

from __future__ import annotations

import asyncio
import contextlib
import re
from dataclasses import replace

import pytest

from gateway.web.edge import handler
from gateway.web.edge.failure import SECURITY_HEADERS
from tests.gateway.web.edge.test_endpoint import BODY, assert_failure, request
from tests.gateway.web.test_http import PYTHON, closing, split
from tests.gateway.web.world import TOKEN, Gateway, ok
from tests.live import HANG_S

WRONG = b"wrong-wrong-wrong-wrong"
Opened = list[tuple[asyncio.StreamReader, asyncio.StreamWriter]]


def assert_refused(answer: bytes, status: int, code: str) -> dict[str, str]:
    """*answer* is exactly one, of this status, in the form and with the headers of all errors; its headers."""
    assert answer.count(b"HTTP/1.1 ") == 1, answer[:500]
    found, headers, body = split(answer)
    assert found == status, answer[:500]
    assert headers["connection"] == "close"
    for name, value in SECURITY_HEADERS.items():
        assert headers[name.lower()] == value
    assert "server" not in headers
    assert_failure(body, code)
    return headers


def chunked(body: bytes, *more: str) -> bytes:
    """A request with a chunked body, *body* being what is sent of it."""
    return request("POST", PYTHON, b"", *more).replace(b"Content-Length: 0", b"Transfer-Encoding: chunked") + body


def split_all(data: bytes) -> list[tuple[int, dict[str, str], bytes]]:
    """All answers in *data*, each as long as it says."""
    found = []
    while data:
        head, _, rest = data.partition(b"\r\n\r\n")
        length = re.search(rb"(?i)\r\ncontent-length: (\d+)", head)
        assert length, head
        end = int(length[1])
        found.append(split(head + b"\r\n\r\n" + rest[:end]))
        data = rest[end:]
    return found


async def open_many(gateway: Gateway, count: int, sent: bytes = b"") -> Opened:
    """So many connections, on each of which *sent* was sent."""
    opened = [await asyncio.open_connection("127.0.0.1", gateway.port) for _ in range(count)]
    for _, writer in opened:
        writer.write(sent)
    return opened


async def close_all(opened: Opened) -> None:
    """Close them without waiting for words."""
    for _, writer in opened:
        writer.transport.abort()
    await asyncio.gather(*(writer.wait_closed() for _, writer in opened), return_exceptions=True)


# ---- headers ------------------------------------------------------------------------------------------------------------

ENDLESS = {
    "many headers": b"".join(b"X-%d: %s\r\n" % (n, b"y" * 1000) for n in range(100)),
    "one long header": b"X: " + b"y" * 40_000,
    "a long token": b"Authorization: Bearer " + b"y" * 40_000,
}


@pytest.mark.parametrize("headers", ENDLESS.values(), ids=ENDLESS)
@pytest.mark.parametrize("end", [b"", b"\r\n\r\n"], ids=["endless", "ended"])
async def test_headers_over_the_limit_get_431(gateway: Gateway, headers: bytes, end: bytes) -> None:
    """Whether they end or not; the answer is not lost although the client was still writing."""
    answer = await gateway.raw(b"GET / HTTP/1.1\r\nHost: localhost\r\n" + headers + end)
    assert_refused(answer, 431, "headers_too_large")
    assert gateway.metrics.answered == []


async def test_a_long_request_line_gets_431(gateway: Gateway) -> None:
    """It counts as headers do."""
    answer = await gateway.raw(b"GET /" + b"x" * 100_000 + b" HTTP/1.1\r\nHost: localhost\r\n\r\n")
    assert_refused(answer, 431, "headers_too_large")


@pytest.mark.parametrize(("count", "status"), [(90, 200), (110, 431), (8000, 431)])
async def test_headers_are_counted(gateway: Gateway, count: int, status: int) -> None:
    """Thousands of tiny ones fit into the bytes allowed, and each costs time."""
    answer = await gateway.raw(closing(PYTHON, BODY, *["a:" for _ in range(count)]))
    assert split(answer)[0] == status


@pytest.mark.parametrize("name", ["token", "access_token", "api_key", "%74oken"])
@pytest.mark.parametrize("with_header", [True, False])
async def test_a_token_in_the_query_string_is_refused(gateway: Gateway, name: str, with_header: bool) -> None:
    """Also beside a right header: the sentence says where it belongs, and does not repeat it."""
    response = await gateway.ask(f"{PYTHON}?a=b&{name}={TOKEN}", BODY, token=TOKEN if with_header else None)
    assert response.code == 400
    message = assert_failure(response.body, "bad_request")["message"]
    assert "Authorization: Bearer <token>" in message
    assert TOKEN not in message
    assert not gateway.runner.asked


# ---- slow clients -------------------------------------------------------------------------------------------------------


@pytest.mark.thorough
@pytest.mark.parametrize(
    "sent", [request("POST", PYTHON, length="13"), request("POST", PYTHON, length="13") + b'{"c', chunked(b"5\r\nab")]
)
async def test_a_body_that_stalls_is_told_so(gateway: Gateway, sent: bytes) -> None:
    """408, so that a slow but honest client knows; a wrong token is told first."""
    assert_refused(await gateway.raw(sent), 408, "request_timeout")
    assert_refused(await gateway.raw(sent.replace(TOKEN.encode(), WRONG)), 401, "unauthorized")
    assert not gateway.runner.asked


async def _drip(gateway: Gateway, first: bytes, drop: bytes) -> bytes:
    """What came back until the gateway closed the connection, while *drop* was sent again and again."""
    reader, writer = await asyncio.open_connection("127.0.0.1", gateway.port)
    answer = asyncio.create_task(reader.read())
    async with asyncio.timeout(HANG_S):
        with contextlib.suppress(ConnectionError):
            writer.write(first)
            while not answer.done():
                writer.write(drop)
                await writer.drain()
                await asyncio.wait([answer], timeout=0.05)
        (came,) = await asyncio.gather(answer, return_exceptions=True)
    writer.transport.abort()
    return came if isinstance(came, bytes) else b""


async def test_a_body_that_drips_has_no_more_time(gateway: Gateway) -> None:
    """One byte now and then does not make it longer: it ends, by 408, while the client still sends."""
    came = await _drip(gateway, request("POST", PYTHON, length="9999"), b"x")
    if came:
        assert_refused(came, 408, "request_timeout")


async def test_headers_that_drip_have_no_more_time(gateway: Gateway) -> None:
    """The time is for all of them together."""
    assert await _drip(gateway, b"GET / HTTP/1.1\r\n", b"X: y\r\n") == b""


async def test_a_client_that_never_reads_is_let_go(gateway: Gateway, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its answer does not stay in memory for ever."""
    monkeypatch.setattr(handler, "SEND_S", 0.3)
    monkeypatch.setattr(handler, "SEND_BYTES_PER_S", 1e12)
    gateway.runner.answer = lambda _request: replace(ok(_request), output="x" * 20_000_000)
    _, writer = await asyncio.open_connection("127.0.0.1", gateway.port, limit=1000)
    writer.write(request("POST", PYTHON, BODY))
    await gateway.runner.started.wait()
    await no_connection(gateway)
    writer.transport.abort()
    assert (await gateway.ask("/code-interpreter/health")).code == 200


async def test_a_client_that_leaves_in_the_middle_of_its_answer_is_no_fault_of_ours(
    gateway: Gateway, capsys: pytest.CaptureFixture[str]
) -> None:
    """No stack in the log."""
    gateway.runner.answer = lambda _request: replace(ok(_request), output="x" * 20_000_000)
    reader, writer = await asyncio.open_connection("127.0.0.1", gateway.port, limit=1000)
    writer.write(request("POST", PYTHON, BODY))
    await reader.readexactly(100)
    writer.transport.abort()
    await no_connection(gateway)
    said = "".join(capsys.readouterr())
    assert "Traceback" not in said
    assert "failed" not in said


async def no_connection(gateway: Gateway) -> None:
    """Return once the server has none."""
    async with asyncio.timeout(HANG_S):
        while gateway.server._connections:  # noqa: ASYNC110  # the server has no event
            await asyncio.sleep(0.02)


# ---- many connections ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "sent",
    [b"", b"GET / HTTP/1.1\r\nX: ", request("POST", PYTHON, length="5000").replace(TOKEN.encode(), WRONG)],
    ids=["silent", "half a request", "an upload with a wrong token"],
)
async def test_connections_without_a_caller_make_room(gateway: Gateway, sent: bytes) -> None:
    """However many there are, they keep nobody out, and their number is bounded."""
    most = gateway.services.settings.max_connections
    opened = await open_many(gateway, 3 * most, sent)
    for _ in range(3):
        assert (await gateway.ask(PYTHON, BODY)).code == 200
    assert len(gateway.server.open_connections) <= most
    assert len(gateway.server._connections) <= most + 1
    await close_all(opened)
    await no_connection(gateway)
    assert len(gateway.server.open_connections) == 0


async def test_runs_are_not_ended_for_new_connections(gateway: Gateway) -> None:
    """With every place taken by work, who comes is told so: 503 and when to come again."""
    most = gateway.services.settings.max_connections
    gateway.runner.waits_for = asyncio.Event()
    busy = [asyncio.create_task(gateway.raw(closing(PYTHON, BODY), timeout_s=20)) for _ in range(most)]
    async with asyncio.timeout(HANG_S):
        while len(gateway.runner.asked) < most:  # noqa: ASYNC110  # the fake runner only counts
            await asyncio.sleep(0.01)
    for _ in range(5):
        headers = assert_refused(await gateway.raw(b"GET /code-interpreter/health HTTP/1.1\r\n"), 503, "busy")
        assert headers["retry-after"] == "1"
    gateway.runner.waits_for.set()
    assert [split(answer)[0] for answer in await asyncio.gather(*busy)] == [200] * most
    assert (await gateway.ask("/code-interpreter/health")).code == 200


# ---- where a request ends -----------------------------------------------------------------------------------------------


async def test_requests_in_one_packet_are_answered_in_order(gateway: Gateway) -> None:
    """Pipelining: each answer whole, in the order of the requests; one that is refused does not shift the next."""
    parts = [
        request("POST", PYTHON, BODY),
        request("POST", PYTHON, b"{"),
        request("GET", "/nowhere"),
        request("POST", PYTHON, BODY).replace(TOKEN.encode(), WRONG),
        closing(PYTHON, BODY),
    ]
    answers = split_all(await gateway.raw(b"".join(parts)))
    assert [status for status, _, _ in answers] == [200, 400, 404, 401, 200]


async def test_an_empty_line_before_a_request_is_ignored(gateway: Gateway) -> None:
    """As RFC 9112 (section 2.2) asks, for clients that end a body with one; anything else in front is refused."""
    asked = request("GET", "/code-interpreter/health")
    ended = request("GET", "/code-interpreter/health", b"", "Connection: close")
    answers = split_all(await gateway.raw(b"\r\n" + asked + b"\r\n" + ended))
    assert [status for status, _, _ in answers] == [200, 200]
    for before in (b"\n", b"\r\n\r\n", b" \r\n"):
        assert_refused(await gateway.raw(before + ended), 400, "bad_request")


async def test_http_1_0_is_answered_and_closed(gateway: Gateway) -> None:
    """Old clients are served by the same rules: a Host, a token, no chunks."""
    get = b"GET /code-interpreter/health HTTP/1.0\r\nHost: localhost\r\n\r\n"
    assert split(await gateway.raw(get))[0] == 200
    assert split(await gateway.raw(get.replace(b"Host: localhost\r\n", b"")))[0] == 400
    assert split(await gateway.raw(request("POST", PYTHON, BODY).replace(b"HTTP/1.1", b"HTTP/1.0")))[0] == 200
    assert_refused(await gateway.raw(chunked(b"0\r\n\r\n").replace(b"HTTP/1.1", b"HTTP/1.0")), 400, "bad_request")


DOUBTFUL = {
    "length and chunks": ["Content-Length: 6", "Transfer-Encoding: chunked"],
    "chunks and length": ["Transfer-Encoding: chunked", "Content-Length: 6"],
    "two lengths": ["Content-Length: 6", "Content-Length: 60"],
    "the same length twice": ["Content-Length: 6", "Content-Length: 6"],
    "a list of lengths": ["Content-Length: 6, 6"],
    "a negative length": ["Content-Length: -6"],
    "a length with a plus": ["Content-Length: +6"],
    "a length in hexadecimal": ["Content-Length: 0x6"],
    "no length at all": ["Content-Length:"],
    "a length with a line break": ["Content-Length: 6\n"],
    "a length beyond 64 bits": ["Content-Length: 99999999999999999999"],
    "chunked twice": ["Transfer-Encoding: chunked, chunked"],
    "chunked in two headers": ["Transfer-Encoding: chunked", "Transfer-Encoding: chunked"],
    "chunked and identity": ["Transfer-Encoding: chunked", "Transfer-Encoding: identity"],
    "identity": ["Transfer-Encoding: identity"],
    "nothing": ["Transfer-Encoding:"],
    "xchunked": ["Transfer-Encoding: xchunked"],
    "a tab": ["Transfer-Encoding:\tchunked", "Content-Length: 6"],
    "a vertical tab": ["Transfer-Encoding: \x0bchunked"],
    "a blank before the colon": ["Transfer-Encoding : chunked"],
    "a folded value": ["Transfer-Encoding:", " chunked"],
    "a bare LF before chunks": ["X: y\nTransfer-Encoding: chunked", "Content-Length: 6"],
    "only a bare LF": ["X: y\nZ: z", "Content-Length: 6"],
}


@pytest.mark.parametrize("name", DOUBTFUL)
@pytest.mark.parametrize("token", [TOKEN.encode(), WRONG], ids=["right", "wrong"])
async def test_a_body_whose_end_is_in_doubt_is_refused(gateway: Gateway, name: str, token: bytes) -> None:
    """Where two readers could see two ends a second request could hide: one refusal, and the connection is over."""
    head = [f"POST {PYTHON} HTTP/1.1", "Host: localhost", "Content-Type: application/json", *DOUBTFUL[name]]
    lines = "\r\n".join([*head, "Authorization: Bearer "]).encode("latin-1") + token
    hidden = request("POST", PYTHON, BODY)
    answer = await gateway.raw(lines + b"\r\n\r\n0\r\n\r\n" + hidden)
    assert_refused(answer, 400, "bad_request")
    assert not gateway.runner.asked


CHUNKS = {
    "an endless size": b"0" * 100,
    "an extension without end": b"5;" + b"x" * 1000,
    "a negative size": b"-5\r\nhello\r\n0\r\n\r\n",
    "a size with a plus": b"+5\r\nhello\r\n0\r\n\r\n",
    "a size with a prefix": b"0x5\r\nhello\r\n0\r\n\r\n",
    "a bare LF after the size": b"5\nhello\r\n0\r\n\r\n",
    "no CRLF after a chunk": b"5\r\nhelloXX0\r\n\r\n",
    "a trailer": b"0\r\nX: y\r\n\r\n",
}


@pytest.mark.parametrize("name", CHUNKS)
async def test_chunks_of_another_form_are_refused(gateway: Gateway, name: str) -> None:
    """What is not one of the plain chunks ends the connection with one answer, and what follows is not a request."""
    assert_refused(await gateway.raw(chunked(CHUNKS[name] + request("POST", PYTHON, BODY))), 400, "bad_request")
    assert not gateway.runner.asked


async def test_bytes_after_a_refusal_are_not_a_request(gateway: Gateway) -> None:
    """Whoever closes says so, and reads nothing more."""
    data = request("POST", PYTHON, length=str(10**12)) + request("POST", PYTHON, BODY) * 3
    assert_refused(await gateway.raw(data), 413, "too_large")
    assert not gateway.runner.asked
