"""Event loops for plain code: in a cell without top-level await, asyncio behaves as in a script."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Iterator
from contextlib import contextmanager

HAS_POLICIES = sys.version_info < (3, 14)
"""From this version on, Python makes no event loop on demand, not even in scripts, and policies are deprecated."""


class ScriptLoops:
    """Hides the kernel's own event loop from the code that runs inside it.

    For all code, also in imported modules: `asyncio.run` works, and the first
    `asyncio.get_event_loop` makes a loop. A policy that the code sets stays for the runs after it.
    """

    def __init__(self) -> None:
        self._chosen: asyncio.AbstractEventLoopPolicy | None = None

    @contextmanager
    def outside(self) -> Iterator[None]:
        """Inside the block no event loop runs or is set; afterwards the kernel's is restored."""
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
        """A policy without a loop, or the one that the code set."""
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
