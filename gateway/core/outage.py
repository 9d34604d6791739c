"""Since when there has been no spawner that is ready, and when another one is due."""

from __future__ import annotations

from dataclasses import dataclass, replace

DELAYS_S = (0.0, 1.0, 5.0, 15.0, 30.0)
"""Before each attempt in a row; the last one again and again. What keeps a spawner from starting (full memory, packages that
are being replaced) mostly passes without anybody telling."""


@dataclass(frozen=True, slots=True)
class Outage:
    """There is no spawner that is ready. *since_utc* is in seconds since 1970; *failures* counts the attempts in vain."""

    since_utc: float
    failures: int = 0

    @property
    def delay_s(self) -> float:
        """How long to leave it before the next attempt."""
        return DELAYS_S[min(self.failures, len(DELAYS_S) - 1)]

    @property
    def is_lasting(self) -> bool:
        """The short delays are used up, so somebody should have a look."""
        return self.failures >= len(DELAYS_S) - 1

    def failed(self) -> Outage:
        """The same after one more attempt in vain."""
        return replace(self, failures=self.failures + 1)
