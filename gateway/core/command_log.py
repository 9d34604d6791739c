"""What a command has written, in numbered pieces, in a bounded buffer for clients that read it later."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, replace
from typing import Final, Literal

from gateway.core.event_log import ENTRY_BYTES, Gap

OutputStream = Literal["stdout", "stderr"]
JOINED_BYTES: Final = 4096
"""Unread pieces of one stream are joined up to this size, so that thousands of tiny ones become few."""


@dataclass(frozen=True, slots=True)
class Piece:
    """Some bytes of one stream; *seq* numbers the pieces of both streams from 1."""

    seq: int
    stream: OutputStream
    data: bytes


class CommandLog:
    """Appends pieces and drops the oldest while all together exceed *limit_bytes*. The newest is kept."""

    def __init__(self, limit_bytes: int) -> None:
        self._limit_bytes = limit_bytes
        self._pieces: deque[Piece] = deque()
        self._read_seq = 0
        self.last_seq = 0
        """The number of the newest piece; 0 for none."""
        self.used_bytes = 0
        """About the memory of the pieces."""
        self.is_cut = False
        """Whether pieces were dropped."""

    def append(self, stream: OutputStream, data: bytes) -> None:
        """The command has written *data*."""
        if not self._join(stream, data):
            self.last_seq += 1
            self._pieces.append(Piece(self.last_seq, stream, data))
            self.used_bytes += ENTRY_BYTES + len(data)
        self.trim(self._limit_bytes)

    def dropped_by(self, size_bytes: int) -> int:
        """The number of the last piece that one more of this size would drop; 0 for none."""
        over = self.used_bytes + ENTRY_BYTES + size_bytes - self._limit_bytes
        dropped = 0
        for piece in self._pieces:
            if over <= 0:
                break
            dropped = piece.seq
            over -= ENTRY_BYTES + len(piece.data)
        return dropped

    def trim(self, limit_bytes: int) -> None:
        """Drop the oldest pieces until the others fit; the newest stays."""
        while self.used_bytes > limit_bytes and len(self._pieces) > 1:
            self.used_bytes -= ENTRY_BYTES + len(self._pieces.popleft().data)
            self.is_cut = True

    def next_after(self, seq: int) -> Piece | Gap | None:
        """The next piece for a reader that has everything up to *seq*; None if there is none yet."""
        if seq >= self.last_seq:
            return None
        first = self._pieces[0].seq
        if seq + 1 < first:
            return Gap(seq + 1, first - 1)
        piece = self._pieces[seq + 1 - first]
        self._read_seq = max(self._read_seq, piece.seq)
        return piece

    def output(self, stream: OutputStream) -> bytes:
        """All that is kept of one stream."""
        return b"".join(piece.data for piece in self._pieces if piece.stream == stream)

    def _join(self, stream: OutputStream, data: bytes) -> bool:
        last = self._pieces[-1] if self._pieces else None
        if last is None or last.stream != stream or last.seq <= self._read_seq:
            return False
        if len(last.data) + len(data) > JOINED_BYTES:
            return False
        self._pieces[-1] = replace(last, data=last.data + data)
        self.used_bytes += len(data)
        return True
