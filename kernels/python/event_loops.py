"""Event loops for plain code: in a cell without top-level await, asyncio is as it is in a script."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Iterator
from contextlib import contextmanager

HAS_POLICIES = sys.version_info < (3, 14)
"""From then on Python makes no event loop on demand, in scripts neither, and policies are deprecated."""


class ScriptLoops:
    """Takes the kernel's own event loop out of the way of code that runs inside of it.

    Whatever the code is and wherever it asks, also in modules it imports: `asyncio.run` works, and the first
    `asyncio.get_event_loop` makes a loop. A policy that the code sets stays for the runs after it.
    """

    def __init__(self) -> None:
        self._chosen: asyncio.AbstractEventLoopPolicy | None = None

    @contextmanager
    def outside(self) -> Iterator[None]:
        """No event loop runs inside the block, and none is set; afterwards the kernel's is there again."""
        loop = asyncio.get_running_loop()
        task = asyncio.current_task(loop)
        asyncio.tasks._leave_task(loop, task)  # type: ignore[arg-type]  # a task is what runs us
        asyncio._set_running_loop(None)
        try:
            with self._policy() if HAS_POLICIES else _without_loop():
                yield
        finally:
            asyncio.set_event_loop(loop)
            asyncio._set_running_loop(loop)
            asyncio.tasks._enter_task(loop, task)  # type: ignore[arg-type]

    @contextmanager
    def _policy(self) -> Iterator[None]:
        """A policy that has not seen a loop yet, or the one the code chose."""
        ours = asyncio.get_event_loop_policy()
        fresh = asyncio.DefaultEventLoopPolicy()
        asyncio.set_event_loop_policy(self._chosen or fresh)
        try:
            yield
        finally:
            left = asyncio.get_event_loop_policy()
            self._chosen = None if left is fresh else left
            asyncio.set_event_loop_policy(ours)


@contextmanager
def _without_loop() -> Iterator[None]:
    asyncio.set_event_loop(None)
    yield
