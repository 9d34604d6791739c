"""When a session ends by itself: after its idle time, or at the end of its life. Pure."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

Due = Literal["culled", "expired"]
"""culled: it was idle for too long. expired: it has reached the longest life a session may have."""


@dataclass(frozen=True, slots=True)
class Expiry:
    """The times of one session, all on one clock."""

    idle_s: float
    """How long it may be without a run."""
    ends_at: float
    """When it ends whatever is done in it; infinity for never."""
    active_at: float
    """When something was done in it last."""

    @property
    def due_at(self) -> float:
        """When it ends unless something is done in it before."""
        return min(self.active_at + self.idle_s, self.ends_at)

    def touched(self, now: float) -> Expiry:
        """The same session, in which something was done just now."""
        return replace(self, active_at=now)

    def has_expired(self, now: float) -> bool:
        """Whether no other run may begin in it."""
        return now >= self.ends_at

    def due(self, now: float, *, is_busy: bool) -> Due | None:
        """Why it is to be ended now, None while it may go on. A run that goes on is never cut off."""
        if is_busy or now < self.due_at:
            return None
        return "expired" if self.due_at == self.ends_at else "culled"
