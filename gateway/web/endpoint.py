"""The base of all endpoints: who may ask, how much, and one form for every answer and every error.

A subclass states the happy path of each method it has as ``async def on_get(self) -> Answer | Reply``; methods without one
answer 405. Everything is checked from the headers before the body is read, and a refused body is discarded, not kept.
"""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import Awaitable, Callable, Generator
from dataclasses import dataclass
from typing import Protocol

import structlog
from tornado.httputil import HTTPServerRequest
from tornado.iostream import IOStream, StreamClosedError
from tornado.web import stream_request_body

from gateway.core.errors import GatewayError, NotFound, RequestTimeout, TooLarge
from gateway.core.request import Caller
from gateway.log import bind_run
from gateway.web import answer, failure, guard
from gateway.web.failing import Failing
from gateway.web.failure import JSON_TYPE as JSON_TYPE
from gateway.web.failure import SECURITY_HEADERS as SECURITY_HEADERS
from gateway.web.services import Answer, Services
from gateway.web.unread import Unread

BODY_METHODS = ("POST", "PUT", "PATCH")
CLIENT_GONE = 499
SEND_S, SEND_BYTES_PER_S = 60.0, 65_536
"""How long a client may take to read its answer: a minute, and longer for more than 64 KiB."""
PIECE_BYTES = 262_144
"""A larger answer is handed on in such pieces, as the client takes them in."""
DRAIN_FACTOR = 4
"""How many times the body limit is read and thrown away so that the client gets to see its 413 before the end."""


@dataclass(frozen=True, slots=True)
class Reply:
    """An answer that is not JSON, or not 200."""

    body: bytes
    content_type: str = JSON_TYPE
    status: int = 200


@stream_request_body
class Endpoint(Failing):
    """One address of the API."""

    public = False
    """Whether it answers without a token."""
    takes_query_token = False
    """Whether the token may stand in the query string (``?token=``), as Jupyter's clients send it."""
    takes_body = True
    """Whether a POST has one. Clients differ in what they declare of an empty one, so then no Content-Type is asked for."""
    needs_body = True
    """Whether a POST without one is refused."""

    services: Services
    route: str
    caller: Caller
    run_id: str

    def initialize(self, services: Services, route: str) -> None:
        self.services = services
        self.route = route
        self._refusal: GatewayError | None = None
        self._body = bytearray()
        self._received = 0
        self._work: asyncio.Task[Answer | Reply] | None = None
        self._is_gone = False
        self._is_framed = False
        self._ends_connection = False
        self._body_timer: asyncio.TimerHandle | None = None
        self._stream: IOStream = self.request.connection.stream  # type: ignore[union-attr]  # HTTP/1 connections have one

    @property
    def parts(self) -> dict[str, str]:
        """What stands in the address for the ``{name}`` parts of the route, percent-decoded."""
        return {name: value for name, value in self.path_kwargs.items() if value is not None}

    def set_default_headers(self) -> None:
        self.run_id = getattr(self, "run_id", "") or uuid.uuid4().hex
        self.clear_header("Server")
        for name, value in SECURITY_HEADERS.items():
            self.set_header(name, value)
        self.set_header("X-Run-Id", self.run_id)
        origin = getattr(self, "_foreign_origin", None)
        if origin is not None:
            self.set_header("Access-Control-Allow-Origin", origin)
            self.set_header("Vary", "Origin")

    # ---- before the body ---------------------------------------------------------------------------------------------

    def prepare(self) -> None:
        self._stream.set_nodelay(True)
        try:
            self._check_form()
            self._admit()
        except GatewayError as error:
            self._refuse(error)
        if self.request.method in BODY_METHODS:
            self._start_timer(self.services.settings.body_timeout_s)

    def _check_form(self) -> None:
        """Raise if it can't be told for sure where this request ends, or its headers are too many."""
        headers = self.request.headers
        lengths, codings = headers.get_list("Content-Length"), headers.get_list("Transfer-Encoding")
        guard.check_framing(self.request.version, lengths, codings)
        self._is_framed = True
        guard.check_headers(sum(1 for _ in headers.get_all()))

    def _admit(self) -> None:
        """Raise the first reason not to read the body."""
        request, settings = self.request, self.services.settings
        hosts = request.headers.get_list("Host")
        guard.check_host(hosts, settings.allowed_hosts)
        self._foreign_origin = guard.check_origin(request.headers.get_list("Origin"), hosts[0], settings.allowed_origins)
        self.set_default_headers()
        if not self.takes_query_token:
            guard.check_query(request.query_arguments)
        if self._is_preflight():
            return
        if not self.public:
            self.caller = self.services.keys.admit(self._find_token(), request.remote_ip or "")
            self.settings["connections"].work(self._stream)
            if request.method != "DELETE":
                self._unread.check(self.caller.key_id)
        self._action()
        self._check_body_headers()

    def _find_token(self) -> str:
        """The token; raises Unauthorized."""
        return guard.bearer(self.request.headers.get_list("Authorization"))

    def _is_preflight(self) -> bool:
        """Whether a browser asks, for a page of an allowed origin, what it may send."""
        return (
            self.request.method == "OPTIONS"
            and self._foreign_origin is not None
            and "Access-Control-Request-Method" in self.request.headers
        )

    def _action(self) -> Callable[[], Awaitable[Answer | Reply]]:
        """What this endpoint does for the request's method; raises MethodNotAllowed."""
        method = "GET" if self.request.method == "HEAD" else self.request.method
        if method not in self.allowed_methods():
            raise failure.not_allowed(self.allowed_methods())
        action: Callable[[], Awaitable[Answer | Reply]] = getattr(self, f"on_{method.lower()}")
        return action

    @classmethod
    def allowed_methods(cls) -> list[str]:
        """The methods this endpoint has."""
        return [name for name in ("GET", "POST", "PUT", "PATCH", "DELETE") if hasattr(cls, f"on_{name.lower()}")]

    def _check_body_headers(self) -> None:
        headers = self.request.headers
        if guard.declared_bytes(headers.get_list("Content-Length")) > self._body_limit():
            raise self._too_large()
        if self.request.method in BODY_METHODS and self.takes_body:
            guard.check_encoding(headers.get("Content-Encoding"))
            if self.needs_body or guard.declares_body(headers):
                self._check_content()

    def _check_content(self) -> None:
        """Raise unless the body is declared as one this endpoint takes."""
        guard.check_json(self.request.headers.get("Content-Type"))

    def _body_limit(self) -> int:
        """The largest body this endpoint takes, in bytes."""
        return self.services.settings.body_bytes

    def _too_large(self) -> TooLarge:
        return TooLarge(f"The body is over the limit of {self._body_limit()} bytes.")

    def _refuse(self, error: GatewayError) -> None:
        """Answer *error*: at once when nothing is coming or too much, else after the body has been thrown away.

        A connection closed while the client still writes is reset, and the client sees that instead of the answer. One
        that sent ``Expect: 100-continue`` waits for our word, so it gets the answer at once.
        """
        self._refusal = error
        self._body.clear()
        headers = self.request.headers
        declared = guard.declared_bytes(headers.get_list("Content-Length"))
        is_waiting = not self._received and headers.get("Expect", "").lower() == "100-continue"
        if is_waiting or not self._is_framed or declared > self._drain_bytes():
            self._ends_connection = True
            raise error

    def _drain_bytes(self) -> int:
        return self._body_limit() * DRAIN_FACTOR

    # ---- the body, and after it --------------------------------------------------------------------------------------

    def data_received(self, chunk: bytes) -> Awaitable[None] | None:
        self._received += len(chunk)
        if self._received > self._drain_bytes():
            self._fail(self._too_large())
        elif self._refusal is None and self._received > self._body_limit():
            self._refuse(self._too_large())
        elif self._refusal is None:
            return self._keep(chunk)
        return None

    def _keep(self, chunk: bytes) -> Awaitable[None] | None:
        """Take the next piece of the body; no more is read before what is answered here is done."""
        self._body += chunk
        return None

    def _fail(self, error: GatewayError) -> None:
        """Answer *error* in the middle of a body; Tornado closes the connection after it."""
        error = self._refusal or error
        if not self._finished:
            self._ends_connection = True
            self._write_failure(error)

    @property
    def body(self) -> bytes:
        """The whole request body."""
        return bytes(self._body)

    async def _respond(self, **_parts: str) -> None:
        """Carry out the request; it is cancelled when the client goes away."""
        self._stop_timer()
        if self._finished:
            return
        if self._refusal is not None:
            raise self._refusal
        if self._is_preflight():
            self._write_preflight()
            return
        self._work = self._work or asyncio.ensure_future(self._act())
        try:
            done = await self._work
        except asyncio.CancelledError:
            if not self._is_gone:
                raise
            # Nobody reads it; the log and the counters do.
            self.set_status(CLIENT_GONE, "Client Closed Request")
            return
        reply = done if isinstance(done, Reply) else Reply(await in_turns(answer.documenting(done)))
        self._work = done = None  # type: ignore[assignment]  # what the answer was made of is not kept until it is read
        self.set_status(reply.status)
        self.set_header("Content-Type", reply.content_type)
        await self._send(reply.body)

    async def _send(self, body: bytes) -> None:
        """Answer; a client that does not read does not keep the answer in memory for ever."""
        try:
            async with asyncio.timeout(SEND_S + len(body) / SEND_BYTES_PER_S):
                if len(body) > PIECE_BYTES and self.request.method != "HEAD":
                    self.set_header("Content-Length", str(len(body)))
                    await self._flush_all(body)
                    body = b""
                await self.finish(body or None)
        except TimeoutError:
            self._stream.close()
        except StreamClosedError:
            self._is_gone = True

    async def write_piece(self, piece: bytes) -> None:
        """Send a part of an answer that comes bit by bit, and wait until the client has room for more."""
        try:
            async with asyncio.timeout(SEND_S + len(piece) / SEND_BYTES_PER_S):
                await self._flush_all(piece)
        except TimeoutError:
            self._stream.close()
        except StreamClosedError:
            self._is_gone = True

    async def _flush_all(self, data: bytes) -> None:
        """Send *data* bit by bit: Tornado copies what it is given, several times."""
        with self._unread.sending(self._key_id, data):
            for start in range(0, len(data), PIECE_BYTES):
                self.write(data[start : start + PIECE_BYTES])
                await self.flush()

    @property
    def _unread(self) -> Unread:
        unread: Unread = self.settings["unread"]
        return unread

    @property
    def _key_id(self) -> str:
        """Whose request it is; "" for one without a token."""
        return "" if self.public else self.caller.key_id

    async def _act(self) -> Answer | Reply:
        bind_run(self.run_id)
        return await self._action()()

    get = post = put = delete = head = options = patch = _respond

    def _start_timer(self, delay_s: float) -> None:
        """Give the rest of the body so long to arrive."""
        self._stop_timer()
        late = RequestTimeout("The body took too long to arrive.")
        self._body_timer = asyncio.get_running_loop().call_later(delay_s, self._fail, late)

    def _stop_timer(self) -> None:
        if self._body_timer is not None:
            self._body_timer.cancel()

    def on_finish(self) -> None:
        self._stop_timer()
        self.settings["connections"].wait(self._stream)

    def on_connection_close(self) -> None:
        self._is_gone = True
        self._stop_timer()
        if self._work is not None:
            self._work.cancel()
        super().on_connection_close()

    def _write_preflight(self) -> None:
        self.set_status(204)
        self.clear_header("Content-Type")
        self.set_header("Access-Control-Allow-Methods", ", ".join(self.allowed_methods()))
        self.set_header("Access-Control-Allow-Headers", "Authorization, Content-Type")
        self.set_header("Access-Control-Max-Age", "600")

    def compute_etag(self) -> None:
        """None: answers are not to be cached, so hashing them is for nothing."""


async def in_turns(steps: Generator[None, None, bytes]) -> bytes:
    """What *steps* come to; everybody else is served between them."""
    while True:
        try:
            next(steps)
        except StopIteration as end:
            body: bytes = end.value
            return body
        await asyncio.sleep(0)


class Unknown(Endpoint):
    """Answers for addresses that are not there, with the same checks as all others."""

    def _action(self) -> Callable[[], Awaitable[Answer | Reply]]:
        raise NotFound("There is nothing at this address.")


class Answering(Protocol):
    """A handler whose answers are logged: an Endpoint, or a Socket."""

    request: HTTPServerRequest
    services: Services
    route: str
    run_id: str

    def get_status(self) -> int:
        """The status of the answer."""


def log_request(handler: Answering) -> None:
    """One line and one count for each answer; no query, no body, no token."""
    request = handler.request
    handler.services.metrics.request_answered(handler.route, request.method, handler.get_status())
    structlog.get_logger("omega.web").info(
        "request",
        method=request.method,
        path=guard.shown_path(request.path),
        status=handler.get_status(),
        ms=round(request.request_time() * 1000, 1),
        run_id=handler.run_id,
    )
