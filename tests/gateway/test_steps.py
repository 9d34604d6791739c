"""Work in steps lets others in between."""

from __future__ import annotations

import asyncio
from collections.abc import Generator

import pytest

from gateway.steps import in_turns


def counted(name: str, seen: list[str], count: int = 2) -> Generator[None, None, str]:
    for number in range(count):
        seen.append(f"{name}{number}")
        yield
    return name


async def test_others_are_served_between_the_steps() -> None:
    """And each gets what its own work came to, also without a step."""
    seen: list[str] = []
    made = await asyncio.gather(*(in_turns(counted(name, seen)) for name in "ab"))
    assert made == ["a", "b"]
    assert seen == ["a0", "b0", "a1", "b1"]
    assert await in_turns(counted("c", seen, 0)) == "c"


async def test_what_fails_between_two_steps_is_raised() -> None:
    """To the one who waits for it."""

    def failing() -> Generator[None, None, str]:
        yield
        raise ValueError("odd")

    with pytest.raises(ValueError, match="odd"):
        await in_turns(failing())
