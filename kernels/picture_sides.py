"""How large a PNG or a JPEG says that it is: of its beginning alone, and no picture is opened. Pure."""

from __future__ import annotations

import struct
from typing import Final

MAX_SEGMENTS: Final = 1000
"""Segments of a JPEG that are walked through before its frame: usual are ten, and some dozens with a colour profile."""
_PNG: Final = b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR"
_JPEG: Final = b"\xff\xd8"
_FRAMES: Final = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}
"""Markers of a frame, which has the sides; the three others of their range are tables."""
_BEHIND: Final = frozenset(range(0xD0, 0xDB)) | {0x00, 0x01}
"""Markers that stand behind the frame or have no length."""


def sides(mime: str, data: bytes) -> tuple[int, int] | None:
    """The width and the height of *data* in pixels; None if they can't be read, or one of them is zero."""
    found = _of_png(data) if mime == "image/png" else _of_jpeg(data) if mime == "image/jpeg" else None
    return found if found and all(found) else None


def _of_png(data: bytes) -> tuple[int, int] | None:
    if not data.startswith(_PNG) or len(data) < 24:
        return None
    width, height = struct.unpack_from(">II", data, 16)
    return width, height


def _of_jpeg(data: bytes) -> tuple[int, int] | None:
    if not data.startswith(_JPEG):
        return None
    at = len(_JPEG)
    for _ in range(MAX_SEGMENTS):
        while data[at : at + 2] == b"\xff\xff":  # a marker may be padded
            at += 1
        if at + 9 > len(data) or data[at] != 0xFF or data[at + 1] in _BEHIND:
            return None
        length = int.from_bytes(data[at + 2 : at + 4])
        if data[at + 1] in _FRAMES:
            height, width = struct.unpack_from(">HH", data, at + 5)
            return width, height
        at += 2 + max(2, length)
    return None
