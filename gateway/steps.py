"""Work that is done in steps, so that nobody waits for all of it."""

from __future__ import annotations

import asyncio
from collections.abc import Generator
from typing import TypeVar

Made = TypeVar("Made")


async def in_turns(steps: Generator[None, None, Made]) -> Made:
    """What *steps* return; other requests are served between the steps."""
    while True:
        try:
            next(steps)
        except StopIteration as end:
            made: Made = end.value
            return made
        await asyncio.sleep(0)
