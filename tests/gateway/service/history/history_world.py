"""A history on a file, runs to record, and a tally of what it reports."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

from gateway.core.request import RunRecord
from gateway.service.history.history import History
from gateway.service.history.store import Retention
from tests.live import HANG_S


class Tally:
    """Counts what the history reports."""

    def __init__(self) -> None:
        self.written = 0
        self.dropped: Counter[str] = Counter()

    def history_written(self, rows: int) -> None:
        self.written += rows

    def history_dropped(self, rows: int, reason: str) -> None:
        self.dropped[reason] += rows


def url_of(path: Path) -> str:
    """The database URL of a file."""
    return f"sqlite:///{path}"


def record(number: int, *, key_id: str = "default", code: str = "", age_s: float = 0) -> RunRecord:
    """A finished run with a number to know it by."""
    return RunRecord(f"run-{number}", key_id, time.time() - age_s, "python", code or f"print({number})", True, 0.25)


@asynccontextmanager
async def opened(path: Path, retention: Retention | None = None, tally: Tally | None = None) -> AsyncIterator[History]:
    """A history on the database file *path*."""
    history = History.open(url_of(path), retention or Retention(), tally or Tally())
    try:
        yield history
    finally:
        await history.close()


async def until(condition: Callable[[], object]) -> None:
    """Wait for the writer thread, which has no event of its own to wait for."""
    async with asyncio.timeout(HANG_S):
        while not condition():  # noqa: ASYNC110  # see above
            await asyncio.sleep(0.01)


async def ids(history: History, key_id: str = "default", limit: int = 500) -> list[str]:
    """The run ids of a key, newest first."""
    return [entry.run_id for entry in await history.newest(key_id, limit)]
