"""Which reason a request is refused for when there are several: one order, for endpoints and WebSockets alike."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import orjson
import pytest
from tornado.httputil import HTTPHeaders, HTTPServerRequest, RequestStartLine

from gateway.core.errors import (
    BadRequest,
    Forbidden,
    GatewayError,
    HeadersTooLarge,
    Misdirected,
    TooLarge,
    TooManyRequests,
    Unauthorized,
)
from gateway.core.request import Caller
from gateway.web.edge.admission import AddressRules, RequestAdmission
from gateway.web.edge.connections import Connections
from gateway.web.edge.header_rules import MAX_HEADERS
from gateway.web.edge.unread import Unread
from gateway.web.services import WebSettings
from tests.gateway.web.world import TOKEN, Gateway

SETTINGS = WebSettings(allowed_origins=frozenset({"https://notebooks.example"}))
Headers = Sequence[tuple[str, str]]
FAULTS: Mapping[str, tuple[Headers, str, type[GatewayError]]] = {
    "framing": ([("Content-Length", "1"), ("Transfer-Encoding", "chunked")], "", BadRequest),
    "declared body": ([("Content-Length", "101")], "", TooLarge),
    "number of headers": ([("X", "y")] * MAX_HEADERS, "", HeadersTooLarge),
    "Host": ([("Host", "evil.example")], "", Misdirected),
    "Origin": ([("Origin", "https://evil.example")], "", Forbidden),
    "token in the query": ([], "?token=secret", BadRequest),
}
"""A fault of each kind, in the order they are looked for: headers, query, and the answer."""


class Line:
    """A connection."""

    is_closed = False

    def close(self) -> None:
        self.is_closed = True


@dataclass
class World:
    """What a request is admitted to."""

    known: Mapping[str, Caller] = field(default_factory=lambda: {TOKEN: Caller("k1", "one")})
    connections: Connections = field(default_factory=lambda: Connections(1))
    unread: Unread = field(default_factory=lambda: Unread(limit_bytes=0))
    asked: list[tuple[str, str]] = field(default_factory=list)

    def admit(self, token: str, address: str) -> Caller:
        self.asked.append((token, address))
        if token not in self.known:
            raise Unauthorized("The token is not valid.")
        return self.known[token]

    def admission(self, headers: Headers = (), query: str = "", method: str = "GET") -> RequestAdmission:
        """A request with the given *headers*, and a right Host unless there is another."""
        given = HTTPHeaders() if any(name == "Host" for name, _ in headers) else HTTPHeaders({"Host": "localhost"})
        for name, value in headers:
            given.add(name, value)
        request = HTTPServerRequest(start_line=RequestStartLine(method, f"/{query}", "HTTP/1.1"), headers=given)
        request.remote_ip = "192.0.2.1"
        return RequestAdmission(request, SETTINGS, self, self.connections, self.unread)


@pytest.mark.parametrize("first", FAULTS)
def test_the_first_fault_is_the_answer(first: str) -> None:
    """With all later ones beside it: what a client is told does not depend on what else is wrong."""
    names = list(FAULTS)
    kinds = [FAULTS[name] for name in names[names.index(first) :]]
    headers = [pair for part, _, _ in kinds for pair in part]
    if first == "framing":
        headers.remove(("Content-Length", "101"))  # two lengths would be another fault of framing
    query = "".join(part for _, part, _ in kinds)
    with pytest.raises(GatewayError) as caught:
        World().admission(headers, query).check(AddressRules(body_bytes=100))
    assert type(caught.value) is FAULTS[first][2]


def test_the_end_of_a_body_is_known_once_framing_is_checked() -> None:
    """Whatever is refused after that, the connection may serve the next request."""
    for name, (headers, query, _) in FAULTS.items():
        admission = World().admission(headers, query)
        with pytest.raises(GatewayError):
            admission.check(AddressRules(body_bytes=100))
        assert admission.is_framed is (name != "framing")


@pytest.mark.parametrize(
    ("headers", "declared", "may_have"),
    [
        ([], 0, False),
        ([("Content-Length", "0")], 0, False),
        ([("Content-Length", "5")], 5, True),
        ([("Content-Length", "x")], -1, True),
        ([("Transfer-Encoding", "chunked")], 0, True),
        ([("Transfer-Encoding", "")], 0, True),
    ],
)
def test_what_may_follow_the_headers(headers: Headers, declared: int, may_have: bool) -> None:
    """In doubt there is a body: a connection on which one may come is not used for a WebSocket."""
    admission = World().admission(headers)
    assert (admission.declared_bytes, admission.may_have_body) == (declared, may_have)


def test_a_body_is_bounded_here_only_where_the_address_asks_for_it() -> None:
    """An endpoint tells a wrong token before it tells the size."""
    headers = FAULTS["declared body"][0]
    World().admission(headers).check(AddressRules())
    World().admission(headers).check(AddressRules(body_bytes=101))


def test_only_an_allowed_foreign_origin_is_named() -> None:
    """Its pages are told that they may read; nobody else is."""
    for origin, named in (("https://notebooks.example", "https://notebooks.example"), ("http://localhost", None)):
        admission = World().admission([("Origin", origin)])
        admission.check(AddressRules())
        assert admission.foreign_origin == named


@pytest.mark.parametrize("site", ["cross-site", "same-site", "CROSS-SITE", ""])
def test_where_other_sites_are_refused_a_browser_without_origin_is_looked_at(site: str) -> None:
    """Elsewhere, and for a page whose Origin was let in, Sec-Fetch-Site does not count."""
    strict, sent = AddressRules(refuses_other_sites=True), ("Sec-Fetch-Site", site)
    with pytest.raises(Forbidden):
        World().admission([sent]).check(strict)
    World().admission([sent, ("Origin", "https://notebooks.example")]).check(strict)
    World().admission([sent]).check(AddressRules())
    for harmless in ("none", "same-origin"):
        World().admission([("Sec-Fetch-Site", harmless)]).check(strict)


def test_a_caller_keeps_its_connection() -> None:
    """One with a wrong token is the first to be closed for a newcomer."""
    world, line = World(), Line()
    world.connections.enter(line)
    with pytest.raises(Unauthorized):
        world.admission().admit("wrong", line)
    assert world.connections.states()["request"] == 0
    assert world.admission().admit(TOKEN, line) == Caller("k1", "one")
    assert world.connections.states()["request"] == 1
    assert not world.connections.enter(Line())
    assert not line.is_closed
    assert world.asked == [("wrong", "192.0.2.1"), (TOKEN, "192.0.2.1")]


def test_a_key_that_leaves_too_much_unread_may_only_delete() -> None:
    """What it deletes may be what keeps its clients waiting."""
    world = World()
    with world.unread.sending("k1", bytes(100_000)):
        for method in ("GET", "POST", "PUT"):
            with pytest.raises(TooManyRequests):
                world.admission(method=method).admit(TOKEN, Line())
        world.admission(method="DELETE").admit(TOKEN, Line())


@pytest.mark.parametrize(
    ("lines", "query"),
    [
        ([], ""),
        (["Authorization: Bearer wrong"], ""),
        (["Authorization: Basic " + TOKEN], ""),
        ([f"Authorization: Bearer {TOKEN}", f"Authorization: Bearer {TOKEN}"], ""),
        ([f"Authorization: Bearer {TOKEN}"], f"?token={TOKEN}"),
        ([f"Authorization: Bearer {TOKEN}", "Origin: https://evil.example"], ""),
        ([f"Authorization: Bearer {TOKEN}", "Origin: null"], ""),
        ([f"Authorization: Bearer {TOKEN}", "Host: localhost"], ""),
        ([f"Authorization: Bearer {TOKEN}", "Content-Length: x"], ""),
        ([f"Authorization: Bearer {TOKEN}", "Content-Length: 0", "Transfer-Encoding: chunked"], ""),
        ([f"Authorization: Bearer {TOKEN}", *["X: y"] * MAX_HEADERS], ""),
    ],
)
async def test_endpoints_and_websockets_refuse_alike(gateway: Gateway, lines: list[str], query: str) -> None:
    """One client, one mistake, one answer: whichever kind of address it asks."""
    answers = []
    for path in ("/code-interpreter/examples", "/code-interpreter/stream"):
        head = "\r\n".join([f"GET {path}{query} HTTP/1.1", "Host: localhost", "Connection: close", *lines])
        first, _, rest = (await gateway.raw(head.encode() + b"\r\n\r\n")).partition(b"\r\n")
        answers.append((first, orjson.loads(rest.partition(b"\r\n\r\n")[2])["error"]))
    assert answers[0] == answers[1]
    assert answers[0][0].startswith(b"HTTP/1.1 4")
