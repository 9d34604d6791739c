"""The base of all endpoints: each request is admitted, its body read, carried out and answered in one form.

A subclass has the happy path of each of its methods as ``async def on_get(self) -> Answer | Reply``; methods without one get
405. Everything is checked from the headers before the body is read. A refused body is discarded, not kept.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass

from tornado.iostream import StreamClosedError
from tornado.web import stream_request_body

from gateway.core.errors import GatewayError, NotFound
from gateway.log import bind_run
from gateway.steps import in_turns
from gateway.web.edge import failure, header_rules, json_answer
from gateway.web.edge.admission import AddressRules
from gateway.web.edge.failure import JSON_TYPE
from gateway.web.edge.handler import GatewayHandler, patience_s
from gateway.web.edge.incoming_body import IncomingBody
from gateway.web.services import Answer, Services

BODY_METHODS = ("POST", "PUT", "PATCH")
CLIENT_GONE = 499
EVENT_STREAM = "text/event-stream"
PIECE_BYTES = 262_144
"""A larger answer is sent in pieces of this size, at the client's pace."""


@dataclass(frozen=True, slots=True)
class Reply:
    """An answer that is not JSON, or not 200."""

    body: bytes
    content_type: str = JSON_TYPE
    status: int = 200


@stream_request_body
class Endpoint(GatewayHandler):
    """One address of the API."""

    takes_body = True
    """Whether the type of a POST's body is checked. Not where bodies are mostly empty: clients declare those differently."""
    needs_body = True
    """Whether a POST without a body is refused."""
    takes_gzip = False
    """Whether a body may be compressed. Only where it is unpacked far from the gateway, and within a bound."""

    def initialize(self, services: Services, route: str) -> None:
        super().initialize(services, route)
        self._incoming = IncomingBody(self._body_limit())
        self._work: asyncio.Task[Answer | Reply] | None = None
        self._is_gone = False

    # ---- before the body ---------------------------------------------------------------------------------------------

    def prepare(self) -> None:
        self._stream.set_nodelay(True)
        try:
            self._admit()
        except GatewayError as error:
            self._refuse(error)
        if self.request.method in BODY_METHODS:
            self._incoming.expect_within(self.services.settings.body_timeout_s, self._fail)

    def _admit(self) -> None:
        """Raise the first reason not to read the body."""
        try:
            self._admission.check(AddressRules(takes_query_token=self.takes_query_token))
        finally:
            self._foreign_origin = self._admission.foreign_origin
            self.set_default_headers()  # a refusal too can be read by a page of an allowed origin
        if self._is_preflight():
            return
        if not self.public:
            self.caller = self._find_caller()
        self._action()
        self._check_body_headers()

    def _is_preflight(self) -> bool:
        """Whether a browser asks, for a page of an allowed origin, what the page may send."""
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
        self._incoming.check_declared(self._admission.declared_bytes)
        if self.request.method in BODY_METHODS and self.takes_body:
            header_rules.check_encoding(headers.get("Content-Encoding"), takes_gzip=self.takes_gzip)
            if self.needs_body or header_rules.declares_body(headers):
                self._check_content()

    def _check_content(self) -> None:
        """Raise unless the body is declared as one this endpoint takes."""
        header_rules.check_json(self.request.headers.get("Content-Type"))

    def _body_limit(self) -> int:
        """The largest body this endpoint takes, in bytes."""
        return self.services.settings.body_bytes

    def _refuse(self, error: GatewayError) -> None:
        """Answer *error*: at once when no body is coming or too large a one, else once the body has been discarded.

        Closing a connection on which the client still writes resets it, and the client sees the reset instead of the
        answer. A client that sent ``Expect: 100-continue`` waits before it writes, so it is answered at once.
        """
        incoming = self._incoming
        incoming.refuse(error)
        is_waiting = not incoming.received_bytes and self.request.headers.get("Expect", "").lower() == "100-continue"
        if is_waiting or not self._admission.is_framed or self._admission.declared_bytes > incoming.drain_bytes:
            self._ends_connection = True
            raise error

    # ---- the body, and after it --------------------------------------------------------------------------------------

    def data_received(self, chunk: bytes) -> Awaitable[None] | None:
        incoming = self._incoming
        incoming.received_bytes += len(chunk)
        if incoming.is_over_drain:
            self._fail(incoming.too_large())
        elif incoming.refusal is None and incoming.is_over_limit:
            self._refuse(incoming.too_large())
        elif incoming.refusal is None:
            return self._keep(chunk)
        return None

    def _keep(self, chunk: bytes) -> Awaitable[None] | None:
        """Take the next piece of the body; Tornado reads no more until what is returned is done."""
        self._incoming.keep(chunk)
        return None

    def _fail(self, error: GatewayError) -> None:
        """Answer *error* in the middle of a body; Tornado closes the connection after it."""
        if not self._finished:
            self._ends_connection = True
            self._write_failure(self._incoming.refusal or error)

    @property
    def body(self) -> bytes:
        """The whole request body."""
        return self._incoming.data

    async def _respond(self, **_parts: str) -> None:
        """Carry out the request; it is cancelled when the client disconnects."""
        self._incoming.stop_waiting()
        if self._finished:
            return
        if self._incoming.refusal is not None:
            raise self._incoming.refusal
        if self._is_preflight():
            self._write_preflight()
            return
        self._work = self._work or asyncio.ensure_future(self._act())
        try:
            done = await self._work
        except asyncio.CancelledError:
            if not self._is_gone:
                raise
            # Only the log and the counters get this status.
            self.set_status(CLIENT_GONE, "Client Closed Request")
            return
        reply = done if isinstance(done, Reply) else Reply(await in_turns(json_answer.documenting(done)))
        self._work = done = None  # type: ignore[assignment]  # a slow client must not keep the result in memory too
        self.set_status(reply.status)
        self.set_header("Content-Type", reply.content_type)
        await self._send(reply.body)

    async def _send(self, body: bytes) -> None:
        """Answer with *body*."""
        async with self._sending(len(body)):
            if len(body) > PIECE_BYTES and self.request.method != "HEAD":
                self.set_header("Content-Length", str(len(body)))
                await self._flush_all(body)
                body = b""
            await self.finish(body or None)

    async def write_piece(self, piece: bytes) -> None:
        """Send the next part of a streamed answer, and wait until the client has room for more."""
        async with self._sending(len(piece)):
            await self._flush_all(piece)

    @asynccontextmanager
    async def _sending(self, size_bytes: int) -> AsyncIterator[None]:
        """Bound how long the client takes to read what the block sends: one that does not read is disconnected."""
        try:
            async with asyncio.timeout(patience_s(size_bytes)):
                yield
        except TimeoutError:
            self._stream.close()
        except StreamClosedError:
            self._is_gone = True

    async def _flush_all(self, data: bytes) -> None:
        """Send *data* in pieces: Tornado makes several copies of what it is given."""
        with self._unread.sending(self._key_id, data):
            for start in range(0, len(data), PIECE_BYTES):
                self.write(data[start : start + PIECE_BYTES])
                await self.flush()

    @property
    def _key_id(self) -> str:
        """The key of the caller; "" at an address that needs no token."""
        return "" if self.public else self.caller.key_id

    async def _act(self) -> Answer | Reply:
        bind_run(self.run_id)
        return await self._action()()

    get = post = put = delete = head = options = patch = _respond

    def on_finish(self) -> None:
        self._incoming.stop_waiting()
        self._connections.wait(self._stream)

    def on_connection_close(self) -> None:
        self._is_gone = True
        self._incoming.stop_waiting()
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
        """No ETag: answers are never cached."""


def begin_events(endpoint: Endpoint) -> None:
    """Make the answer one of server-sent events, each passed on at once."""
    endpoint.set_header("Content-Type", EVENT_STREAM)
    endpoint.set_header("X-Accel-Buffering", "no")  # nginx would buffer the events


class Unknown(Endpoint):
    """Answers for addresses that do not exist, after the same checks as all others."""

    def _action(self) -> Callable[[], Awaitable[Answer | Reply]]:
        raise NotFound("There is nothing at this address.")


class Undiscoverable(Unknown):
    """Answers clients that look for a way to sign in (RFC 8615): there is none, so they are not asked for a token."""

    public = True
