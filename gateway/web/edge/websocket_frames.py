"""Tornado's WebSocket protocol with stricter rules: each violation gets a close code, and the client time to read it."""

from __future__ import annotations

import struct
import time
from asyncio import Future
from collections.abc import Sequence

from tornado.websocket import WebSocketProtocol13

from gateway.core.limits import Bucket, Rate
from gateway.web.edge.lingering import Farewells

GOING_AWAY = 1001
PROTOCOL_ERROR = 1002
NOT_UTF8 = 1007
POLICY = 1008
TOO_BIG = 1009
OUR_FAULT = 1011
"""Close codes of RFC 6455 section 7.4.1."""
SENDABLE = (range(1000, 1004), range(1007, 1015), range(3000, 5000))
"""Close codes that an endpoint may send: registered ones, those of libraries and of applications (section 7.4.2)."""

MAX_FRAGMENTS = 1024
"""Frames in one message; each costs far more than the bytes in it."""
CONTROL_FRAMES = Rate(per_minute=1200, burst=200)
"""Pings and pongs of one client."""
LARGE_BYTES = 16_384
"""A piece of a message of at least this size is not copied to join it with others."""
_FIN = 0x80
TEXT, BINARY, CLOSE, PING, PONG = 0x1, 0x2, 0x8, 0x9, 0xA


class Frames(WebSocketProtocol13):
    """The frames of one connection. It overrides private methods of Tornado, see tests/test_borrowed.py."""

    farewells: Farewells | None = None
    _fragments = 0
    _control = Bucket()

    async def _receive_frame(self) -> None:
        self._frame_mask = None
        await super()._receive_frame()
        self._check_mask()
        self._fragments = self._fragments + 1 if self._fragmented_message_buffer is not None else 0
        if self._fragments > MAX_FRAGMENTS:
            self._violate(TOO_BIG, f"more than {MAX_FRAGMENTS} frames in one message")

    def _check_mask(self) -> bool:
        """Whether the frame is masked, as every frame of a client must be (RFC 6455 section 5.1)."""
        if self._frame_mask is None and not self.client_terminated:
            self._violate(PROTOCOL_ERROR, "a frame that is not masked")
        return self._frame_mask is not None

    def _handle_message(self, opcode: int, data: bytes) -> Future[None] | None:
        if not self._check_mask():
            return None
        if self.server_terminated and opcode in (TEXT, BINARY):
            return None  # after the gateway's close frame no message is taken
        if opcode in (PING, PONG):
            self._control, wait_s = self._control.take(CONTROL_FRAMES, time.monotonic())
            if wait_s:
                self._violate(POLICY, "too many pings")
                return None
        if opcode == CLOSE and data and not _is_code(int.from_bytes(data[:2], "big")):
            self._violate(PROTOCOL_ERROR, "a close code that no client may send")
            return None
        try:
            (data if opcode == TEXT else data[2:] if opcode == CLOSE else b"").decode()
        except UnicodeDecodeError:
            self._violate(NOT_UTF8, "text that is not UTF-8")
            return None
        return super()._handle_message(opcode, data)

    def write_pieces(self, pieces: Sequence[bytes | memoryview], *, is_binary: bool) -> Future[None]:
        """Send one message that consists of *pieces*; large pieces are not copied while the client reads.

        The future is done when the operating system has taken all of it. Raises StreamClosedError.
        """
        first, *others = pieces
        head = _head(BINARY if is_binary else TEXT, sum(map(len, pieces)))
        if len(first) < LARGE_BYTES:
            written = self.stream.write(head + bytes(first))
        else:
            self.stream.write(head)
            written = self.stream.write(first)
        for piece in others:
            written = self.stream.write(piece)
        return written

    def close(self, code: int | None = None, reason: str | None = None) -> None:
        """Close. Tornado gives a reason without a code when a ping was not answered: that client is not waited for."""
        if code is None and reason is not None:
            self._violate(POLICY, reason)
        else:
            super().close(code, reason)

    def _violate(self, code: int, reason: str) -> None:
        self.close(code, reason)
        self._abort()

    def _abort(self) -> None:
        """End the connection now, after a close frame: Tornado calls this for violations without having sent one."""
        if self.stream is not None and not self.stream.closed():
            self.close(PROTOCOL_ERROR, "not a valid WebSocket frame")  # does nothing when a close frame was sent before
            if self.farewells is not None and not self.client_terminated:
                # A connection closed with bytes unread is reset, and the close frame lost.
                self.farewells.linger(self.stream.socket)
        super()._abort()


def _head(opcode: int, size_bytes: int) -> bytes:
    """The header of a server's frame with a whole message of *size_bytes* (RFC 6455 section 5.2)."""
    if size_bytes < 126:
        return struct.pack("!BB", _FIN | opcode, size_bytes)
    if size_bytes <= 0xFFFF:
        return struct.pack("!BBH", _FIN | opcode, 126, size_bytes)
    return struct.pack("!BBQ", _FIN | opcode, 127, size_bytes)


def _is_code(code: int) -> bool:
    """Whether a client may send *code* in a close frame. A single byte, read as a number, is no code either."""
    return any(code in codes for codes in SENDABLE)
