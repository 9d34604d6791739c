"""The HTTP server: limits and refusals before an endpoint exists, by the gateway's rules instead of Tornado's."""

from __future__ import annotations

import re
import socket
from asyncio import Future
from contextlib import suppress
from typing import Any, cast

from tornado.http1connection import HTTP1ServerConnection
from tornado.httpserver import HTTPServer
from tornado.httputil import HTTPConnection, HTTPInputError, HTTPMessageDelegate
from tornado.iostream import IOStream, UnsatisfiableReadError
from tornado.web import Application

from gateway.web.edge.connections import Connections
from gateway.web.edge.lingering import FULL, MALFORMED, Farewells, headers_too_large
from gateway.web.edge.open_sockets import OpenSockets
from gateway.web.edge.unread import Unread
from gateway.web.services import WebSettings

UNLIMITED = 2**62
"""Endpoints bound bodies themselves: Tornado's own limit ends the connection without an answer."""
BACKSTOP = 2
"""How many times the endpoints' own time Tornado waits for a body: they answer 408 before it ends the connection."""
TCP_NOTSENT_LOWAT = 25
"""From <linux/tcp.h>; Python has no name for it."""
UNSENT_BYTES = 131_072
"""How many unsent bytes Linux buffers for one connection. Its default is megabytes, also for a client that does not read."""
TORNADO_REFUSAL = b"HTTP/1.1 400 Bad Request\r\n\r\n"
_BARE_LF = re.compile(rb"(?<!\r)\n")


def make_server(application: Application, settings: WebSettings) -> Server:
    """A server for *application* that does not listen yet, with limits on headers, connections and slow clients."""
    server = Server(
        application,
        max_header_size=settings.header_bytes,
        idle_connection_timeout=settings.header_timeout_s,
        body_timeout=settings.body_timeout_s * BACKSTOP,
        max_body_size=UNLIMITED,
        decompress_request=False,
    )
    server.bound(settings)
    application.settings["connections"] = server.open_connections
    application.settings["sockets"] = server.open_sockets
    application.settings["farewells"] = server.farewells
    application.settings["unread"] = Unread()
    return server


class Server(HTTPServer):
    """An HTTPServer that bounds its connections, and answers malformed HTTP in the form of all other errors."""

    def bound(self, settings: WebSettings) -> None:
        """Set the limits that Tornado's server does not have."""
        self.open_connections = Connections(settings.max_connections)
        self.open_sockets = OpenSockets()
        self.farewells = Farewells()
        self._too_large = headers_too_large(settings.header_bytes)

    def handle_stream(self, stream: IOStream, address: tuple[Any, ...]) -> None:
        """Serve one connection, with TCP_NODELAY so that small writes are sent at once."""
        stream.set_nodelay(True)
        stream.socket.setsockopt(socket.IPPROTO_TCP, TCP_NOTSENT_LOWAT, UNSENT_BYTES)
        door = Door(stream, self.farewells, self._too_large)
        if self.open_connections.enter(stream):
            super().handle_stream(stream, address)
        else:
            door.end_with(FULL)

    def start_request(self, server_conn: object, request_conn: HTTPConnection) -> HTTPMessageDelegate:
        """Called by Tornado when a connection begins to wait for its first or next request."""
        self.open_connections.wait(cast(HTTP1ServerConnection, server_conn).stream)
        return super().start_request(server_conn, request_conn)

    def on_close(self, server_conn: object) -> None:
        """Called by Tornado when a connection has ended."""
        self.open_connections.leave(cast(HTTP1ServerConnection, server_conn).stream)
        super().on_close(server_conn)

    async def close_all_connections(self) -> None:
        """Close every connection, including WebSockets and those that linger."""
        await super().close_all_connections()
        self.open_sockets.drop()
        await self.farewells.close()


class Door:
    """Wraps one stream to replace Tornado's refusals, for which Tornado has no hook, by the gateway's own answers."""

    def __init__(self, stream: IOStream, farewells: Farewells, too_large: bytes) -> None:
        self._stream = stream
        self._farewells = farewells
        self._too_large = too_large
        self._reads_head = False
        self._is_last = False
        self._read, self._send, self._close = stream.read_until_regex, stream.write, stream.close
        stream.read_until_regex = self._read_head  # type: ignore[method-assign]  # see above
        stream.write = self._write  # type: ignore[method-assign]  # see above
        stream.close = self._end  # type: ignore[method-assign]  # see above

    def end_with(self, answer: bytes) -> None:
        """Send *answer* and close the connection."""
        self._is_last = True
        with suppress(OSError):  # so little always fits, unless the client has disconnected
            self._stream.socket.send(answer)
        self._stream.close()

    def _read_head(self, regex: bytes, max_bytes: int | None = None) -> Future[bytes]:
        """Tornado reads the request line and the headers with this method, and nothing else."""
        self._reads_head = True
        checked: Future[bytes] = Future()
        self._read(regex, max_bytes=max_bytes).add_done_callback(lambda done: self._check_head(done, checked))  # type: ignore[attr-defined]  # it is a Future
        return checked

    def _check_head(self, done: Future[bytes], checked: Future[bytes]) -> None:
        if checked.done():
            return
        error = done.exception()
        if error is not None:
            checked.set_exception(error)
        elif _BARE_LF.search(done.result()):
            # A proxy may see one line where Tornado sees two: a request could be smuggled.
            checked.set_exception(HTTPInputError("LF without CR"))
        else:
            self._reads_head = False
            checked.set_result(done.result())

    def _write(self, data: Any) -> Any:
        if data != TORNADO_REFUSAL:
            return self._send(data)
        # Tornado writes this constant for a request it can't parse.
        self._is_last = True
        return self._send(MALFORMED)

    def _end(self, exc_info: Any = False) -> None:  # noqa: FBT002  # as Tornado calls it
        if isinstance(exc_info, UnsatisfiableReadError) and not self._stream.closed() and not self._is_last:
            # More bytes than the limit came without the end of the headers, or of a chunk's length.
            self._is_last = True
            with suppress(OSError):
                self._stream.socket.send(self._too_large if self._reads_head else MALFORMED)
        if self._is_last and not self._stream.closed():
            self._farewells.linger(self._stream.socket)
        self._close(exc_info)
