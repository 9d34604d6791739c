"""What endpoints and WebSockets share: their admission, the headers of all answers, and one form for every failure."""

from __future__ import annotations

import uuid
from types import TracebackType
from typing import Any

import structlog
from tornado.iostream import IOStream
from tornado.web import HTTPError, RequestHandler

from gateway.core.errors import GatewayError
from gateway.core.request import Caller
from gateway.web.edge import failure, header_rules
from gateway.web.edge.admission import RequestAdmission
from gateway.web.edge.connections import Connections
from gateway.web.edge.open_sockets import OpenSockets
from gateway.web.edge.unread import Unread
from gateway.web.services import Services

SEND_S, SEND_BYTES_PER_S = 60.0, 65_536
"""How long a client may take to read what it is sent: a minute, and a second more for each 64 KiB."""


class GatewayHandler(RequestHandler):
    """One request at one address."""

    public = False
    """Whether an endpoint answers without a token. A WebSocket always needs one."""
    has_own_token = False
    """Whether the address itself stands for a token, so that no other is needed."""
    takes_query_token = False
    """Whether the token may be in the query string (``?token=``), as Jupyter's clients send it."""

    services: Services
    route: str
    caller: Caller
    run_id = ""
    _foreign_origin: str | None = None
    _ends_connection = False

    def initialize(self, services: Services, route: str) -> None:
        self.services = services
        self.route = route
        self._stream: IOStream = self.request.connection.stream  # type: ignore[union-attr]  # HTTP/1 connections have one
        self._admission = RequestAdmission(self.request, services.settings, services.keys, self._connections, self._unread)

    @classmethod
    def allowed_methods(cls) -> list[str]:
        """The methods this address has."""
        raise NotImplementedError

    @property
    def parts(self) -> dict[str, str]:
        """The ``{name}`` parts of the route as they are in this address, percent-decoded."""
        return {name: value for name, value in self.path_kwargs.items() if value is not None}

    @property
    def origin(self) -> str:
        """Where the client found the gateway, for links; a proxy in between may say that it adds TLS."""
        is_secure = self.request.headers.get("X-Forwarded-Proto") == "https"
        return f"{'https' if is_secure else self.request.protocol}://{self.request.host}"

    @property
    def _connections(self) -> Connections:
        connections: Connections = self.settings["connections"]
        return connections

    @property
    def _sockets(self) -> OpenSockets:
        sockets: OpenSockets = self.settings["sockets"]
        return sockets

    @property
    def _unread(self) -> Unread:
        unread: Unread = self.settings["unread"]
        return unread

    def _find_token(self) -> str:
        """The token; raises Unauthorized."""
        return header_rules.bearer(self.request.headers.get_list("Authorization"))

    def _find_caller(self) -> Caller:
        """Whose request it is; raises the reason to refuse it."""
        return self._admission.admit(self._find_token(), self._stream)

    def set_default_headers(self) -> None:
        self.run_id = self.run_id or uuid.uuid4().hex
        self.clear_header("Server")
        for name, value in failure.SECURITY_HEADERS.items():
            self.set_header(name, value)
        self.set_header("X-Run-Id", self.run_id)
        if self._foreign_origin is not None:
            self.set_header("Access-Control-Allow-Origin", self._foreign_origin)
            self.set_header("Vary", "Origin")

    def write_error(self, status_code: int, **kwargs: Any) -> None:
        """Answer every failure in one form, whoever raised it; see failure.explain()."""
        exc_info = kwargs.get("exc_info")
        error = exc_info[1] if exc_info else None
        self._write_failure(failure.explain(status_code, error, self.run_id, self.allowed_methods()))
        _drop_frames(error)

    def _write_failure(self, error: GatewayError) -> None:
        self.set_status(error.status)
        for name, value in failure.headers_of(error, self.allowed_methods()).items():
            self.set_header(name, value)
        if self._ends_connection:
            self.set_header("Connection", "close")
        self.finish(self._failure_body(error))

    def _failure_body(self, error: GatewayError) -> bytes:
        """The body of a failure's answer."""
        return failure.body_of(error)

    def log_exception(self, typ: type[BaseException] | None, value: BaseException | None, tb: TracebackType | None) -> None:
        """Log a fault of the gateway with its stack and the run id. Expected failures are in the access log already."""
        if is_fault(value):
            structlog.get_logger("omega.web").error("request failed", run_id=self.run_id, exc_info=(typ, value, tb))


def patience_s(size_bytes: int) -> float:
    """How long a client may take to read *size_bytes*."""
    return SEND_S + size_bytes / SEND_BYTES_PER_S


def is_fault(error: BaseException | None) -> bool:
    """Whether *error* is a fault of the gateway, not an expected failure."""
    return error is not None and not isinstance(error, (GatewayError, HTTPError))


def log_request(handler: GatewayHandler) -> None:
    """Log and count one answer. Query, body and token are left out."""
    request = handler.request
    handler.services.metrics.request_answered(handler.route, request.method, handler.get_status())
    structlog.get_logger("omega.web").info(
        "request",
        method=request.method,
        path=header_rules.shown_path(request.path),
        status=handler.get_status(),
        ms=round(request.request_time() * 1000, 1),
        run_id=handler.run_id,
    )


def _drop_frames(error: BaseException | None) -> None:
    """Take the frames from *error*, which is logged by now: they hold the request and its body in a reference cycle."""
    while error is not None:
        error = error.with_traceback(None).__context__
