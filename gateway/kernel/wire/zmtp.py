"""The connecting side of ZMTP 3.0 (rfc.zeromq.org/spec/23), as bytes in and messages out; no I/O.

libzmq bounds each frame but not a message: a peer that never finishes one makes it hold gigabytes, unseen by the
application. Kernels are hostile, so what they send is read here, where messages as a whole and the handshake are limited.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final

SIGNATURE: Final = b"\xff" + bytes(8) + b"\x7f"
MECHANISM: Final = b"NULL".ljust(20, b"\0")
GREETING: Final = SIGNATURE + bytes([3, 0]) + MECHANISM + bytes([0]) + bytes(31)
SUBSCRIBE_ALL: Final = [b"\x01"]
"""In ZMTP 3.0 a subscription is a message: 1, then the topic."""

FRAME_BYTES: Final = 64
"""What a frame costs beside its body, so that empty ones without end reach the limit too."""
MAX_FRAMES: Final = 4096
"""In one message: four times as many as anybody reads."""
MAX_COMMAND_BYTES: Final = 1024
MAX_COMMANDS: Final = 1024
"""In the life of a connection. ZMTP 3.0 has one, READY; each more costs time and asks for nothing."""
_MORE, _LONG, _COMMAND = 1, 2, 4
_SHORT_BYTES, _LONG_BYTES = 2, 9


class Violation(ValueError):  # it is the peer's
    """The peer does not keep to the protocol, or not to the limits: the connection is to be dropped."""


def encode_message(frames: Sequence[bytes]) -> bytes:
    """A message of these frames as it travels."""
    last = len(frames) - 1
    return b"".join(_encode_frame(frame, _MORE if at < last else 0) for at, frame in enumerate(frames))


def encode_ready(socket_type: str, identity: bytes = b"") -> bytes:
    """The READY command of the NULL mechanism; without an *identity* the other side chooses one."""
    kind = socket_type.encode()
    body = b"\x05READY" + _property(b"Socket-Type", kind) + _property(b"Identity", identity)
    return _encode_frame(body, _COMMAND)


def _property(name: bytes, value: bytes) -> bytes:
    return bytes([len(name)]) + name + len(value).to_bytes(4, "big") + value


def _encode_frame(body: bytes, flags: int) -> bytes:
    if len(body) > 255:
        return bytes([flags | _LONG]) + len(body).to_bytes(8, "big") + body
    return bytes([flags, len(body)]) + body


class MessageTooLarge(Violation):
    """More than one message may be."""


class Reader:
    """Takes what the peer sends, in pieces of any size. Holds never more than one message of the allowed size."""

    def __init__(self, max_message_bytes: int) -> None:
        self._max_message_bytes = max_message_bytes
        self._buffer = bytearray()
        self._frames: list[bytes] = []
        self._held_bytes = 0
        self._commands = 0
        self.frames = 0
        """How many frames have come, commands included."""
        self.is_greeted = False
        """The peer's greeting has come: it is to be sent READY."""
        self.is_ready = False
        """The peer's READY has come: it may be sent messages."""

    def feed(self, data: bytes | memoryview) -> Iterator[list[bytes]]:
        """The messages that *data* completes; raises Violation, after the messages before it."""
        self._buffer += data
        if not self.is_greeted and not self._take_greeting():
            return
        at = 0
        try:
            while (step := self._next_frame(at)) is not None:
                flags, start, at = step
                if (message := self._take_frame(flags, start, at)) is not None:
                    yield message
        finally:
            del self._buffer[:at]

    def drop(self) -> None:
        """Let go of what has come of an unfinished message: nothing follows."""
        self._buffer, self._frames, self._held_bytes = bytearray(), [], 0

    def _take_greeting(self) -> bool:
        """Whether the greeting is complete; what is wrong is refused as soon as it can be seen."""
        seen = self._buffer[: len(GREETING)]
        if bytes(seen[:1]) != SIGNATURE[:1][: len(seen)] or (len(seen) > 9 and seen[9] != SIGNATURE[9]):
            raise Violation("not ZMTP")
        if len(seen) < len(GREETING):
            return False
        if seen[10] < 3 or bytes(seen[12:32]) != MECHANISM:
            raise Violation("not ZMTP 3 without security")
        del self._buffer[: len(GREETING)]
        self.is_greeted = True
        return True

    def _next_frame(self, at: int) -> tuple[int, int, int] | None:
        """Flags, start and end of the frame at *at*, once all of it is here; its size is judged before that."""
        left = len(self._buffer) - at
        if left < _SHORT_BYTES:
            return None
        flags = self._buffer[at]
        head = _LONG_BYTES if flags & _LONG else _SHORT_BYTES
        if left < head:
            return None
        start = at + head
        size = int.from_bytes(self._buffer[at + 1 : start], "big")
        self._check(flags, size)
        return (flags, start, start + size) if left >= head + size else None

    def _check(self, flags: int, size: int) -> None:
        if flags & ~(_MORE | _LONG | _COMMAND) or (flags & _COMMAND and flags & _MORE):
            raise Violation("reserved flags")
        if flags & _COMMAND:
            if size > MAX_COMMAND_BYTES:
                raise Violation("command too large")
        elif not self.is_ready:
            raise Violation("message before READY")
        elif len(self._frames) == MAX_FRAMES or self._held_bytes + size + FRAME_BYTES > self._max_message_bytes:
            raise MessageTooLarge("message too large")

    def _take_frame(self, flags: int, start: int, end: int) -> list[bytes] | None:
        """The message this frame completes, if it does."""
        self.frames += 1
        with memoryview(self._buffer) as view:
            body = bytes(view[start:end])
        if flags & _COMMAND:
            self._take_command(body)
            return None
        self._frames.append(body)
        self._held_bytes += len(body) + FRAME_BYTES
        if flags & _MORE:
            return None
        message, self._frames, self._held_bytes = self._frames, [], 0
        return message

    def _take_command(self, body: bytes) -> None:
        """READY first and once; later commands (heartbeats) ask for nothing that matters here."""
        self._commands += 1
        if self._commands > MAX_COMMANDS:
            raise Violation("too many commands")
        if not self.is_ready:
            if not body.startswith(b"\x05READY"):
                raise Violation("not READY")
            self.is_ready = True
