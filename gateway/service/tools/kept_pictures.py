"""Pictures that a tool's answer has only in a smaller form, or not at all: kept for a while, for those who follow the link.

A link has a secret of its own for one picture, as a person who clicks on it can't send a token. It is good for as long as
the picture is kept.
"""

from __future__ import annotations

import secrets
import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final

from gateway.core.errors import NotFound
from gateway.core.request import Caller
from kernels.contract import MIB

MAX_KEPT: Final = 1000
"""Pictures of one key that are kept."""
ENTRY_BYTES: Final = 512
"""Bytes charged for each picture in addition to its content."""
_ENDINGS: Final = {
    "image/png": "png",
    "image/jpeg": "jpg",
    "image/gif": "gif",
    "image/webp": "webp",
    "image/svg+xml": "svg",
}
NOT_THERE: Final = "There is no such picture, or it is no longer kept."

Place = tuple[str, int]
"""The id of a run, and the number of the picture among its charts, from 0."""


@dataclass(frozen=True, slots=True)
class KeptPicture:
    """A picture, and whose it is."""

    mime: str
    data: bytes = field(repr=False)
    number: int
    caller: Caller
    secret: str = field(repr=False)
    until: float

    @property
    def name(self) -> str:
        """The name under which to save it."""
        return f"chart-{self.number}.{_ENDINGS[self.mime]}"

    @property
    def used_bytes(self) -> int:
        """What is charged for it."""
        return len(self.data) + ENTRY_BYTES


class KeptPictures:
    """The pictures of all keys. Each key has *kept_bytes*, in which its newest pictures stay, each for *kept_s*."""

    def __init__(
        self, kept_bytes: int = 32 * MIB, kept_s: float = 3600.0, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._kept_bytes = kept_bytes
        self._kept_s = kept_s
        self._clock = clock
        self._of_keys: dict[str, OrderedDict[Place, KeptPicture]] = {}

    def keep(self, caller: Caller, place: Place, mime: str, data: bytes) -> KeptPicture | None:
        """Keep the picture *data*; None if it is larger than all that a key may have. Older ones go for it."""
        kept = KeptPicture(mime, data, place[1], caller, secrets.token_urlsafe(16), self._clock() + self._kept_s)
        if kept.used_bytes > self._kept_bytes or not self._kept_s:
            return None
        own = self._of_keys.setdefault(caller.key_id, OrderedDict())
        own[place] = kept
        while len(own) > MAX_KEPT or sum(one.used_bytes for one in own.values()) > self._kept_bytes:
            own.popitem(last=False)
        return kept

    def find(self, place: Place, caller: Caller) -> KeptPicture:
        """A picture of the caller's key; raises NotFound."""
        own = self._of_keys.get(caller.key_id)
        kept = None if own is None else own.get(place)
        if kept is None or kept.until <= self._clock():
            raise NotFound(NOT_THERE)
        return kept

    def find_linked(self, place: Place, secret: str) -> KeptPicture:
        """The picture whose link has *secret*; raises NotFound."""
        now = self._clock()
        for own in self._of_keys.values():
            kept = own.get(place)
            if (
                kept is not None
                and secrets.compare_digest(kept.secret.encode(), secret.encode("utf-8", "replace"))
                and now < kept.until
            ):
                return kept
        raise NotFound(NOT_THERE)

    def keep_only(self, key_ids: frozenset[str]) -> None:
        """Forget the pictures of all other keys, and those whose time is over. To be called every now and then."""
        now = self._clock()
        for key_id, own in list(self._of_keys.items()):
            while own and (key_id not in key_ids or next(iter(own.values())).until <= now):
                own.popitem(last=False)
            if not own:
                del self._of_keys[key_id]

    def used_bytes(self) -> int:
        """What is charged for all that are kept."""
        return sum(one.used_bytes for own in self._of_keys.values() for one in own.values())
