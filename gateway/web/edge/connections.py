"""Which connections are open, so that their number has an end, and a new caller finds room although idle ones hold it."""

from __future__ import annotations

from typing import Protocol


class Connection(Protocol):
    """An open connection."""

    def close(self) -> None:
        """Close it at once."""


class Connections:
    """Open connections in two kinds: *working* ones have a caller with a right token, all others are *waiting*.

    Who only waits (idle, slow with its headers, refused) has to go when a new one comes and there is no room, the longest
    waiting first. So thousands of silent connections keep nobody out, and nobody can end another's run.
    """

    def __init__(self, most: int) -> None:
        self._most = most
        self._waiting: dict[Connection, None] = {}
        self._working: set[Connection] = set()
        self._upgraded: set[Connection] = set()

    def __len__(self) -> int:
        """How many are open."""
        return len(self._waiting) + len(self._working)

    def states(self) -> dict[str, int]:
        """How many are open: answering a request, as WebSockets, and neither."""
        asking = len(self._working - self._upgraded)
        return {"request": asking, "websocket": len(self._upgraded), "waiting": len(self._waiting)}

    def enter(self, connection: Connection) -> bool:
        """Whether there is room for *connection*, made by closing another one if need be."""
        if len(self) >= self._most:
            oldest = next(iter(self._waiting), None)
            if oldest is None:
                return False
            del self._waiting[oldest]
            oldest.close()
        self._waiting[connection] = None
        return True

    def work(self, connection: Connection) -> None:
        """Its caller is known: it stays until its request is answered."""
        if connection in self._waiting:
            del self._waiting[connection]
            self._working.add(connection)

    def wait(self, connection: Connection) -> None:
        """Its request is answered, or it has not sent one."""
        if connection in self._working or connection in self._waiting:
            self._working.discard(connection)
            self._waiting.pop(connection, None)
            self._waiting[connection] = None

    def upgrade(self, connection: Connection) -> None:
        """It goes on as a WebSocket: it counts as working until `release`, although HTTP leaves it."""
        if connection in self._working or connection in self._waiting:
            self.work(connection)
            self._upgraded.add(connection)

    def release(self, connection: Connection) -> None:
        """The WebSocket is closed."""
        self._upgraded.discard(connection)
        self.leave(connection)

    def leave(self, connection: Connection) -> None:
        """It is closed, or nobody speaks HTTP on it any more."""
        if connection not in self._upgraded:
            self._working.discard(connection)
            self._waiting.pop(connection, None)
