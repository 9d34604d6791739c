"""The open connections: their number is bounded, and idle ones are closed to make room for newcomers."""

from __future__ import annotations

from typing import Protocol


class Connection(Protocol):
    """An open connection."""

    def close(self) -> None:
        """Close it at once."""


class Connections:
    """Open connections: *working* ones carry the request of a caller with a valid token, all others are *waiting*.

    When there is no room for a new connection, the one that has waited longest is closed: it is idle, slow with its headers
    or was refused. So thousands of silent connections keep nobody out, and no client can end another's run.
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
        """The number of connections in each state, for the metrics."""
        asking = len(self._working - self._upgraded)
        return {"request": asking, "websocket": len(self._upgraded), "waiting": len(self._waiting)}

    def enter(self, connection: Connection) -> bool:
        """Add *connection*, closing a waiting one if necessary. False when there is no room."""
        if len(self) >= self._most:
            oldest = next(iter(self._waiting), None)
            if oldest is None:
                return False
            del self._waiting[oldest]
            oldest.close()
        self._waiting[connection] = None
        return True

    def work(self, connection: Connection) -> None:
        """Its caller is known: keep it until its request is answered."""
        if connection in self._waiting:
            del self._waiting[connection]
            self._working.add(connection)

    def wait(self, connection: Connection) -> None:
        """Its request is answered, or has not come yet."""
        if connection in self._working or connection in self._waiting:
            self._working.discard(connection)
            self._waiting.pop(connection, None)
            self._waiting[connection] = None

    def upgrade(self, connection: Connection) -> None:
        """It becomes a WebSocket: it works until `release`, although `leave` is called when HTTP ends on it."""
        if connection in self._working or connection in self._waiting:
            self.work(connection)
            self._upgraded.add(connection)

    def release(self, connection: Connection) -> None:
        """The WebSocket is closed."""
        self._upgraded.discard(connection)
        self.leave(connection)

    def leave(self, connection: Connection) -> None:
        """It is closed, or no longer speaks HTTP."""
        if connection not in self._upgraded:
            self._working.discard(connection)
            self._waiting.pop(connection, None)
