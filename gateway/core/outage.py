"""How long no spawner has been ready, and when the next start is due."""

from __future__ import annotations

from dataclasses import dataclass, replace

DELAYS_S = (0.0, 1.0, 5.0, 15.0, 30.0)
"""Delay before each attempt; the last one repeats. The causes of a failed start (full memory, packages that are being
replaced) mostly disappear without a notification."""


@dataclass(frozen=True, slots=True)
class Outage:
    """No spawner is ready. *since_utc* is in seconds since 1970; *failures* counts the failed attempts."""

    since_utc: float
    failures: int = 0

    @property
    def delay_s(self) -> float:
        """The delay before the next attempt."""
        return DELAYS_S[min(self.failures, len(DELAYS_S) - 1)]

    @property
    def is_lasting(self) -> bool:
        """The short delays are used up, so an operator should look into it."""
        return self.failures >= len(DELAYS_S) - 1

    def failed(self) -> Outage:
        """The same after one more failed attempt."""
        return replace(self, failures=self.failures + 1)
