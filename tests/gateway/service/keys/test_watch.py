"""Changes of keys reach a running gateway; trouble with the database does not take valid keys away at once."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import replace

import pytest
from sqlalchemy.exc import OperationalError

from gateway.core.errors import Unavailable
from gateway.service.keys import watch as watch_module
from gateway.service.keys.keys import Key, Keys
from gateway.service.keys.watch import KeyWatch
from tests.live import HANG_S

A, B = Key.of_token("a" * 20, "a", "a"), Key.of_token("b" * 20, "b", "b")


class FakeStore:
    """Keys that a test changes; counts how often they are read in full."""

    def __init__(self) -> None:
        self.keys: list[Key] = []
        self.count = 0
        self.reads = 0
        self.looks = 0
        self.is_broken = False

    def change(self, *keys: Key) -> None:
        self.keys, self.count = list(keys), self.count + 1

    def count_changes(self) -> int:
        self.looks += 1
        if self.is_broken:
            raise OperationalError("SELECT", None, OSError("gone"))
        return self.count

    def valid(self) -> tuple[int, Sequence[Key]]:
        self.reads += 1
        return self.count_changes(), self.keys

    def close(self) -> None:
        """Nothing to close."""


async def test_additions_and_revocations_are_seen_at_the_next_look() -> None:
    """And the keys are read only when something changed."""
    store, keys = FakeStore(), Keys(None)
    watch = KeyWatch(store, keys, lambda: None)
    await watch.look()
    store.change(A, B)
    await watch.look()
    assert keys.ids == {"a", "b"}
    store.change(B)
    for _ in range(5):
        await watch.look()
    assert keys.ids == {"b"}
    assert store.reads == 3


async def test_it_looks_on_by_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    """Until it is closed."""
    monkeypatch.setattr(watch_module, "LOOK_EVERY_S", 0.01)
    store, keys = FakeStore(), Keys(None)
    watch = KeyWatch(store, keys, lambda: None)
    await watch.open()
    store.change(A)
    async with asyncio.timeout(HANG_S):
        while not keys.ids:  # noqa: ASYNC110  # the watch has no event to wait for
            await asyncio.sleep(0.01)
    await watch.close()
    looks = store.looks
    await asyncio.sleep(0.05)
    assert store.looks == looks


async def test_a_database_that_fails_leaves_the_keys_and_is_tried_again() -> None:
    """At the start as well as later."""
    store, keys = FakeStore(), Keys(None)
    watch = KeyWatch(store, keys, lambda: None)
    store.is_broken = True
    await watch.look()
    with pytest.raises(Unavailable):
        keys.authenticate("a" * 20)
    store.is_broken = False
    store.change(A)
    await watch.look()
    store.is_broken = True
    await watch.look()
    assert keys.authenticate("a" * 20) is not None


async def test_listeners_are_told_who_is_valid() -> None:
    """Neither what was revoked nor what has expired; nothing when the database can't be asked, as then nobody knows."""
    clock = [1000.0]
    store, keys = FakeStore(), Keys(A, wall_clock=lambda: clock[0])
    watch = KeyWatch(store, keys, lambda: A)
    told: list[frozenset[str]] = []
    watch.listeners.append(told.append)
    store.change(B, replace(B, id="c", token_sha256=b"c" * 32, expires_utc=1010.0))
    await watch.look()
    clock[0] = 1010.0
    await watch.look()
    store.is_broken = True
    store.change()
    await watch.look()
    store.is_broken = False
    await watch.look()
    assert told == [{"a", "b", "c"}, {"a", "b"}, {"a"}]


async def test_the_default_key_is_looked_at_too() -> None:
    """A rotated token counts without a restart; a file that can't be read changes nothing, and does not hide the others."""
    current: list[Key | None] = [A]

    def read() -> Key | None:
        if not current:
            raise OSError("mode")
        return current[0]

    store, keys = FakeStore(), Keys(None)
    watch = KeyWatch(store, keys, read)
    await watch.look()
    assert keys.ids == {"a"}
    current[0] = B
    await watch.look()
    assert keys.ids == {"b"}
    current.clear()
    store.change(A)
    await watch.look()
    assert keys.ids == {"a", "b"}
