"""The base of all WebSockets: who may open one, decided before the upgrade as for every endpoint, and how it ends.

A client shows its token in the ``Authorization`` header. A browser, which can't set headers on a WebSocket, offers two
subprotocols instead: one that the socket speaks, and ``omega.token.<token>``, which is never chosen and so never echoed.

A subclass says what happens by `on_check` (before the upgrade), `on_start`, `on_message` (of Tornado) and `on_end`.
"""

from __future__ import annotations

import asyncio
import base64
import binascii
import uuid
from collections.abc import Sequence
from types import TracebackType
from typing import Any

from tornado.iostream import IOStream, StreamClosedError
from tornado.web import stream_request_body
from tornado.websocket import WebSocketHandler, WebSocketProtocol, _WebSocketParams

from gateway.core.errors import BadRequest, Forbidden, TooLarge, UpgradeRequired
from gateway.core.request import Caller
from gateway.log import bind_run
from gateway.web.edge import failure, header_rules
from gateway.web.edge.connections import Connections
from gateway.web.edge.handler import Failing, is_fault
from gateway.web.edge.open_sockets import OpenSockets
from gateway.web.edge.unread import Unread
from gateway.web.edge.websocket_frames import OUR_FAULT, Frames
from gateway.web.services import Services

TOKEN_PROTOCOL = "omega.token."
SEND_S, SEND_BYTES_PER_S = 60.0, 65_536
"""How long a client may take to take in one message: a minute, and longer for more than 64 KiB."""
MAX_REASON_BYTES = 120
KEY_BYTES = 16


@stream_request_body
class Socket(Failing, WebSocketHandler):
    """One address that speaks WebSocket."""

    public = False
    """Never: whether it answers without a token."""
    takes_query_token = False
    """Whether the token may stand in the query string (``?token=``), as Jupyter's clients send it."""
    protocols: tuple[str, ...] = ("omega.v1",)
    """The subprotocols it speaks, the best first; a client need not name any."""
    token_protocols: tuple[str, ...] = (TOKEN_PROTOCOL,)
    """How an offered subprotocol begins whose rest is the token."""

    services: Services
    route: str
    caller: Caller
    run_id: str

    def initialize(self, services: Services, route: str) -> None:
        self.services = services
        self.route = route
        self._token = ""
        self._ends_connection = False
        self._is_open = False
        self._stream: IOStream = self.request.connection.stream  # type: ignore[union-attr]  # HTTP/1 connections have one

    # ---- what a subclass says ----------------------------------------------------------------------------------------

    async def on_check(self) -> None:
        """Called before the upgrade, once the caller is known; a GatewayError raised here is the HTTP answer."""

    async def on_start(self) -> None:
        """Called once the connection stands; no message is taken in before it returns."""

    def on_end(self) -> None:
        """Called once when a connection that stood has ended, however it did."""

    @property
    def is_busy(self) -> bool:
        """Whether a run of this client is under way: the gateway lets it end before it closes the connection."""
        return False

    # ---- before the upgrade ------------------------------------------------------------------------------------------

    @property
    def parts(self) -> dict[str, str]:
        """What stands in the address for the ``{name}`` parts of the route, percent-decoded."""
        return {name: value for name, value in self.path_kwargs.items() if value is not None}

    @classmethod
    def allowed_methods(cls) -> list[str]:
        """A WebSocket begins with a GET."""
        return ["GET"]

    def set_default_headers(self) -> None:
        self.run_id = getattr(self, "run_id", "") or uuid.uuid4().hex
        self.clear_header("Server")
        for name, value in failure.SECURITY_HEADERS.items():
            self.set_header(name, value)
        self.set_header("X-Run-Id", self.run_id)

    def prepare(self) -> None:
        self._stream.set_nodelay(True)
        self._ends_connection = True  # until it is sure that no body follows
        headers = self.request.headers
        lengths, codings = headers.get_list("Content-Length"), headers.get_list("Transfer-Encoding")
        header_rules.check_framing(self.request.version, lengths, codings)
        if header_rules.declared_bytes(lengths) > self.services.settings.body_bytes:
            raise TooLarge(f"The body is over the limit of {self.services.settings.body_bytes} bytes.")
        self._ends_connection = bool(codings) or header_rules.declared_bytes(lengths) > 0
        header_rules.check_headers(sum(1 for _ in headers.get_all()))
        self._admit()
        if self.request.method != "GET":
            raise failure.not_allowed(self.allowed_methods())
        if self._ends_connection:
            raise BadRequest("The request that opens a WebSocket must not have a body.")
        self._check_upgrade()

    def _admit(self) -> None:
        """Raise the first reason not to let this client in; the same as for endpoints, in the same order."""
        request, settings = self.request, self.services.settings
        hosts, origins = request.headers.get_list("Host"), request.headers.get_list("Origin")
        header_rules.check_host(hosts, settings.allowed_hosts)
        header_rules.check_origin(origins, hosts[0], settings.allowed_origins)
        if not origins and request.headers.get("Sec-Fetch-Site", "none") not in ("none", "same-origin"):
            raise Forbidden("Requests from pages of other sites are not allowed; see allowed_origins.")
        if not self.takes_query_token:
            header_rules.check_query(request.query_arguments)
        self._token = self._find_token()
        self.admit()
        self.settings["connections"].work(self._stream)
        self._unread.check(self.caller.key_id)

    def _find_token(self) -> str:
        """The token, from the one place where there may be one; raises Unauthorized."""
        headers = self.request.headers.get_list("Authorization")
        if headers:
            return header_rules.bearer(headers)
        offered = self.request.headers.get("Sec-WebSocket-Protocol", "").split(",")
        for prefix in self.token_protocols:
            for name in map(str.strip, offered):
                if name.startswith(prefix):
                    return header_rules.bearer([f"Bearer {name.removeprefix(prefix)}"])
        if self.takes_query_token:
            for text in self.get_query_arguments("token")[:1]:
                return header_rules.bearer([f"Bearer {text}"])
        return header_rules.bearer([])

    def admit(self) -> None:
        """Count one more request of this caller; raises Unauthorized when the key is no more, or TooManyRequests."""
        self.caller = self.services.keys.admit(self._token, self.request.remote_ip or "")

    def _check_upgrade(self) -> None:
        headers = self.request.headers
        wants = {word.strip().lower() for word in headers.get("Connection", "").split(",")}
        if headers.get("Upgrade", "").lower() != "websocket" or "upgrade" not in wants:
            raise UpgradeRequired("This address is a WebSocket: connect to it with a WebSocket client.")
        if headers.get_list("Sec-WebSocket-Version") != ["13"]:
            raise UpgradeRequired("Only version 13 of WebSocket is supported.")
        if not _is_key(headers.get_list("Sec-WebSocket-Key")):
            raise BadRequest("Sec-WebSocket-Key must be 16 bytes in base64.")

    def data_received(self, chunk: bytes) -> None:
        """No body is taken: what comes of a refused one is dropped."""

    async def get(self, *args: Any, **kwargs: Any) -> None:
        bind_run(self.run_id)
        await self.on_check()
        await super().get(*args, **kwargs)

    def check_origin(self, origin: str) -> bool:
        """True: it was checked with the other headers."""
        return True

    def select_subprotocol(self, subprotocols: list[str]) -> str | None:
        return next((name for name in self.protocols if name in subprotocols), None)

    def get_websocket_protocol(self) -> WebSocketProtocol | None:
        settings = self.services.settings
        frames = Frames(self, False, _WebSocketParams(settings.ping_s, settings.ping_s, settings.body_bytes))
        frames.farewells = self.settings["farewells"]
        return frames

    # ---- while it stands ---------------------------------------------------------------------------------------------

    async def open(self, *_args: str, **_parts: str) -> None:
        """Called by Tornado after the upgrade."""
        self._is_open = True
        self.set_nodelay(True)  # Tornado takes it back when the HTTP request that opened the connection ends
        self._connections.upgrade(self._stream)
        self._sockets.enter(self)
        await self.on_start()

    @property
    def _connections(self) -> Connections:
        connections: Connections = self.settings["connections"]
        return connections

    @property
    def _unread(self) -> Unread:
        unread: Unread = self.settings["unread"]
        return unread

    @property
    def _sockets(self) -> OpenSockets:
        sockets: OpenSockets = self.settings["sockets"]
        return sockets

    @property
    def frames(self) -> Frames | None:
        """What messages are written to; None when nothing may follow any more."""
        frames = self.ws_connection
        return frames if isinstance(frames, Frames) and not frames.is_closing() else None

    async def send(self, message: str | bytes, *, binary: bool = False) -> bool:
        """Send and wait until the client has room for more; False when it is gone, or did not read for too long."""
        data = message.encode() if isinstance(message, str) else message
        del message  # a large one is not to be held twice for a client that does not read
        return await self.send_pieces((data,), binary=binary)

    async def send_pieces(self, pieces: Sequence[bytes | memoryview], *, binary: bool = False) -> bool:
        """The same for a message in pieces, of which large ones are not copied."""
        if self.frames is None:
            return False
        patience_s = SEND_S + sum(map(len, pieces)) / SEND_BYTES_PER_S
        try:
            written = self.frames.write_pieces(pieces, is_binary=binary)
            async with asyncio.timeout(patience_s):
                await written
        except TimeoutError:
            self._stream.close()
            return False
        except StreamClosedError:
            return False
        return True

    def end(self, code: int, reason: str) -> None:
        """Close with *code* and *reason*; what was sent before still arrives."""
        self.close(code, reason.encode()[:MAX_REASON_BYTES].decode("utf-8", "ignore"))

    def drop(self) -> None:
        """Cut the connection."""
        self._stream.close()

    def on_close(self) -> None:
        """Called by Tornado when the connection is gone."""
        if self._is_open:
            self._is_open = False
            self._connections.release(self._stream)
            self._sockets.leave(self)
            self.on_end()

    # ---- errors ------------------------------------------------------------------------------------------------------

    def on_finish(self) -> None:
        if self.get_status() != 101:
            self._connections.wait(self._stream)

    def log_exception(self, typ: type[BaseException] | None, value: BaseException | None, tb: TracebackType | None) -> None:
        """As for requests; Tornado ends the connection after a fault of ours."""
        super().log_exception(typ, value, tb)
        if self._is_open and is_fault(value):
            self.end(OUR_FAULT, f"internal error (run {self.run_id})")


def _is_key(values: list[str]) -> bool:
    try:
        return len(values) == 1 and len(base64.b64decode(values[0], validate=True)) == KEY_BYTES
    except (ValueError, binascii.Error):
        return False
