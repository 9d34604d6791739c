"""Last words: an answer to a client that is still sending, given so that it is read, and bounded so that it costs little."""

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
    """Connections that have their last answer and only read on.

    Closed while unread bytes are there, or come, a connection is reset, and a reset takes the answer away from the client.
    """

    def __init__(self) -> None:
        self._tasks: set[asyncio.Task[None]] = set()

    def linger(self, connection: socket.socket) -> None:
        """Read on from a duplicate of *connection*, which the caller closes now, for a moment; with too many of them not."""
        if len(self._tasks) >= MAX_LINGERING:
            return
        with suppress(OSError):  # the client is gone already
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
    """A whole HTTP answer with *error*, in the form and with the headers of all other errors."""
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
FULL = compose(Busy("The server has no room for more connections.", retry_after_s=1))


def headers_too_large(limit_bytes: int) -> bytes:
    """The answer to a client whose headers do not end."""
    return compose(HeadersTooLarge(f"The request line and headers are over the limit of {limit_bytes} bytes."))
