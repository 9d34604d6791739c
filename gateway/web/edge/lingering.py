"""The last answer on a connection whose client still sends: it is not lost to a reset, and waiting for it is bounded."""

from __future__ import annotations

import asyncio
import socket
from contextlib import suppress
from http import HTTPStatus

from gateway.core.errors import BadRequest, Busy, GatewayError, HeadersTooLarge
from gateway.web.edge import failure

LINGER_S = 1.0
LINGER_BYTES = 1024 * 1024
MAX_LINGERING = 64


class Farewells:
    """Connections that have sent their last answer, and only discard what still comes.

    TCP resets a connection that is closed with bytes unread, and the reset discards the answer before the client reads it.
    """

    def __init__(self) -> None:
        self._tasks: set[asyncio.Task[None]] = set()

    def linger(self, connection: socket.socket) -> None:
        """Discard what comes on *connection* for a moment, although the caller closes it; not when too many linger."""
        if len(self._tasks) >= MAX_LINGERING:
            return
        with suppress(OSError):  # the client has disconnected
            task = asyncio.get_running_loop().create_task(_read_on(connection.dup()))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def close(self) -> None:
        """End all of them."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)


async def _read_on(connection: socket.socket) -> None:
    loop, left = asyncio.get_running_loop(), LINGER_BYTES
    with connection, suppress(OSError, TimeoutError):
        connection.shutdown(socket.SHUT_WR)
        async with asyncio.timeout(LINGER_S):
            while left > 0 and (data := await loop.sock_recv(connection, 65536)):
                left -= len(data)


def compose(error: GatewayError) -> bytes:
    """A complete HTTP answer with *error*, as an endpoint would give it."""
    body = failure.body_of(error)
    headers = {
        **failure.headers_of(error, allowed=()),
        "Content-Length": str(len(body)),
        "Connection": "close",
        **failure.SECURITY_HEADERS,
    }
    lines = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
    return f"HTTP/1.1 {error.status} {HTTPStatus(error.status).phrase}\r\n{lines}\r\n".encode() + body


MALFORMED = compose(BadRequest("The request is not valid HTTP."))
FULL = compose(Busy("The server has too many open connections.", retry_after_s=1))


def headers_too_large(limit_bytes: int) -> bytes:
    """The answer to a client whose headers do not end."""
    return compose(HeadersTooLarge(f"The request line and headers are over the limit of {limit_bytes} bytes."))
