"""The connecting side of ZMTP 3.0 (23/ZMTP, rfc.zeromq.org/spec/23): bytes in, messages out, no I/O.

libzmq limits each frame but not a whole message. A peer that never finishes a message makes libzmq hold gigabytes, and the
application does not see it. Kernels are hostile, so the gateway reads their bytes itself, with limits on the whole message
and on the handshake. Names in comments are the sections of 23/ZMTP.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final

SIGNATURE: Final = b"\xff" + bytes(8) + b"\x7f"
MECHANISM: Final = b"NULL".ljust(20, b"\0")
GREETING: Final = SIGNATURE + bytes([3, 0]) + MECHANISM + bytes([0]) + bytes(31)
SUBSCRIBE_ALL: Final = [b"\x01"]
"""ZMTP 3.0 has no SUBSCRIBE command: a subscription is a message of 1 and the topic (29/PUBSUB)."""

FRAME_BYTES: Final = 64
"""What a frame counts beside its body, so that a message of endless empty frames reaches the limit too."""
MAX_FRAMES: Final = 4096
"""Frames in one message: four times as many as any reader of this gateway accepts."""
MAX_COMMAND_BYTES: Final = 1024
MAX_COMMANDS: Final = 1024
"""Commands in the life of a connection. ZMTP 3.0 needs one, READY; each further one only costs time."""
_MORE, _LONG, _COMMAND = 1, 2, 4
_SHORT_BYTES, _LONG_BYTES = 2, 9


class Violation(ValueError):  # the peer's fault, not ours
    """The peer breaks the protocol or a limit: the connection is to be closed."""


def encode_message(frames: Sequence[bytes]) -> bytes:
    """The bytes of a message of these frames."""
    last = len(frames) - 1
    return b"".join(_encode_frame(frame, _MORE if at < last else 0) for at, frame in enumerate(frames))


def encode_ready(socket_type: str, identity: bytes = b"") -> bytes:
    """The READY command of the NULL mechanism; without an *identity* the peer chooses one."""
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
    """A message is larger than the limit."""


class Reader:
    """Reads what the peer sends, in pieces of any size. It never holds more than one message of the allowed size."""

    def __init__(self, max_message_bytes: int) -> None:
        self._max_message_bytes = max_message_bytes
        self._buffer = bytearray()
        self._frames: list[bytes] = []
        self._held_bytes = 0
        self._commands = 0
        self.frames = 0
        """How many frames have come, commands included."""
        self.is_greeted = False
        """The peer's greeting has come: READY is to be sent."""
        self.is_ready = False
        """The peer's READY has come: messages may be sent."""

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
        """Free the unfinished message: the rest of it never comes."""
        self._buffer, self._frames, self._held_bytes = bytearray(), [], 0

    def _take_greeting(self) -> bool:
        """Whether the greeting is complete. A wrong one is refused at its first wrong byte."""
        # Formal Grammar: signature = %xFF padding %x7F. The padding MUST NOT be validated.
        seen = self._buffer[: len(GREETING)]
        if bytes(seen[:1]) != SIGNATURE[:1][: len(seen)] or (len(seen) > 9 and seen[9] != SIGNATURE[9]):
            raise Violation("not ZMTP")
        if len(seen) < len(GREETING):
            return False
        # Version Negotiation: higher versions are valid, and a peer that cannot downgrade MUST close the connection.
        # Authentication and Confidentiality: the mechanism has to match ours exactly.
        if seen[10] < 3 or bytes(seen[12:32]) != MECHANISM:
            raise Violation("not ZMTP 3 without security")
        del self._buffer[: len(GREETING)]
        self.is_greeted = True
        return True

    def _next_frame(self, at: int) -> tuple[int, int, int] | None:
        """Flags, start and end of the frame at *at*, once all of it is here; its size is checked before that."""
        # Framing: one octet of flags, then the size in one octet, or in eight with LONG.
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
        # Framing: bits 7-3 are reserved and MUST be zero; MORE SHALL be zero on command frames.
        if flags & ~(_MORE | _LONG | _COMMAND) or (flags & _COMMAND and flags & _MORE):
            raise Violation("reserved flags")
        if flags & _COMMAND:
            if size > MAX_COMMAND_BYTES:
                raise Violation("command too large")
        # Formal Grammar: connection = greeting handshake traffic, and messages belong to the traffic.
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
        """Take READY, which comes first; commands after it (such as PING of ZMTP 3.1) are ignored."""
        self._commands += 1
        if self._commands > MAX_COMMANDS:
            raise Violation("too many commands")
        # The NULL Security Mechanism: both peers SHALL send each other a READY command.
        if not self.is_ready:
            if not body.startswith(b"\x05READY"):
                raise Violation("not READY")
            self.is_ready = True
