"""The pictures that answers of tools link to: who gets them, and what a browser may do with them."""

from __future__ import annotations

import pytest

from gateway.core.request import Caller
from tests.gateway.web.world import Gateway

MINE, OTHER = Caller("k1", "test"), Caller("k2", "other")
RUN = "/code-interpreter/runs/r1/charts"
SVG = b"<svg xmlns='http://www.w3.org/2000/svg'><script>fetch('/api')</script></svg>"


def keep(gateway: Gateway, caller: Caller = MINE, mime: str = "image/png", data: bytes = b"\x89PNG") -> str:
    """Keep a picture of the run r1; the link to it."""
    kept = gateway.services.pictures.keep(caller, ("r1", 0), mime, data)
    assert kept is not None
    return f"{RUN}/0?secret={kept.secret}"


async def test_a_link_shows_its_picture_to_whoever_has_it(gateway: Gateway) -> None:
    """In a browser, which has no token; also in a page of another site."""
    link = keep(gateway, OTHER)
    for token in (None, "wrong", "a-token-that-is-right"):
        answer = await gateway.ask(link, token=token)
        assert (answer.code, answer.body, answer.headers["Content-Type"]) == (200, b"\x89PNG", "image/png")
        assert answer.headers["Cross-Origin-Resource-Policy"] == "cross-origin"
        assert answer.headers["Content-Disposition"] == 'inline; filename="chart-0.png"'
    head = await gateway.ask(link, method="HEAD", token=None)
    assert (head.code, head.headers["Content-Length"], head.body) == (200, "4", b"")


async def test_without_the_link_it_is_its_own_keys(gateway: Gateway) -> None:
    """To anybody else it is not there."""
    keep(gateway)
    answer = await gateway.ask(f"{RUN}/0")
    assert (answer.code, answer.body) == (200, b"\x89PNG")
    assert answer.headers["Cross-Origin-Resource-Policy"] == "same-origin"
    assert (await gateway.ask(f"{RUN}/0", token=None)).code == 401
    keep(gateway, OTHER)
    gateway.services.pictures.keep_only(frozenset({"k2"}))
    assert (await gateway.ask(f"{RUN}/0")).code == 404


@pytest.mark.parametrize("rest", ["/1", "/00", "/0x", "/-1", "/٣", "/9999999999", "/%00"])
async def test_what_is_not_there_is_not_found(gateway: Gateway, rest: str) -> None:
    """By the right secret too, as long as it is that of another picture."""
    secret = keep(gateway).partition("?")[2]
    for query in ("", f"?{secret}", "?secret=", "?secret=x"):
        answer = await gateway.ask(RUN + rest + query)
        assert answer.code == 404, (rest, query)


@pytest.mark.parametrize("secret", ["", "x", "%C3%A9", "%F0%9F%98%80", "a" * 4000])
async def test_a_wrong_secret_is_no_way_in(gateway: Gateway, secret: str) -> None:
    """It is answered as if the picture had never been there, whoever asks."""
    keep(gateway)
    answers = [await gateway.ask(f"{RUN}/{number}?secret={secret}", token=None) for number in (0, 1)]
    assert [answer.code for answer in answers] == [404, 404]
    assert len({answer.body for answer in answers}) == 1


async def test_a_link_ends_with_its_key(gateway: Gateway) -> None:
    """A key that is revoked leaves no door open."""
    link = keep(gateway)
    gateway.services.pictures.keep_only(frozenset())
    assert (await gateway.ask(link, token=None)).code == 404


async def test_a_drawing_cannot_do_anything(gateway: Gateway) -> None:
    """An SVG may hold scripts: a browser runs none of them, and takes it for nothing of this site."""
    answer = await gateway.ask(keep(gateway, mime="image/svg+xml", data=SVG), token=None)
    policy = answer.headers["Content-Security-Policy"].split("; ")
    assert {"default-src 'none'", "sandbox"} <= set(policy)
    assert not [rule for rule in policy if rule.startswith("script-src")]
    assert answer.headers["X-Content-Type-Options"] == "nosniff"


async def test_a_link_opens_nothing_else(gateway: Gateway) -> None:
    """Neither another method nor another address."""
    link = keep(gateway)
    assert (await gateway.ask(link, {}, token=None)).code == 405
    query = link.partition("?")[2]
    for path in ("/code-interpreter/sessions", "/code-interpreter/history", "/api"):
        assert (await gateway.ask(f"{path}?{query}", token=None)).code == 401
