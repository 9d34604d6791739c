"""Samples and what is said of them."""

from __future__ import annotations

import math
import statistics
from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Samples:
    """What was measured, in *unit*; the median stands for it."""

    values: tuple[float, ...]
    unit: str = "ms"

    @property
    def p50(self) -> float:
        """The median."""
        return statistics.median(self.values)

    @property
    def p95(self) -> float:
        """The value that 95 of 100 do not exceed (nearest rank)."""
        return sorted(self.values)[max(0, math.ceil(0.95 * len(self.values)) - 1)]

    def shown(self) -> str:
        """Median and p95 with the unit, or the one value there is."""
        if len(self.values) == 1:
            return f"{_digits(self.p50)} {self.unit}"
        return f"{_digits(self.p50)} {self.unit} (p95 {_digits(self.p95)}, n={len(self.values)})"


@dataclass(frozen=True, slots=True)
class Row:
    """One line of the table: *ours* against *theirs*; *reach* is the ratio of the two that is wanted."""

    work: str
    against: str
    ours: Samples
    theirs: Samples
    reach: str

    @property
    def ratio(self) -> float:
        """How many times the peer's number ours is, by the medians."""
        return self.ours.p50 / self.theirs.p50 if self.theirs.p50 else math.inf

    def cells(self) -> Sequence[str]:
        """The row's cells, as text."""
        return (
            self.work,
            self.ours.shown(),
            self.against,
            self.theirs.shown(),
            f"{self.ratio:.2g}" if self.ratio < 0.1 else f"{self.ratio:.2f}",
            self.reach,
        )


def _digits(value: float) -> str:
    return f"{value:.3g}" if value < 100 else f"{value:.0f}"
