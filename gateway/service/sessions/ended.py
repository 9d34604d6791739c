"""Why sessions have ended, and how callers read it. Pure."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Set
from datetime import UTC, datetime
from typing import Final

MAX_ENDED: Final = 1000
"""Ended sessions that are remembered for each key; older ones answer as if they had never been there."""


class EndedSessions:
    """Why each session ended, for the key that had it; bounded for each key."""

    def __init__(self) -> None:
        self._by_key: dict[str, OrderedDict[str, str]] = {}

    def remember(self, key_id: str, session_id: str, sentence: str) -> None:
        """*sentence* tells why the session ended; the key's oldest is forgotten over the bound."""
        ended = self._by_key.setdefault(key_id, OrderedDict())
        ended[session_id] = sentence
        if len(ended) > MAX_ENDED:
            ended.popitem(last=False)

    def why(self, key_id: str, session_id: str) -> str | None:
        """Why this session of this very key ended; None when nothing is remembered."""
        ended = self._by_key.get(key_id)
        return None if ended is None else ended.get(session_id)

    def keep_only(self, key_ids: Set[str]) -> None:
        """Forget the sessions of all other keys."""
        for key_id in self._by_key.keys() - key_ids:
            del self._by_key[key_id]


def end_sentence(reason: str, at_utc: float, what: str = "session") -> str:
    """The sentence for callers of a session, or of *what* else, that ended for *reason* at *at_utc* (seconds since 1970)."""
    moment = datetime.fromtimestamp(at_utc, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    return f"This {what} {reason}, at {moment}: create a new one."


def duration(seconds: float) -> str:
    """*seconds* in words for people: 30 minutes, 1.5 seconds."""
    for size, name in ((86_400, "day"), (3600, "hour"), (60, "minute")):
        if seconds >= size and seconds % size == 0:
            count = int(seconds // size)
            return f"{count} {name}{'s' if count != 1 else ''}"
    return f"{seconds:g} second{'s' if seconds != 1 else ''}"
