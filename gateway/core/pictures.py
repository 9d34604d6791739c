"""What a model gets to see of the pictures of a run: each as it is, or in the small form that the kernel sent beside it.

Nothing here opens a picture: its type and its sides are read from its beginning, whatever a kernel tells of them.
"""

from __future__ import annotations

import binascii
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from gateway.core.charts import SVG, base64_of, chart_type
from gateway.core.model import Display, Json
from kernels.picture_sides import sides
from kernels.run_rules import SMALL_PICTURE, SMALL_PX, SMALL_TYPES

MAX_PX: Final = 65_535
_BEGINNINGS: Final[Mapping[str, tuple[bytes, ...]]] = {
    "image/png": (b"\x89PNG\r\n\x1a\n",),
    "image/jpeg": (b"\xff\xd8\xff",),
    "image/gif": (b"GIF87a", b"GIF89a"),
    "image/webp": (b"RIFF",),
}

Size = tuple[int, int]


@dataclass(frozen=True, slots=True)
class Image:
    """A picture that models can look at."""

    mime: str
    base64: str


@dataclass(frozen=True, slots=True)
class Sight:
    """One picture of a run: the *image* that a model gets, None if it gets none, and the picture itself.

    *data* is None for what is no picture at all. *sizes* are those of both in pixels, where the kernel told them.
    """

    image: Image | None
    mime: str
    data: bytes | None
    sizes: tuple[Size, Size] | None = None

    @property
    def is_whole(self) -> bool:
        """Whether the model gets the picture as it is."""
        return self.image is not None and self.sizes is None


def look(display: Display, limit_bytes: int) -> Sight:
    """What a model gets of the best picture of *display*: an image of at most *limit_bytes* of base64."""
    mime, text = chart_type(display) or "", base64_of(display)
    data = _decoded(mime, text)
    if data is None:
        return Sight(None, mime, None)
    small = _small(display.data.get(SMALL_PICTURE), limit_bytes)
    if small is not None:
        return Sight(small[0], mime, data, small[1])
    return Sight(Image(mime, text) if _fits(mime, text, data, limit_bytes) else None, mime, data)


def _small(value: Json, limit_bytes: int) -> tuple[Image, tuple[Size, Size]] | None:
    """The small form in *value*, if it has the promised form and is small."""
    if not isinstance(value, dict):
        return None
    mime, text, full = value.get("mimeType"), value.get("base64"), value.get("full")
    if not isinstance(mime, str) or not isinstance(text, str) or not isinstance(full, list):
        return None
    told = [side for side in (value.get("width"), value.get("height"), *full) if type(side) is int and 1 <= side <= MAX_PX]
    data = _decoded(mime, text)
    if len(told) != 4 or len(full) != 2 or data is None or not _fits(mime, text, data, limit_bytes):
        return None
    return (Image(mime, text), ((told[0], told[1]), (told[2], told[3]))) if sides(mime, data) == (told[0], told[1]) else None


def _fits(mime: str, text: str, data: bytes, limit_bytes: int) -> bool:
    """Whether a model can look at the picture *text*, which is *data* in base64: services refuse one without sides."""
    if mime not in SMALL_TYPES or len(text) > limit_bytes:
        return False
    found = sides(mime, data)
    return found is not None and max(found) <= SMALL_PX


def _decoded(mime: str, text: str) -> bytes | None:
    """The bytes of *text*, which is base64; None if it is none, or no picture of the type *mime*."""
    try:
        data = binascii.a2b_base64(text, strict_mode=True)
    except ValueError:
        return None
    return data if mime == SVG or data.startswith(_BEGINNINGS.get(mime, ())) else None
