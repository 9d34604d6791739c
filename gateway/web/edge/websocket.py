"""The base of all WebSockets: a client is admitted before the upgrade, as at every endpoint.

A client sends its token in the ``Authorization`` header. A browser can't set headers on a WebSocket. It offers two
subprotocols instead: one that the socket speaks, and ``omega.token.<token>``, which is never chosen and so never echoed.

A subclass overrides `on_check` (before the upgrade), `on_start`, Tornado's `on_message`, and `on_end`.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from types import TracebackType
from typing import Any

from tornado.iostream import StreamClosedError
from tornado.web import stream_request_body
from tornado.websocket import WebSocketHandler, WebSocketProtocol, _WebSocketParams

from gateway.core.errors import BadRequest
from gateway.log import bind_run
from gateway.web.edge import failure, header_rules
from gateway.web.edge.admission import AddressRules
from gateway.web.edge.handler import GatewayHandler, is_fault, patience_s
from gateway.web.edge.websocket_frames import OUR_FAULT, Frames
from gateway.web.services import Services

TOKEN_PROTOCOL = "omega.token."
MAX_REASON_BYTES = 120


@stream_request_body
class Socket(GatewayHandler, WebSocketHandler):
    """One WebSocket address."""

    protocols: tuple[str, ...] = ("omega.v1",)
    """The subprotocols it speaks, the preferred one first. A client need not offer any."""
    token_protocols: tuple[str, ...] = (TOKEN_PROTOCOL,)
    """The prefixes of offered subprotocols that carry a token."""

    def initialize(self, services: Services, route: str) -> None:
        super().initialize(services, route)
        self._token = ""
        self._is_open = False

    # ---- for subclasses ----------------------------------------------------------------------------------------------

    async def on_check(self) -> None:
        """Called before the upgrade, once the caller is known. A GatewayError raised here is the HTTP answer."""

    async def on_start(self) -> None:
        """Called after the upgrade. No message is read before it returns."""

    def on_end(self) -> None:
        """Called once when an upgraded connection has ended, for whatever reason."""

    @property
    def is_busy(self) -> bool:
        """Whether a run of this client is under way. A gateway that shuts down waits for it before it closes the socket."""
        return False

    # ---- before the upgrade ------------------------------------------------------------------------------------------

    @classmethod
    def allowed_methods(cls) -> list[str]:
        """A WebSocket begins with a GET."""
        return ["GET"]

    def prepare(self) -> None:
        self._stream.set_nodelay(True)
        self._ends_connection = self._admission.may_have_body
        self._admission.check(
            AddressRules(
                takes_query_token=self.takes_query_token,
                refuses_other_sites=True,
                body_bytes=self.services.settings.body_bytes,
            )
        )
        self._token = self._find_token()
        self.caller = self._admission.admit(self._token, self._stream)
        if self.request.method != "GET":
            raise failure.not_allowed(self.allowed_methods())
        if self._admission.may_have_body:
            raise BadRequest("The request that opens a WebSocket must not have a body.")
        header_rules.check_upgrade(self.request.headers)

    def _find_token(self) -> str:
        """The token, from the header, an offered subprotocol or the query; raises Unauthorized."""
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
        """Count one more request of this caller; raises Unauthorized when its key was revoked, or TooManyRequests."""
        self.caller = self.services.keys.admit(self._token, self.request.remote_ip or "")

    def data_received(self, chunk: bytes) -> None:
        """Discard the body of a refused request."""

    async def get(self, *args: Any, **kwargs: Any) -> None:
        bind_run(self.run_id)
        await self.on_check()
        await super().get(*args, **kwargs)

    def check_origin(self, origin: str) -> bool:
        """Always True: admission has checked it."""
        return True

    def select_subprotocol(self, subprotocols: list[str]) -> str | None:
        return next((name for name in self.protocols if name in subprotocols), None)

    def get_websocket_protocol(self) -> WebSocketProtocol | None:
        settings = self.services.settings
        frames = Frames(self, False, _WebSocketParams(settings.ping_s, settings.ping_s, settings.body_bytes))
        frames.farewells = self.settings["farewells"]
        return frames

    # ---- after the upgrade -------------------------------------------------------------------------------------------

    async def open(self, *_args: str, **_parts: str) -> None:
        """Called by Tornado after the upgrade."""
        self._is_open = True
        self.set_nodelay(True)  # Tornado turns it off when the HTTP request that opened the connection ends
        self._connections.upgrade(self._stream)
        self._sockets.enter(self)
        await self.on_start()

    @property
    def frames(self) -> Frames | None:
        """Where messages are written; None once the connection is closing."""
        frames = self.ws_connection
        return frames if isinstance(frames, Frames) and not frames.is_closing() else None

    async def send(self, message: str | bytes, *, binary: bool = False) -> bool:
        """Send *message*, waiting until the client has room. False when it has disconnected or takes too long."""
        data = message.encode() if isinstance(message, str) else message
        del message  # a client that does not read must not keep a large message in memory twice
        return await self.send_pieces((data,), binary=binary)

    async def send_pieces(self, pieces: Sequence[bytes | memoryview], *, binary: bool = False) -> bool:
        """Send one message in pieces, as `send` does; large pieces are not copied."""
        if self.frames is None:
            return False
        try:
            written = self.frames.write_pieces(pieces, is_binary=binary)
            async with asyncio.timeout(patience_s(sum(map(len, pieces)))):
                await written
        except TimeoutError:
            self._stream.close()
            return False
        except StreamClosedError:
            return False
        return True

    def end(self, code: int, reason: str) -> None:
        """Close with *code* and *reason*. What was sent before still arrives."""
        self.close(code, reason.encode()[:MAX_REASON_BYTES].decode("utf-8", "ignore"))

    def drop(self) -> None:
        """Close the connection without a close frame."""
        self._stream.close()

    def on_close(self) -> None:
        """Called by Tornado when the connection has ended."""
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
        """Log as for requests, and close with the run id after a fault of the gateway."""
        super().log_exception(typ, value, tb)
        if self._is_open and is_fault(value):
            self.end(OUR_FAULT, f"internal error (run {self.run_id})")
