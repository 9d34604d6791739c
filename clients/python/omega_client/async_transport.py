"""HTTP on asyncio's streams, with the same interface as `transport`."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator, Awaitable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import TypeVar

from omega_client import http1
from omega_client.address import Address
from omega_client.errors import ConnectionFailed, TimedOut
from omega_client.wire import Head, Reply, Request, header_lines

PIECE_BYTES = 65536
T = TypeVar("T")


@dataclass(frozen=True)
class AsyncConnection:
    """A connection, of the event loop it was made in."""

    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter
    loop: asyncio.AbstractEventLoop

    def is_usable(self) -> bool:
        """Whether it can take a request: the server has not closed it, and its loop is the one that runs."""
        return self.loop is asyncio.get_running_loop() and not self.reader.at_eof() and not self.writer.is_closing()

    def close(self) -> None:
        """Close it, whatever is under way on it."""
        if not self.loop.is_closed():
            self.writer.transport.abort()


class AsyncTransport:
    """Sends requests to one server. Each has a connection to itself, and leaves it to the next."""

    def __init__(
        self,
        address: Address,
        headers: Mapping[str, str],
        *,
        connect_s: float,
        silence_s: float,
        tls: ssl.SSLContext | None = None,
    ) -> None:
        self._address = address
        self._headers = dict(headers)
        self._connect_s = connect_s
        self._silence_s = silence_s
        self._tls = tls or (ssl.create_default_context() if address.is_tls else None)
        self._idle: list[AsyncConnection] = []

    async def send(self, request: Request) -> Reply:
        """The whole reply. Raises ConnectionFailed."""
        async with self.open(request) as (head, pieces):
            whole = http1.Whole()
            async for piece in pieces:
                whole.add(piece)
            return Reply(head, whole.data())

    @asynccontextmanager
    async def open(self, request: Request) -> AsyncIterator[tuple[Head, AsyncIterator[bytes]]]:
        """The head of the reply, and its body as it comes. Whoever leaves before its end closes the connection."""
        silence_s = self._silence_s + request.work_s
        connection, head = await self._exchange(request, silence_s)
        is_kept = False
        try:
            frame = http1.framing(request.method, head)
            body = _AsyncBody(connection.reader, frame, silence_s)
            yield head, body.pieces()
            is_kept = body.is_whole and http1.stays_open(head, frame)
        finally:
            if is_kept:
                self._idle.append(connection)
            else:
                connection.close()

    def close(self) -> None:
        """Close the connections that nobody uses."""
        idle, self._idle = self._idle, []
        for connection in idle:
            connection.close()

    async def _exchange(self, request: Request, silence_s: float) -> tuple[AsyncConnection, Head]:
        """A connection, and the head of the reply on it. A kept one that turns out closed is tried once more."""
        kept = await self._take()
        if kept is not None:
            try:
                return kept, await self._ask(kept, request, silence_s)
            except TimedOut:
                raise
            except ConnectionFailed:
                if not request.is_repeatable:
                    raise
        fresh = await self._connect()
        return fresh, await self._ask(fresh, request, silence_s)

    async def _take(self) -> AsyncConnection | None:
        """A kept connection that the server has not closed; the loop needs two turns to hear of that."""
        if self._idle:
            await asyncio.sleep(0)
            await asyncio.sleep(0)
        while self._idle:
            connection = self._idle.pop()
            if connection.is_usable():
                return connection
            connection.close()
        return None

    async def _connect(self) -> AsyncConnection:
        address = self._address
        name = address.host if address.is_tls else None
        opening = asyncio.open_connection(address.host, address.port, ssl=self._tls, server_hostname=name)
        reader, writer = await _within(opening, self._connect_s, f"No connection to {address.host_header}")
        return AsyncConnection(reader, writer, asyncio.get_running_loop())

    async def _ask(self, connection: AsyncConnection, request: Request, silence_s: float) -> Head:
        try:
            self._write(connection, request)
            await _within(connection.writer.drain(), silence_s, "No answer")
            while True:
                data = await _within(connection.reader.readuntil(b"\r\n\r\n"), silence_s, "No answer")
                head = http1.read_head(data)
                if head.status >= 200:
                    return head
        except BaseException:
            connection.close()
            raise

    def _write(self, connection: AsyncConnection, request: Request) -> None:
        headers = header_lines(request, {"Host": self._address.host_header, **self._headers})
        connection.writer.write(http1.write(request, self._address.prefix, headers))


class _AsyncBody:
    """The body of a reply as it comes; *is_whole* once its end was read."""

    def __init__(self, reader: asyncio.StreamReader, frame: http1.Framing, silence_s: float) -> None:
        self._reader = reader
        self._frame = frame
        self._silence_s = silence_s
        self.is_whole = frame.length == 0

    async def pieces(self) -> AsyncIterator[bytes]:
        """What is there, not a certain number of bytes. Raises ConnectionFailed."""
        if self._frame.is_chunked:
            while size := http1.chunk_size(await self._read(self._reader.readline())):
                async for piece in self._exactly(size):
                    yield piece
                await self._read(self._reader.readexactly(2))
            while (await self._read(self._reader.readline())).strip():
                pass
        elif self._frame.length is not None:
            async for piece in self._exactly(self._frame.length):
                yield piece
        else:
            while piece := await self._read(self._reader.read(PIECE_BYTES)):
                yield piece
        self.is_whole = True

    async def _exactly(self, size: int) -> AsyncIterator[bytes]:
        while size:
            piece = await self._read(self._reader.read(min(size, PIECE_BYTES)))
            if not piece:
                raise ConnectionFailed("The answer broke off")
            size -= len(piece)
            yield piece

    async def _read(self, reading: Awaitable[T]) -> T:
        return await _within(reading, self._silence_s, "The answer broke off")


async def _within(doing: Awaitable[T], seconds: float, what: str) -> T:
    """What *doing* gives. Raises ConnectionFailed."""
    try:
        return await asyncio.wait_for(doing, seconds)
    except (asyncio.TimeoutError, TimeoutError):
        raise TimedOut(f"{what}: timed out") from None
    except (OSError, EOFError, asyncio.LimitOverrunError, ValueError) as error:
        raise ConnectionFailed(f"{what}: {error or type(error).__name__}") from error
