"""Keeps the keys in memory as they are in the database: what `omega token` changes is noticed within a second."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Sequence
from typing import Protocol

import structlog
from sqlalchemy.exc import SQLAlchemyError

from gateway.service.database import DatabaseError
from gateway.service.keys.keys import Key, Keys

LOOK_EVERY_S = 1.0
"""SQLite can't notify another process of a change; a look reads one row."""
LOG_EVERY_S = 60.0

_log = structlog.get_logger("omega.keys")


class WatchedStore(Protocol):
    """The store of named keys: store.KeyStore. May block."""

    def count_changes(self) -> int:
        """A number that is another one after every change."""

    def valid(self) -> tuple[int, Sequence[Key]]:
        """The keys that are not revoked, and that number."""

    def close(self) -> None:
        """Close every connection."""


Listener = Callable[[frozenset[str]], None]
"""Gets the ids of all valid keys."""


class KeyWatch:
    """Looks every second whether the keys have changed; what can't be read is left as it was, see Keys for how long.

    *read_default* answers the default key as it is now, or raises OSError. What belongs to no valid key any more is for
    *listeners* to end: they are told after every look into the database that succeeded.
    """

    def __init__(self, store: WatchedStore, keys: Keys, read_default: Callable[[], Key | None]) -> None:
        self._store = store
        self._keys = keys
        self._read_default = read_default
        self.listeners: list[Listener] = []
        self._seen: int | None = None
        self._silent_until = 0.0
        self._task: asyncio.Task[None] | None = None

    async def open(self) -> None:
        """Read the keys, then go on looking; when that fails now it is tried again like later."""
        await self.look()
        self._task = asyncio.create_task(self._look_on())

    async def look(self) -> None:
        """Bring the keys up to date; one that can't be read leaves the keys as they were."""
        await self._look_at_default()
        try:
            changes = await asyncio.to_thread(self._read)
        except (SQLAlchemyError, DatabaseError, OSError) as error:
            self._complain(error)
            return
        self._take(changes)
        valid = self._keys.valid_ids
        for listener in self.listeners:
            listener(valid)

    def _take(self, changes: tuple[int, Sequence[Key]] | None) -> None:
        if changes is None:
            self._keys.confirm()
            return
        seen, named = changes
        if self._seen is not None:
            _log.info("keys changed", valid=len(named))
        self._seen = seen
        self._keys.set_named(named)

    async def close(self) -> None:
        """Stop looking."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
        self._store.close()

    async def _look_at_default(self) -> None:
        try:
            self._keys.set_default(await asyncio.to_thread(self._read_default))
        except OSError as error:
            self._complain(error)

    def _read(self) -> tuple[int, Sequence[Key]] | None:
        """The named keys, None if they are as they were when seen last."""
        if self._seen is not None and self._store.count_changes() == self._seen:
            return None
        return self._store.valid()

    async def _look_on(self) -> None:
        while True:
            await asyncio.sleep(LOOK_EVERY_S)
            await self.look()

    def _complain(self, error: Exception) -> None:
        if time.monotonic() >= self._silent_until:
            self._silent_until = time.monotonic() + LOG_EVERY_S
            _log.warning("keys could not be read", reason=type(getattr(error, "orig", None) or error).__name__)
