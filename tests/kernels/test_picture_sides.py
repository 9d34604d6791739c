"""The sides of pictures, read from their beginnings, whatever stands there."""

from __future__ import annotations

import struct

import pytest

from kernels.picture_sides import MAX_SEGMENTS, sides

PNG = b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR"


def frame(marker: int = 0xC0) -> bytes:
    """The frame of a JPEG of 300 by 200 pixels."""
    return bytes([0xFF, marker]) + struct.pack(">HBHHB", 8, 8, 200, 300, 0)


def segment(marker: int = 0xE1, size: int = 10) -> bytes:
    """Any other segment, whose content looks like a frame of other sides."""
    return bytes([0xFF, marker]) + struct.pack(">H", size + 2) + (b"\xff\xc0\0\x08\x08\0\x01\0\x01" * size)[:size]


@pytest.mark.parametrize(
    "data",
    [
        b"\xff\xd8" + frame(),
        b"\xff\xd8" + frame(0xC2),
        b"\xff\xd8" + segment() + segment(0xC4) + segment(0xDB, 64_000) + frame(0xCF),
        b"\xff\xd8\xff\xff" + segment() + b"\xff" * 9 + frame(),
        b"\xff\xd8" + segment(size=0) * (MAX_SEGMENTS - 1) + frame(),
    ],
)
def test_a_jpeg_has_its_sides_in_its_frame(data: bytes) -> None:
    """Behind any segments, and of any kind."""
    assert sides("image/jpeg", data) == (300, 200)


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\xff\xd8",
        b"\xff\xd8" + bytes(100),
        b"\xff\xd8\xff\xe0" + bytes(100),
        b"\xff\xd8\xff" * 100,
        b"\xff\xd8" + b"\xff" * 100,
        b"\xff\xd8" + segment(0xDA) + frame(),
        b"\xff\xd8\xff\xd9" + frame(),
        b"\xff\xd8" + segment(size=0) * MAX_SEGMENTS + frame(),
        b"\xff\xd8" + frame()[:8],
        b"\xff\xd8" + frame().replace(struct.pack(">HH", 200, 300), bytes(4)),
    ],
)
def test_a_jpeg_without_a_frame_has_none(data: bytes) -> None:
    """Nor one that comes too late, after the picture itself, or has no pixels."""
    assert sides("image/jpeg", data) is None


def test_a_png_has_its_sides_first() -> None:
    """Other types have none that can be read here."""
    assert sides("image/png", PNG + struct.pack(">II", 70_000, 1)) == (70_000, 1)
    for data in (PNG + bytes(7), PNG + struct.pack(">II", 0, 1), PNG[:8] + bytes(30), b""):
        assert sides("image/png", data) is None
    assert sides("image/gif", b"GIF89a" + bytes(20)) is None
