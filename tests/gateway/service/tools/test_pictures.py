"""What a model reads about the pictures that it does not see as they are."""

from __future__ import annotations

import asyncio
import base64
import struct

from gateway.core.model import Display, Json, Result
from gateway.core.pictures import Image
from gateway.core.request import Caller
from gateway.service.tools.kept_pictures import KeptPictures
from gateway.service.tools.pictures import Link, LinkBase, Pictures, Seen
from kernels.run_rules import SMALL_PICTURE, SMALL_PICTURES

CALLER = Caller("k1", "ada")
HERE = "http://localhost:8080"


def png(more: int = 0) -> str:
    data = b"\x89PNG\r\n\x1a\n" + struct.pack(">I4sII", 13, b"IHDR", 20, 10) + bytes(more)
    return base64.b64encode(data).decode()


def shown(**data: Json) -> Display:
    return Display("display", {f"image/{kind}": value for kind, value in data.items()})


SMALL: Json = {"mimeType": "image/png", "base64": png(), "width": 20, "height": 10, "full": [400, 200]}
REDUCED = Display("display", {"image/png": png(900), SMALL_PICTURE: SMALL})


def seen(*displays: Display, kept: KeptPictures) -> Seen:
    result = Result(True, "", "", "", None, 0, 0.1, displays)
    return asyncio.run(Pictures(kept, 400).of(result, LinkBase(CALLER, "r1", HERE)))


def test_a_small_picture_is_shown_and_nothing_said_or_kept() -> None:
    """Text is no picture; one that stands at two places is one."""
    kept, one = KeptPictures(), shown(png=png())
    text = Display("result", {"text/plain": "1"})
    assert seen(one, text, one, kept=kept) == Seen((Image("image/png", png()),))
    assert kept.used_bytes() == 0


def test_a_picture_that_is_smaller_here_has_a_link() -> None:
    """With the number that it has among the charts of the run."""
    kept = KeptPictures()
    found = seen(shown(png=png()), REDUCED, kept=kept)
    picture = kept.find(("r1", 1), CALLER)
    uri = f"{HERE}/code-interpreter/runs/r1/charts/1?secret={picture.secret}"
    assert found.images == (Image("image/png", png()),) * 2
    assert found.notes == (f"[Picture 2 is 20x10 pixels here. In full, 400x200, for the user: {uri}]",)
    assert found.links == (Link(uri, "chart-1.png", "image/png", 924),)
    assert base64.b64encode(picture.data).decode() == png(900)


def test_a_picture_that_cannot_be_shown_has_a_link_alone() -> None:
    """What is no picture has none."""
    kept = KeptPictures()
    found = seen(
        shown(**{"svg+xml": "<svg/>"}), shown(png="aGk="), shown(gif=base64.b64encode(b"GIF89a").decode()), kept=kept
    )
    svg, gif = found.links
    assert (svg.name, gif.name) == ("chart-0.svg", "chart-2.gif")
    assert found.notes == (
        f"[Picture 1 (image/svg+xml, 6 bytes) can't be shown here. For the user: {svg.uri}]",
        "[Picture 2 is no valid image/png and not shown.]",
        f"[Picture 3 (image/gif, 6 bytes) can't be shown here. For the user: {gif.uri}]",
    )
    assert found.images == ()


def test_what_is_not_kept_has_no_link() -> None:
    """The model still knows that there is more to see."""
    found = seen(REDUCED, shown(png=png(900)), kept=KeptPictures(0))
    assert found.notes == (
        "[Picture 1 is 20x10 pixels here, and 400x200 in full.]",
        "[Picture 2 (image/png, 924 bytes) can't be shown here.]",
    )
    assert found.links == ()


def test_an_answer_has_so_many_pictures_and_no_more() -> None:
    """Nor notes, nor links: code may show thousands."""
    kept = KeptPictures()
    found = seen(*(shown(**{"svg+xml": f"<svg>{number}</svg>"}) for number in range(SMALL_PICTURES + 3)), kept=kept)
    assert len(found.links) == SMALL_PICTURES
    assert found.notes[SMALL_PICTURES:] == ("[3 more pictures are left out: one call shows 20.]",)
    assert len(seen(*(shown(png=png()) for _ in range(SMALL_PICTURES + 1)), kept=kept).images) == SMALL_PICTURES
