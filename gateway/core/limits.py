"""What one key may use, and the token bucket that counts how often something may be done."""

from __future__ import annotations

import math
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class KeyLimits:
    """The limits of one key; None leaves the gateway's own. *max_timeout_s* is the longest time a request may ask for."""

    requests_per_minute: int | None = None
    concurrent_runs: int | None = None
    memory_mb: int | None = None
    processes: int | None = None
    cpu_cores: float | None = None
    max_timeout_s: float | None = None
    output_bytes: int | None = None
    sessions: int | None = None


@dataclass(frozen=True, slots=True)
class Rate:
    """So many at once, then so many a minute."""

    per_minute: float
    burst: float

    @classmethod
    def of(cls, per_minute: int) -> Rate:
        """A whole minute's share may come at once."""
        return cls(float(per_minute), float(per_minute))


@dataclass(frozen=True, slots=True)
class Bucket:
    """How much of a Rate is left; a new one for each change. A bucket nobody has taken from is full."""

    missing: float = 0.0
    at: float = -math.inf

    def take(self, rate: Rate, now: float) -> tuple[Bucket, float]:
        """The bucket after one was taken and 0, or the same bucket and the seconds until there is one to take."""
        missing = self.missing_at(rate, now)
        wait_s = (missing + 1 - rate.burst) * 60 / rate.per_minute
        # Sums of many small parts are not exact: half a millisecond is not worth a refusal.
        if wait_s > 0.0005:
            return Bucket(missing, now), wait_s
        return Bucket(missing + 1, now), 0.0

    def missing_at(self, rate: Rate, now: float) -> float:
        """How many are to come back until the bucket is full; with a smaller rate never more than it holds."""
        if self.missing <= 0:
            return 0.0
        regained = max(0.0, now - self.at) * rate.per_minute / 60
        return min(max(0.0, self.missing - regained), rate.burst)


@dataclass(frozen=True, slots=True)
class Timeouts:
    """The default and the largest timeout a request may ask for."""

    default_s: float = 30.0
    max_s: float = 300.0

    def within(self, max_s: float | None) -> Timeouts:
        """These for a caller whose own maximum is *max_s*."""
        return self if max_s is None else Timeouts(min(self.default_s, max_s), max_s)
