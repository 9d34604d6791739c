"""A smaller form of each picture that is too large for a model, for runs that want that: tools for agents.

The picture itself is not touched. Its small form stands beside it in the same bundle, for the gateway, which has no image
library and opens no picture. One way for all pictures: that of a figure is scaled, too, and not drawn again, which would
run the caller's artists twice.
"""

from __future__ import annotations

import base64
import io
import math
import warnings
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

from kernels.picture_sides import sides
from kernels.run_rules import SMALL_PICTURE, SMALL_PICTURES, SMALL_PX, SMALL_TYPES

SHORTEST_PX: Final = 64
"""A picture that does not fit with this as its longer side has no small form."""
MAX_PIXELS: Final = 24 * 1024 * 1024
"""Larger pictures are not opened: at four bytes a pixel, one takes a fifth of a kernel's usual memory."""
TRIES: Final = 5
SAMPLE_PX, PLAIN_COLORS = 256, 4096
"""A drawing has few colours, even where its lines are smooth; a photograph has many, and PNG does not suit it."""
COLORS: Final = 256
FASTEST: Final = 2
"""Image.Quantize.FASTOCTREE: a sixth of the time that the usual way takes."""
QUALITY: Final = 80
_OPENED: Final = {"image/png": "PNG", "image/jpeg": "JPEG", "image/webp": "WEBP", "image/gif": "GIF"}

Bundle = Mapping[str, Any]


@dataclass(slots=True)
class _Wanted:
    """How large a picture of the current run may be, as base64 (0: any), and how many more of them are looked at."""

    limit_bytes: int = 0
    left: int = 0


@dataclass(frozen=True, slots=True)
class SmallPicture:
    """A picture in a smaller form, and the sizes of both in pixels."""

    mime: str
    base64: str
    size: tuple[int, int]
    full_size: tuple[int, int]

    def to_json(self) -> dict[str, Any]:
        """As it travels to the gateway."""
        width, height = self.size
        return {"mimeType": self.mime, "base64": self.base64, "width": width, "height": height, "full": [*self.full_size]}


_wanted = _Wanted()


def begin(limit_bytes: int = 0) -> None:
    """Start a run that wants each of its first pictures in no more than *limit_bytes* of base64; 0: as it is."""
    _wanted.limit_bytes, _wanted.left = limit_bytes, SMALL_PICTURES


def added_to(bundle: Bundle) -> Bundle:
    """*bundle*, with a small form of its picture if that is too large for the run."""
    limit_bytes = _wanted.limit_bytes
    if not limit_bytes:
        return bundle
    kind = next((kind for kind in _OPENED if isinstance(bundle.get(kind), str | bytes)), None)
    if kind is None or not _wanted.left:
        return bundle
    _wanted.left -= 1
    text = _text(bundle[kind])
    if kind in SMALL_TYPES and len(text) <= limit_bytes and _is_short(kind, text):
        return bundle
    small = shrink(kind, text, limit_bytes)
    return bundle if small is None else {**bundle, SMALL_PICTURE: small.to_json()}


def _text(value: str | bytes) -> str:
    return base64.b64encode(value).decode("ascii") if isinstance(value, bytes) else value


def _is_short(kind: str, text: str) -> bool:
    """Whether both sides of the picture *text*, which is base64, can be read and are short enough."""
    try:
        found = sides(kind, base64.b64decode(text))
    except ValueError:
        return False
    return found is not None and max(found) <= SMALL_PX


def shrink(kind: str, text: str, limit_bytes: int) -> SmallPicture | None:
    """The picture *text*, which is base64, in no more than *limit_bytes* of it; None if it can't be had."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return _shrunk(base64.b64decode(text), _OPENED[kind], limit_bytes)
    except Exception:  # noqa: BLE001  # a picture that is none, or too large for the memory: it has no small form
        return None


def _shrunk(data: bytes, opened_as: str, limit_bytes: int) -> SmallPicture | None:
    from PIL import Image  # the zygote has it loaded; the tests of the gateway have none

    with Image.open(io.BytesIO(data), formats=[opened_as]) as image:
        full = image.size
        if full[0] * full[1] > MAX_PIXELS:
            return None
        image.draft("RGB", (SMALL_PX, SMALL_PX))
        flat = _flat(_scaled(_colored(image), min(1.0, SMALL_PX / max(image.size))))
    scale = 1.0
    for _ in range(TRIES):
        part = _scaled(flat, scale)
        if scale < 1 and max(part.size) < SHORTEST_PX:
            return None
        fewest = math.inf
        for mime, small in _encoded(part):
            if len(small) <= limit_bytes:
                return SmallPicture(mime, small, part.size, full)
            fewest = min(fewest, len(small))
        scale *= min(0.9, 0.95 * math.sqrt(limit_bytes / fewest))
    return None


def _colored(image: Any) -> Any:
    """*image* in RGB, or RGBA if it is transparent anywhere."""
    if image.mode.startswith("I"):  # 16 bits
        image = image.convert("I").point(lambda value: value * (1 / 256)).convert("L")
    is_transparent = image.mode in ("RGBA", "LA", "PA") or "transparency" in image.info
    return image.convert("RGBA" if is_transparent else "RGB")


def _flat(image: Any) -> Any:
    """*image* on white where it is transparent, as on a page."""
    from PIL import Image

    if image.mode == "RGB":
        return image
    page = Image.new("RGBA", image.size, "white")
    page.alpha_composite(image)
    return page.convert("RGB")


def _scaled(image: Any, scale: float) -> Any:
    from PIL import Image

    size = tuple(max(1, round(side * scale)) for side in image.size)
    return image if size == image.size else image.resize(size, Image.Resampling.HAMMING)


def _encoded(image: Any) -> Iterator[tuple[str, str]]:
    """*image* in the forms that suit it, the best first: their types and base64."""
    if _is_drawing(image):
        yield "image/png", _file(image.quantize(COLORS, FASTEST), "PNG")
    yield "image/jpeg", _file(image, "JPEG", quality=QUALITY, subsampling=0)


def _is_drawing(image: Any) -> bool:
    sample = image.resize(tuple(min(side, SAMPLE_PX) for side in image.size), 0)
    return sample.getcolors(PLAIN_COLORS) is not None


def _file(image: Any, form: str, **options: Any) -> str:
    buffer = io.BytesIO()
    image.save(buffer, form, **options)
    return base64.b64encode(buffer.getvalue()).decode("ascii")
