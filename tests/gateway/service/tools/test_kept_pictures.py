"""Pictures behind links: whose they are, how long they are there, and how much room they take."""

from __future__ import annotations

from dataclasses import dataclass, field

import pytest

from gateway.core.errors import NotFound
from gateway.core.request import Caller
from gateway.service.tools.kept_pictures import ENTRY_BYTES, MAX_KEPT, KeptPictures, Place

ADA, BOB = Caller("k1", "ada"), Caller("k2", "bob")
ROOM = 3 * (1000 + ENTRY_BYTES)


@dataclass
class Shelf:
    """Room for three pictures of 1000 bytes of each key, for a minute."""

    now: float = 0.0
    kept: KeptPictures = field(init=False)

    def __post_init__(self) -> None:
        self.kept = KeptPictures(ROOM, 60.0, lambda: self.now)

    def put(self, run: str, caller: Caller = ADA, size: int = 1000) -> str:
        """Keep a picture of *run*; its secret, "" if it is not kept."""
        kept = self.kept.keep(caller, (run, 0), "image/png", bytes(size))
        return "" if kept is None else kept.secret

    def has(self, run: str, caller: Caller = ADA) -> bool:
        try:
            return self.kept.find((run, 0), caller).name == "chart-0.png"
        except NotFound:
            return False

    def opens(self, place: Place, secret: str) -> bool:
        try:
            return bool(self.kept.find_linked(place, secret).data)
        except NotFound:
            return False


def test_a_picture_is_its_own_keys_and_that_of_its_link() -> None:
    """A link leads to one picture, and no other secret to any."""
    shelf = Shelf()
    first, second = shelf.put("r1"), shelf.put("r2")
    assert shelf.has("r1")
    assert not shelf.has("r1", BOB)
    assert not shelf.has("r3")
    assert shelf.opens(("r1", 0), first)
    for place, secret in (
        (("r1", 1), first),
        (("r2", 0), first),
        (("r1", 0), second),
        (("r1", 0), ""),
        (("r1", 0), "é\ud800"),
    ):
        assert not shelf.opens(place, secret)


@pytest.mark.parametrize("sweeps", [False, True])
def test_its_time_ends_for_key_and_link(sweeps: bool) -> None:
    """With a sweep its memory is free, too."""
    shelf = Shelf()
    secret = shelf.put("r1")
    shelf.now = 59.0
    shelf.kept.keep_only(frozenset({"k1"}))
    assert shelf.has("r1")
    shelf.put("r2")
    shelf.now = 60.0
    if sweeps:
        shelf.kept.keep_only(frozenset({"k1"}))
        assert shelf.kept.used_bytes() == 1000 + ENTRY_BYTES
    assert not shelf.has("r1")
    assert not shelf.opens(("r1", 0), secret)
    assert shelf.has("r2")


def test_a_key_has_so_much_room_and_no_more() -> None:
    """Its oldest pictures go; another key's stay."""
    shelf = Shelf()
    shelf.put("r0", BOB)
    for number in range(4):
        shelf.put(f"r{number}")
    assert [shelf.has(f"r{number}") for number in range(4)] == [False, True, True, True]
    assert shelf.has("r0", BOB)
    assert shelf.kept.used_bytes() == ROOM + 1000 + ENTRY_BYTES
    assert shelf.put("large", size=ROOM) == ""
    assert shelf.has("r1")
    assert shelf.put("larger", size=ROOM - ENTRY_BYTES)
    assert not shelf.has("r3")


def test_a_key_has_so_many_pictures_and_no_more() -> None:
    """Tiny ones would take their time to count."""
    kept = KeptPictures()
    for number in range(MAX_KEPT + 1):
        kept.keep(ADA, ("r", number), "image/png", b"")
    assert kept.used_bytes() == MAX_KEPT * ENTRY_BYTES


def test_a_key_that_is_revoked_leaves_nothing() -> None:
    """Neither to itself nor to those who have its links."""
    shelf = Shelf()
    secret = shelf.put("r1")
    shelf.put("r1", BOB)
    shelf.kept.keep_only(frozenset({"k2"}))
    assert not shelf.has("r1")
    assert not shelf.opens(("r1", 0), secret)
    assert shelf.has("r1", BOB)


def test_without_room_or_time_nothing_is_kept() -> None:
    """As the settings may want it."""
    for kept in (KeptPictures(0), KeptPictures(kept_s=0.0)):
        assert kept.keep(ADA, ("r1", 0), "image/png", b"") is None
