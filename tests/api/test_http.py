"""The HTTP edge of a real gateway, every address of the route table: what is refused, how, and that nothing unsettles it."""

from __future__ import annotations

import contextlib
import re
import secrets
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gateway.web.edge.endpoint import Endpoint
from gateway.web.edge.websocket import Socket
from gateway.web.routes import ROUTES, SOCKETS, Route, SocketRoute
from tests.api import raw
from tests.live import HANG_S, Gateway

pytestmark = pytest.mark.kernel

JSON = "Content-Type: application/json"
BODY = b'{"code": "print(1)"}'
LENGTH = f"Content-Length: {len(BODY)}"
CASES = [(route, method) for route in (*ROUTES, *SOCKETS) for method in route.endpoint.allowed_methods()]
NAMES = [f"{method} {route.path}" for route, method in CASES]


@pytest.fixture(autouse=True)
def nothing_is_unsettled(gateway: Gateway) -> Iterator[None]:
    """Whatever a test sent, the gateway runs code for its caller afterwards, and its log shows no fault and no token."""
    before = gateway.log.stat().st_size
    yield
    assert gateway.run("print(2)")["output"] == "2\n"
    with gateway.log.open("rb") as log:
        log.seek(before)
        said = log.read().decode("utf-8", "replace")
    assert "Traceback" not in said, said[:3000]
    assert "Uncaught" not in said, said[:3000]
    assert gateway.token not in said


def sent(gateway: Gateway, route: Route | SocketRoute, method: str, *lines: str, **parts: str) -> raw.Answer:
    """The one answer to a request that a right caller could have sent but for *lines* and *parts*."""
    has_body = method == "POST"
    head = [JSON, LENGTH] if has_body else []
    token = parts.get("token", gateway.token)
    path = route.path + parts.get("query", "")
    data = raw.compose(
        method,
        path,
        token,
        *head,
        *lines,
        "Connection: close",
        body=BODY if has_body else b"",
        host=parts.get("host", "localhost"),
    )
    (answer,) = raw.parse(raw.exchange(gateway.port, data))
    return answer


@pytest.mark.parametrize(("route", "method"), CASES, ids=NAMES)
def test_every_address_refuses_who_may_not_ask(gateway: Gateway, route: Route | SocketRoute, method: str) -> None:
    """No or a wrong token 401, a foreign page 403, a foreign host 421, a token in the address 400; health needs no token."""
    wrong = secrets.token_urlsafe(32)
    if not route.endpoint.public:
        assert sent(gateway, route, method, token=wrong).status in (401, 429)
        assert sent(gateway, route, method, "Authorization: Basic x", token=wrong).status == 401
    assert sent(gateway, route, method, "Origin: https://evil.example").status == 403
    assert sent(gateway, route, method, "Origin: null").status == 403
    assert sent(gateway, route, method, host="evil.example").status == 421
    if route.endpoint.takes_query_token:
        return  # Jupyter's clients put it there
    told = sent(gateway, route, method, query=f"?token={gateway.token}")
    assert told.status == 400
    assert b"Authorization: Bearer <token>" in told.body
    assert gateway.token.encode() not in told.body


@pytest.mark.parametrize(("route", "method"), CASES, ids=NAMES)
def test_every_address_refuses_what_is_too_much(gateway: Gateway, route: Route | SocketRoute, method: str) -> None:
    """Headers by size and by number, bodies by what they declare; the headers of the answer are those of all others."""
    start = f"{method} {route.path} HTTP/1.1\r\nHost: localhost\r\n".encode()
    big = raw.parse(raw.exchange(gateway.port, start + b"X: " + b"y" * 70_000))
    assert [answer.status for answer in big] == [431]
    many = sent(gateway, route, method, *[f"X-{number}: y" for number in range(120)])
    assert (many.status, many.code) == (431, "headers_too_large")
    huge = raw.compose(method, route.path, gateway.token, JSON, "Content-Length: 10000000000")
    is_first = 401 if route.endpoint.has_own_token else 413  # no token helps where the address is one, and this is none
    assert [answer.status for answer in raw.parse(raw.exchange(gateway.port, huge))] == [is_first]


AMBIGUOUS = (
    ("Content-Length: 5", "Transfer-Encoding: chunked"),
    ("Content-Length: 5", "Content-Length: 6"),
    ("Content-Length: -5",),
    ("Transfer-Encoding: chunked, identity",),
    ("X: a\nContent-Length: 5",),
    ("X: a\0b",),
    ("X y: z",),
)


@pytest.mark.parametrize(("route", "method"), CASES, ids=NAMES)
def test_every_address_refuses_what_is_ambiguous(gateway: Gateway, route: Route | SocketRoute, method: str) -> None:
    """One 400, in the form of all errors, and the end of the connection; what follows is never taken for a request."""
    hidden = raw.compose("GET", "/code-interpreter/examples", gateway.token)
    for lines in AMBIGUOUS:
        data = raw.compose(method, route.path, gateway.token, JSON, *lines, body=b"0\r\n\r\n" + hidden)
        answers = raw.parse(raw.exchange(gateway.port, data))
        assert [(answer.status, answer.code) for answer in answers] == [(400, "bad_request")], lines
        assert answers[0].headers["connection"] == "close", lines


@pytest.mark.parametrize("route", [route for route in ROUTES if route.body], ids=lambda route: str(route.path))
def test_every_body_is_plain_json_of_bounded_depth(gateway: Gateway, route: Route) -> None:
    """No compression, no form but where it is taken and whole, no list of lists of lists."""
    session = str(gateway.ask("POST", "/code-interpreter/sessions", {}).body["id"])
    path = route.path.replace("{session_id}", session)
    method = next(operation.method for operation in reversed(route.operations) if not isinstance(operation.takes, str))
    assert sent(gateway, route, method, "Content-Encoding: gzip").status == 415
    for kind in ("text/plain", "application/x-www-form-urlencoded"):
        assert gateway.ask(method, path, BODY, headers={"Content-Type": kind}).status == 415
    takes_form = any(operation.takes_form for operation in route.operations)
    form = {"Content-Type": "multipart/form-data; boundary=x"}
    assert gateway.ask(method, path, BODY, headers=form).status == (400 if takes_form else 415)
    for body in (
        b'{"code": ' + b"[" * 50 + b"]" * 50 + b"}",
        b"[" * 100_000,
        b'{"a":' * 5000 + b"1" + b"}" * 5000,
        b"\xff{}",
    ):
        reply = gateway.ask(method, path, body)
        assert reply.status == 400, (body[:20], reply)
    assert gateway.ask("DELETE", f"/code-interpreter/sessions/{session}").status == 200


def test_other_methods_have_the_same_headers(gateway: Gateway) -> None:
    """Also those that are no address's, and CONNECT."""
    for method in ("PUT", "DELETE", "PATCH", "OPTIONS", "TRACE", "CONNECT", "BREW", "HEAD"):
        data = raw.compose(method, "/code-interpreter/python", gateway.token, "Content-Length: 0", "Connection: close")
        reply = raw.exchange(gateway.port, data)
        if method == "HEAD":
            reply = re.sub(rb"(?i)content-length: \d+", b"Content-Length: 0", reply)
        (answer,) = raw.parse(reply)
        assert answer.status in (400, 405)


def test_pipelined_requests_are_answered_in_order(gateway: Gateway) -> None:
    """Runs too, each in its turn."""
    parts = [raw.compose("POST", "/code-interpreter/python", gateway.token, JSON, LENGTH, body=BODY) for _ in range(3)]
    parts.append(raw.compose("GET", "/nowhere", gateway.token))
    parts.append(raw.compose("GET", "/", gateway.token, "Connection: close"))
    answers = raw.parse(raw.exchange(gateway.port, b"".join(parts)))
    assert [answer.status for answer in answers] == [200, 200, 200, 404, 200]
    assert all(b'"output":"1\\n"' in answer.body for answer in answers[:3])


def test_http_1_0_works(gateway: Gateway) -> None:
    """One answer, then the end."""
    data = raw.compose("POST", "/code-interpreter/python", gateway.token, JSON, LENGTH, body=BODY)
    (answer,) = raw.parse(raw.exchange(gateway.port, data.replace(b"HTTP/1.1", b"HTTP/1.0")))
    assert answer.status == 200


def test_an_endless_chunked_body_ends(gateway: Gateway) -> None:
    """It is counted as it comes, and neither kept nor read for ever."""
    head = raw.compose("POST", "/code-interpreter/python", gateway.token, JSON, "Transfer-Encoding: chunked")
    chunk = b"10000\r\n" + b"x" * 65536 + b"\r\n"
    count = 0
    with socket.create_connection(("127.0.0.1", gateway.port), timeout=HANG_S) as connection:
        connection.sendall(head)
        with contextlib.suppress(ConnectionError):
            for _ in range(4000):
                connection.sendall(chunk)
                count += 1
    assert count < 2000


def test_two_thousand_silent_connections_keep_nobody_out(narrow: Gateway) -> None:
    """The gateway has room for few; everybody who asks is answered while they are all there."""
    with contextlib.ExitStack() as stack:
        for number in range(2000):
            connection = stack.enter_context(socket.create_connection(("127.0.0.1", narrow.port), timeout=HANG_S))
            if number % 3:
                connection.sendall(b"POST /code-interpreter/python HTTP/1.1\r\nX: "[: number % 40])
        for _ in range(10):
            assert narrow.run("print(3)")["output"] == "3\n"
        assert len(list(Path(f"/proc/{narrow.pid}/fd").iterdir())) < 400


# ---- fuzz ---------------------------------------------------------------------------------------------------------------

PIECES = [
    *(b"GET ", b"POST ", b"/code-interpreter/health", b"/code-interpreter/python", b"/", b" HTTP/1.1", b" HTTP/1.0"),
    *(b"\r\n", b"\n", b"\r", b": ", b":", b" ", b"\t", b"\0", b"\xff", b"\r\n\r\n", b"0\r\n\r\n", b"5\r\nhello\r\n"),
    *(b"Host: localhost", b"Host: evil.example", b"Content-Length: 5", b"Content-Length: 0", b"Content-Length: -1"),
    *(b"Transfer-Encoding: chunked", b"Transfer-Encoding: gzip", b"Expect: 100-continue", b"Connection: close"),
    *(b"Connection: keep-alive", b"Upgrade: websocket", b"Authorization: Bearer x", b"Authorization: Basic eA=="),
    *(b"Content-Type: application/json", b"Origin: null", b'{"code": "1"}', b"?token=x", b"?", b"%00", b"%", b"#", b"//"),
]
VALID = raw.compose("POST", "/code-interpreter/python", "no-token-at-all-but-long", JSON, LENGTH, body=BODY)
Edit = tuple[int, int, bytes]


@st.composite
def mutated(draw: st.DrawFn) -> bytes:
    """A good request (but for its token) with a few places changed."""
    data = bytearray(VALID * draw(st.integers(1, 2)))
    for _ in range(draw(st.integers(1, 6))):
        at = draw(st.integers(0, len(data)))
        cut = draw(st.sampled_from([0, 0, 1, 2, 5, 40]))
        data[at : at + cut] = draw(st.one_of(st.sampled_from(PIECES), st.binary(max_size=6)))
    return bytes(data)


composed = st.lists(st.one_of(st.sampled_from(PIECES), st.binary(max_size=8)), max_size=25).map(b"".join)


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.one_of(composed, mutated()), cut=st.floats(0, 1))
def test_whatever_bytes_come_every_answer_is_whole(gateway: Gateway, data: bytes, cut: float) -> None:
    """Sent in two packets and then no more: well-formed answers with all headers, or none, and nothing runs."""
    at = int(len(data) * cut)
    answers = raw.parse(raw.exchange(gateway.port, data[:at], data[at:], half_close=True))
    assert len(answers) <= data.count(b"HTTP/1.") + data.count(b"\r\n\r\n") + 1
    for answer in answers:
        assert answer.status in (200, 400, 401, 403, 404, 405, 408, 413, 415, 421, 429, 431)
        if answer.status == 200:
            assert b'"status":"healthy"' in answer.body, "only health is answered without a token"


def test_the_endpoints_of_the_table_are_all_there_are() -> None:
    """A new endpoint that is in no route would be missing above."""

    def leaves(kind: type) -> set[type]:
        below: list[type] = kind.__subclasses__()
        return {leaf for child in below for leaf in leaves(child)} if below else {kind}

    listed = {route.endpoint.__name__ for route in (*ROUTES, *SOCKETS)}
    ours = {kind.__name__ for kind in leaves(Endpoint) | leaves(Socket) if kind.__module__.startswith("gateway.")}
    assert ours - listed == {"Undiscoverable"}, "for what is at no address"
