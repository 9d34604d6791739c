"""What a model sees of a picture, whatever a kernel says of it."""

from __future__ import annotations

import base64
import struct

import pytest

from gateway.core.model import Display, Json
from gateway.core.pictures import Image, Sight, look
from kernels.run_rules import SMALL_PICTURE

LIMIT = 400


def png(width: int = 20, height: int = 10, more: int = 0) -> bytes:
    """The beginning of a PNG of this size, and *more* bytes."""
    return b"\x89PNG\r\n\x1a\n" + struct.pack(">I4sII", 13, b"IHDR", width, height) + bytes(more)


def text(data: bytes) -> str:
    return base64.b64encode(data).decode()


def jpeg(width: int = 20, height: int = 10, more: int = 0) -> bytes:
    """The beginning of a JPEG of this size, and *more* bytes."""
    return b"\xff\xd8\xff\xe0\0\x04JF\xff\xc0" + struct.pack(">HBHHB", 8, 8, height, width, 0) + bytes(more)


LARGE, LITTLE, JPEG = png(3000, 2000, 900), png(), jpeg()
SMALL: dict[str, Json] = {
    "mimeType": "image/png",
    "base64": text(LITTLE),
    "width": 20,
    "height": 10,
    "full": [3000, 2000],
}


def seen(small: Json = None, **data: Json) -> Sight:
    """What is seen of a bundle; *small* is what stands beside its picture."""
    bundle = {kind.replace("_", "/"): value for kind, value in data.items()}
    return look(Display("display", {**bundle, **({} if small is None else {SMALL_PICTURE: small})}), LIMIT)


def test_a_picture_that_is_small_is_seen_as_it_is() -> None:
    """Also wrapped, as IPython may send it."""
    sight = seen(image_png=text(LITTLE)[:10] + "\n" + text(LITTLE)[10:])
    assert sight == Sight(Image("image/png", text(LITTLE)), "image/png", LITTLE)
    assert sight.is_whole
    assert seen(image_jpeg=text(JPEG)).image == Image("image/jpeg", text(JPEG))


@pytest.mark.parametrize(
    ("kind", "data"),
    [
        ("image/png", LARGE),
        ("image/png", png(2001, 1)),
        ("image/png", b"\x89PNG\r\n\x1a\n"),
        ("image/png", png(0, 0)),
        ("image/png", png(20, 0)),
        ("image/jpeg", JPEG + bytes(900)),
        ("image/jpeg", jpeg(2001, 1)),
        ("image/jpeg", jpeg(1, 2001)),
        ("image/jpeg", jpeg(0, 10)),
        ("image/jpeg", b"\xff\xd8\xff\xe0" + bytes(100)),
        ("image/gif", b"GIF89a"),
        ("image/webp", b"RIFF"),
    ],
)
def test_what_a_model_cannot_take_is_not_seen(kind: str, data: bytes) -> None:
    """Too many bytes, a side that is too long or not there, and types that not every model knows; it stays a picture."""
    sight = look(Display("display", {kind: text(data)}), LIMIT)
    assert sight == Sight(None, kind, data)
    assert not sight.is_whole


def test_a_drawing_of_vectors_is_a_picture_that_is_not_seen() -> None:
    """The gateway draws nothing."""
    assert look(Display("display", {"image/svg+xml": "<svg/>"}), LIMIT) == Sight(None, "image/svg+xml", b"<svg/>")


@pytest.mark.parametrize(
    ("kind", "body"), [("image/png", "no base64!"), ("image/png", text(JPEG)), ("image/gif", "aGk="), ("image/png", "aGk")]
)
def test_what_is_no_picture_is_none(kind: str, body: str) -> None:
    """The service of a model would refuse it, and the conversation with it."""
    assert look(Display("display", {kind: body}), LIMIT) == Sight(None, kind, None)


def test_what_has_no_picture_has_none() -> None:
    """Whoever asks."""
    assert look(Display("display", {}), LIMIT) == Sight(None, "", None)


def test_the_small_form_is_seen_instead() -> None:
    """And both sizes are known."""
    sight = seen(SMALL, image_png=text(LARGE))
    assert sight == Sight(Image("image/png", text(LITTLE)), "image/png", LARGE, ((20, 10), (3000, 2000)))
    assert not sight.is_whole


@pytest.mark.parametrize(
    "changed",
    [
        {"base64": text(LARGE)},
        {"base64": text(JPEG)},
        {"base64": "no base64!"},
        {"base64": text(LITTLE) + "\n"},
        {"base64": text(png(2001, 1)), "width": 2001, "height": 1},
        {"base64": text(png(1, 1))},
        {"base64": text(png(0, 0))},
        {"base64": None},
        {"mimeType": "image/svg+xml", "base64": text(b"<svg/>")},
        {"mimeType": "image/gif", "base64": text(b"GIF89a")},
        {"mimeType": "text/html"},
        {"mimeType": None},
        {"width": 0},
        {"width": 1.5},
        {"height": True},
        {"height": 65_536},
        {"full": [1]},
        {"full": [1, 2, 3]},
        {"full": [1, "2"]},
        {"full": None},
        {"width": None, "full": [1, 2, 3]},
    ],
)
def test_a_small_form_that_is_none_is_as_if_it_were_not_there(changed: dict[str, Json]) -> None:
    """Code can display what it likes."""
    assert seen({**SMALL, **changed}, image_png=text(LARGE)) == Sight(None, "image/png", LARGE)
    assert seen([changed], image_png=text(LARGE)) == Sight(None, "image/png", LARGE)
