"""Answers and events that clients have not read yet: large ones are made once, counted for each key, and bounded."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Hashable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from gateway.core.errors import TooManyRequests

LIMIT_BYTES = 64 * 1024 * 1024
"""A key whose clients leave more unread gets 429 until they read or disconnect. Runs under way still send their output."""
LARGE_BYTES = 65_536
"""Smaller ones are not counted: a connection costs as much in any case."""
RETRY_AFTER_S = 1.0


@dataclass(slots=True)
class Shared:
    """*data* that several connections send at the same time. Each of them calls `Unread.release` once."""

    key_id: str
    name: Hashable
    data: bytes
    readers: int = 0


@dataclass(slots=True)
class AnswerHold:
    """An answer that is counted before it is sent."""

    unread: Unread
    key_id: str = ""
    size_bytes: int = 0

    def take(self, key_id: str, size_bytes: int) -> None:
        """Count it, if it is large, for the key; raises TooManyRequests as `Unread.check` does."""
        if size_bytes >= LARGE_BYTES:
            self.unread.hold(key_id, size_bytes)
            self.key_id, self.size_bytes = key_id, size_bytes

    def let_go(self) -> None:
        """It is counted otherwise, or gone."""
        size_bytes, self.size_bytes = self.size_bytes, 0
        if size_bytes:
            self.unread.let_go(self.key_id, size_bytes)


class Unread:
    """Counts what waits for the clients of each key."""

    def __init__(self, limit_bytes: int = LIMIT_BYTES) -> None:
        self._limit_bytes = limit_bytes
        self._bytes: Counter[str] = Counter()
        self._shared: dict[Hashable, Shared] = {}

    @property
    def size_bytes(self) -> int:
        """The bytes that wait, of all keys together."""
        return self._bytes.total()

    def check(self, key_id: str) -> None:
        """Raise TooManyRequests while the clients of this key leave too much unread."""
        if self._bytes[key_id] > self._limit_bytes:
            raise TooManyRequests(
                f"Clients of this key have not read {self._bytes[key_id]} bytes of their answers: "
                "read them, or close the connections.",
                retry_after_s=RETRY_AFTER_S,
            )

    def hold(self, key_id: str, size_bytes: int) -> None:
        """Count *size_bytes* until they are let go; raises TooManyRequests as `check` does."""
        self.check(key_id)
        self._bytes[key_id] += size_bytes

    def let_go(self, key_id: str, size_bytes: int) -> None:
        """What was held is counted no longer."""
        self._forget(key_id, size_bytes)

    @contextmanager
    def sending(self, key_id: str, data: bytes) -> Iterator[None]:
        """Count *data* for the key while it is being sent."""
        if len(data) < LARGE_BYTES:
            yield
            return
        self._bytes[key_id] += len(data)
        try:
            yield
        finally:
            self._forget(key_id, len(data))

    def share(self, key_id: str, name: Hashable, make: Callable[[], bytes]) -> Shared:
        """The data called *name*. *make* is called, and the data counted, once for all connections that send it now."""
        shared = self._shared.get(name)
        if shared is None:
            shared = self._shared[name] = Shared(key_id, name, make())
            self._bytes[key_id] += len(shared.data)
        shared.readers += 1
        return shared

    def release(self, shared: Shared) -> None:
        """One connection has sent it, or ended."""
        shared.readers -= 1
        if not shared.readers:
            del self._shared[shared.name]
            self._forget(shared.key_id, len(shared.data))

    def _forget(self, key_id: str, size_bytes: int) -> None:
        self._bytes[key_id] -= size_bytes
        if not self._bytes[key_id]:
            del self._bytes[key_id]
