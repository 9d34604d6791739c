"""Whose token it is."""

from __future__ import annotations

import pytest

from gateway.service.keys import Key, Keys

TOKEN = "0123456789abcdef-0123456789abcdef"


async def test_a_token_opens_its_own_key_only() -> None:
    """Each key has its caller."""
    keys = Keys([Key.of_token(TOKEN), Key.of_token(TOKEN[::-1], "two", "Second")])
    first, second = await keys.authenticate(TOKEN), await keys.authenticate(TOKEN[::-1])
    assert first is not None
    assert second is not None
    assert (first.key_id, second.key_id, second.name) == ("default", "two", "Second")


@pytest.mark.parametrize("token", ["", " ", TOKEN[:-1], TOKEN + "x", TOKEN.upper(), f" {TOKEN}", "\ud800", "é" * 500, "\0"])
async def test_any_other_text_opens_nothing(token: str) -> None:
    """Whatever a header can carry."""
    assert await Keys([Key.of_token(TOKEN)]).authenticate(token) is None


def test_a_key_does_not_hold_its_token() -> None:
    """Only its hash, so that no dump of the keys gives tokens away."""
    assert TOKEN not in repr(Key.of_token(TOKEN))
