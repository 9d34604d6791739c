"""Links to files: what they open, for how long, and that nothing else does."""

from __future__ import annotations

import base64
from dataclasses import replace

import pytest

from gateway.core.errors import Forbidden, GatewayError, TooManyRequests, Unauthorized
from gateway.core.limits import KeyLimits
from gateway.core.request import Caller
from gateway.service.keys.admission import Admission
from gateway.service.keys.keys import Key, Keys
from gateway.service.keys.links import MAX_CHARS, DownloadLinks

SESSION, PATH, ADDRESS = "5" * 32, b"a/\xff\n", "192.0.2.1"
NAMED = replace(Key.of_token("b" * 32, "o", "other"), limits=KeyLimits(requests_per_minute=3))


class World:
    """Two keys, and links of one gateway."""

    def __init__(self) -> None:
        self.now = 1_700_000_000.0
        self.keys = Keys(Key.of_token("a" * 32), wall_clock=lambda: self.now)
        self.keys.set_named([NAMED])
        self.links = self.gateway()

    def gateway(self) -> DownloadLinks:
        """Links of another gateway with the same keys."""
        return DownloadLinks(Admission(self.keys, 1000, lambda: 0.0), wall_clock=lambda: self.now)

    def sign(self, key_id: str = "default", path: bytes = PATH, life_s: float = 60.0) -> str:
        """A link."""
        return self.links.sign(Caller(key_id, key_id), SESSION, path, life_s).text


def test_a_link_opens_its_file_as_its_owner() -> None:
    """Until it expires, as often as its key may ask."""
    world = World()
    link = world.links.sign(Caller("o", "other"), SESSION, PATH, 60.0)
    assert link.expires_utc == world.now + 60
    for _ in range(3):
        opened = world.links.admit(link.text, PATH, ADDRESS)
        assert (opened.caller.key_id, opened.caller.limits, opened.session_id) == ("o", NAMED.limits, SESSION)
    with pytest.raises(TooManyRequests):
        world.links.admit(link.text, PATH, ADDRESS)


def test_a_link_ends_with_its_time_and_with_its_key() -> None:
    """Also if the key is revoked, or expires itself."""
    world = World()
    text, own = world.sign("o"), world.sign()
    world.now += 59.9
    world.links.admit(text, PATH, ADDRESS)
    world.now += 0.1
    with pytest.raises(Forbidden, match="expired"):
        world.links.admit(text, PATH, ADDRESS)
    text = world.sign("o", life_s=1000.0)
    world.keys.set_named([replace(NAMED, expires_utc=world.now + 1)])
    world.links.admit(text, PATH, ADDRESS)
    world.now += 1
    for keys in ([replace(NAMED, expires_utc=world.now)], []):
        world.keys.set_named(keys)
        with pytest.raises(Unauthorized):
            world.links.admit(text, PATH, ADDRESS)
    world.keys.set_default(None)
    with pytest.raises(GatewayError):
        world.links.admit(own, PATH, ADDRESS)


@pytest.mark.parametrize("path", [b"a/\xff", b"a/\xff\n/", b"", PATH + b"x", b"b"])
def test_a_link_opens_no_other_file(path: bytes) -> None:
    """Its signature is for one path."""
    world = World()
    with pytest.raises(Unauthorized):
        world.links.admit(world.sign(), path, ADDRESS)


def test_no_changed_link_opens_anything() -> None:
    """Whichever byte it is: of the signature, the time, the key or the session; nor one of another gateway."""
    world = World()
    data = base64.urlsafe_b64decode(world.sign() + "==")
    for at in range(len(data)):
        changed = data[:at] + bytes([data[at] ^ 1]) + data[at + 1 :]
        with pytest.raises((Unauthorized, TooManyRequests)):
            world.links.admit(base64.urlsafe_b64encode(changed).decode().rstrip("="), PATH, ADDRESS)
    with pytest.raises(Unauthorized):
        world.gateway().admit(world.sign(), PATH, ADDRESS)


def test_a_path_and_what_is_signed_with_it_can_not_be_cut_elsewhere() -> None:
    """The end of the session's id moved into the path is another text under the same bytes."""
    world = World()
    data = base64.urlsafe_b64decode(world.sign(path=b"f") + "==")
    moved = base64.urlsafe_b64encode(data[:-1]).decode().rstrip("=")
    with pytest.raises(GatewayError):
        world.links.admit(moved, data[-1:] + b"f", ADDRESS)


@pytest.mark.parametrize(
    "text", ["", "x", "\u00fc" * 60, "a" * (MAX_CHARS + 4), "=" * 80, "A" * 41, "A+/A" * 20, "../" * 30]
)
def test_nonsense_is_no_link(text: str) -> None:
    """And nothing worse; it does not count as guessing."""
    world = World()
    for _ in range(50):
        with pytest.raises(Unauthorized):
            world.links.admit(text, PATH, ADDRESS)


def test_guessing_is_slowed_down() -> None:
    """As guessing tokens is; who has a right link is let in from there all the same."""
    world = World()
    guess = base64.urlsafe_b64encode(bytes(100)).decode().rstrip("=")
    errors: set[type[GatewayError]] = set()
    for _ in range(50):
        with pytest.raises(GatewayError) as caught:
            world.links.admit(guess, PATH, ADDRESS)
        errors.add(type(caught.value))
    assert errors == {Unauthorized, TooManyRequests}
    assert world.links.admit(world.sign(), PATH, ADDRESS).session_id == SESSION
