"""The pictures of a run in a tool's answer: what the model sees, what it reads about the others, and the links to them."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import Final

from gateway.core import charts
from gateway.core.model import Result
from gateway.core.pictures import Image, Sight, look
from gateway.core.request import Caller
from gateway.service.tools.kept_pictures import KeptPictures
from kernels.run_rules import SMALL_PICTURES

DEFAULT_BYTES: Final = 200_000
PATH: Final = "/code-interpreter/runs/{}/charts/{}"


@dataclass(frozen=True, slots=True)
class Link:
    """A link to a picture in full, good for a while, also without a token."""

    uri: str
    name: str
    mime: str
    size_bytes: int


@dataclass(frozen=True, slots=True)
class Seen:
    """The *images* that a model gets, a note for each picture that it does not get as it was, and the links in these."""

    images: tuple[Image, ...] = ()
    notes: tuple[str, ...] = ()
    links: tuple[Link, ...] = ()


@dataclass(frozen=True, slots=True)
class LinkBase:
    """What links to the pictures of a run are made of: whose run it was, its id, and where the caller found the gateway."""

    caller: Caller
    run_id: str
    origin: str


class Pictures:
    """Shows pictures of at most *limit_bytes* of base64; the others are put into *kept*."""

    def __init__(self, kept: KeptPictures, limit_bytes: int = DEFAULT_BYTES) -> None:
        self.limit_bytes = limit_bytes
        self._kept = kept

    async def of(self, result: Result, base: LinkBase) -> Seen:
        """What a model gets of the pictures of *result*. Others are served between any two of them."""
        images: list[Image] = []
        notes: list[str] = []
        links: list[Link] = []
        pictures = charts.number(result.displays).pictures
        for number, shown in enumerate(pictures[:SMALL_PICTURES]):
            sight = look(shown, self.limit_bytes)
            if sight.image is not None:
                images.append(sight.image)
            if not sight.is_whole:
                link = self._link(sight, base, number)
                links += [] if link is None else [link]
                notes.append(f"[Picture {number + 1} {_note(sight, link)}]")
            await asyncio.sleep(0)
        if len(pictures) > SMALL_PICTURES:
            more = len(pictures) - SMALL_PICTURES
            notes.append(f"[{more} more pictures are left out: one call shows {SMALL_PICTURES}.]")
        return Seen(tuple(images), tuple(notes), tuple(links))

    def _link(self, sight: Sight, base: LinkBase, number: int) -> Link | None:
        if sight.data is None:
            return None
        kept = self._kept.keep(base.caller, (base.run_id, number), sight.mime, sight.data)
        if kept is None:
            return None
        uri = f"{base.origin}{PATH.format(base.run_id, number)}?secret={kept.secret}"
        return Link(uri, kept.name, kept.mime, len(kept.data))


def _note(sight: Sight, link: Link | None) -> str:
    if sight.data is None:
        return f"is no valid {sight.mime} and not shown."
    if sight.sizes is None:
        shown = f"({sight.mime}, {len(sight.data)} bytes) can't be shown here."
        return shown if link is None else f"{shown} For the user: {link.uri}"
    here, full = (f"{width}x{height}" for width, height in sight.sizes)
    if link is None:
        return f"is {here} pixels here, and {full} in full."
    return f"is {here} pixels here. In full, {full}, for the user: {link.uri}"
