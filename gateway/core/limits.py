"""The limits of one key, and a token bucket for rates."""

from __future__ import annotations

import math
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class KeyLimits:
    """The limits of one key; None means the gateway's own. *max_timeout_s* is the maximum time limit of a run."""

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
    """A burst size and a number per minute."""

    per_minute: float
    burst: float

    @classmethod
    def of(cls, per_minute: int) -> Rate:
        """A whole minute's number may come in one burst."""
        return cls(float(per_minute), float(per_minute))


@dataclass(frozen=True, slots=True)
class Bucket:
    """The tokens left of a Rate; immutable. A new bucket is full."""

    missing: float = 0.0
    at: float = -math.inf

    def take(self, rate: Rate, now: float) -> tuple[Bucket, float]:
        """The bucket after one token was taken and 0, or the same bucket and the seconds until the next token."""
        missing = self.missing_at(rate, now)
        wait_s = (missing + 1 - rate.burst) * 60 / rate.per_minute
        # Sums of many small parts are not exact: half a millisecond is not worth a refusal.
        if wait_s > 0.0005:
            return Bucket(missing, now), wait_s
        return Bucket(missing + 1, now), 0.0

    def missing_at(self, rate: Rate, now: float) -> float:
        """The number of missing tokens; with a smaller rate at most its burst size."""
        if self.missing <= 0:
            return 0.0
        regained = max(0.0, now - self.at) * rate.per_minute / 60
        return min(max(0.0, self.missing - regained), rate.burst)


@dataclass(frozen=True, slots=True)
class Timeouts:
    """The default and the maximum time limit of a run."""

    default_s: float = 30.0
    max_s: float = 300.0

    def within(self, max_s: float | None) -> Timeouts:
        """These limits for a caller whose own maximum is *max_s*."""
        return self if max_s is None else Timeouts(min(self.default_s, max_s), max_s)
