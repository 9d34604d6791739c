"""What a library has just written to a file or a buffer, read back."""

from __future__ import annotations

import contextlib
import io
import os
import stat

MAX_BYTES = 3 * 1024 * 1024
"""No more than this is read back."""
_FILES = (io.BufferedWriter, io.BufferedRandom)
_SIGNATURES = ((b"\x89PNG\r\n\x1a\n", "image/png"), (b"\xff\xd8\xff", "image/jpeg"), (b"GIF8", "image/gif"))


def position(target: object) -> int:
    """Where the next byte goes that is written to *target*; 0 where that is not known."""
    with contextlib.suppress(OSError, ValueError):
        if isinstance(target, io.BytesIO):
            return io.BytesIO.tell(target)
        if type(target) in _FILES:
            return int(target.tell())  # type: ignore[attr-defined]  # it is one of _FILES
    return 0


def read_back(target: object, start: int) -> bytes | None:
    """The bytes of *target* from *start* to its present end; None if there is no way to them, or there are too many."""
    with contextlib.suppress(OSError, ValueError):
        if isinstance(target, io.BytesIO):
            end = io.BytesIO.tell(target)
            return io.BytesIO.getvalue(target)[start:end] if 0 < end - start <= MAX_BYTES else None
        if type(target) in _FILES:
            target.flush()  # type: ignore[attr-defined]  # it is one of _FILES
            target = target.name  # type: ignore[attr-defined]  # as above
        if isinstance(target, str | bytes | os.PathLike):
            return _read(target, start)
    return None


def _read(path: str | bytes | os.PathLike[str], start: int) -> bytes | None:
    file = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    try:
        known = os.fstat(file)
        size = known.st_size - start
        return os.pread(file, size, start) if stat.S_ISREG(known.st_mode) and 0 < size <= MAX_BYTES else None
    finally:
        os.close(file)


def mime_of(data: bytes) -> str | None:
    """The MIME type of a picture that browsers show, by its first bytes."""
    if data[:4] == b"RIFF" and data[8:12] == b"WEBP":
        return "image/webp"
    return next((mime for signature, mime in _SIGNATURES if data.startswith(signature)), None)
