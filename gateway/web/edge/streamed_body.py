"""Endpoints whose bodies are too large for memory: uploads and downloads pass through in pieces."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable
from typing import Final

from tornado.iostream import StreamClosedError

from gateway.core.errors import GatewayError
from gateway.web.edge.endpoint import Endpoint, Reply
from gateway.web.edge.handler import SEND_BYTES_PER_S, SEND_S
from gateway.web.services import Answer

OCTETS: Final = "application/octet-stream"
PIECES_AHEAD: Final = 4
RECEIVE_BYTES_PER_S: Final = SEND_BYTES_PER_S


class BodyPipe:
    """A queue of a few pieces between the socket and the reader of the body."""

    def __init__(self) -> None:
        self._pieces: asyncio.Queue[bytes | GatewayError | None] = asyncio.Queue(PIECES_AHEAD)
        self._is_closed = False

    async def put(self, piece: bytes) -> None:
        """Add one piece, waiting for room. A closed pipe discards it."""
        if not self._is_closed:
            await self._pieces.put(piece)

    async def end(self) -> None:
        """Mark the end of the body."""
        if not self._is_closed:
            await self._pieces.put(None)

    def fail(self, error: GatewayError) -> None:
        """Raise *error* in the reader, instead of the rest."""
        self._drop()
        self._pieces.put_nowait(error)

    def close(self) -> None:
        """The reader has stopped reading."""
        self._is_closed = True
        self._drop()

    def _drop(self) -> None:
        while not self._pieces.empty():
            self._pieces.get_nowait()

    async def read(self) -> AsyncIterator[bytes]:
        """The pieces until the end of the body."""
        while (piece := await self._pieces.get()) is not None:
            if isinstance(piece, GatewayError):
                raise piece
            yield piece


class StreamedEndpoint(Endpoint):
    """An endpoint whose on_put() reads ``self.pipe`` while the body arrives, and whose on_get() may use send_pieces()."""

    pipe: BodyPipe | None = None
    _has_sent_all = False

    def prepare(self) -> None:
        super().prepare()
        if self.request.method == "PUT" and self._incoming.refusal is None and not self._finished:
            self.pipe = BodyPipe()
            self._began_at = asyncio.get_running_loop().time()
            self._work = asyncio.ensure_future(self._act())
            self._work.add_done_callback(self._taken)

    def _taken(self, work: asyncio.Task[Answer | Reply]) -> None:
        if self.pipe is not None:
            self.pipe.close()
        if not work.cancelled():
            work.exception()  # _respond() answers with it, unless the client has its answer already

    def _keep(self, chunk: bytes) -> Awaitable[None] | None:
        if self.pipe is None:
            return super()._keep(chunk)
        # A large body may take long, but has to arrive at this rate.
        due_at = self._began_at + self.services.settings.body_timeout_s + self._incoming.received_bytes / RECEIVE_BYTES_PER_S
        self._incoming.expect_within(max(0.0, due_at - asyncio.get_running_loop().time()), self._fail)
        return self.pipe.put(chunk)

    def _refuse(self, error: GatewayError) -> None:
        if self.pipe is not None:
            self.pipe.fail(error)
        super()._refuse(error)

    def _fail(self, error: GatewayError) -> None:
        if self.pipe is not None:
            self.pipe.fail(error)
        super()._fail(error)

    async def _respond(self, **parts: str) -> None:
        if self.pipe is not None and not self._finished and self._incoming.refusal is None:
            await self.pipe.end()
        await super()._respond(**parts)

    get = post = put = delete = head = options = patch = _respond

    async def send_pieces(self, pieces: AsyncIterator[bytes]) -> Reply:
        """Send the headers set so far and *pieces*. An error after that can only be shown by closing the connection.

        Without a Content-Length the answer is chunked, so the client sees whether it has all of it, too.
        """
        length = self._headers.get("Content-Length")
        left = 0 if length is None else int(length)
        try:
            await self._flush()
            if self.request.method != "HEAD":
                async for piece in pieces:
                    self.write(piece)
                    left -= len(piece)
                    self._has_sent_all = length is not None and left <= 0
                    await self._flush()
        except (GatewayError, TimeoutError, StreamClosedError):
            self._stream.close()
        return Reply(b"", OCTETS, self.get_status())

    def on_connection_close(self) -> None:
        # A client that has read everything may disconnect while the file is being closed: its download was complete.
        if not self._has_sent_all:
            super().on_connection_close()

    async def _flush(self) -> None:
        async with asyncio.timeout(SEND_S):
            await self.flush()
