"""Whether kernels can be had right now, in words that are fit for anyone."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from gateway.core.errors import Unavailable
from kernels.contract import Ready


@dataclass(frozen=True, slots=True)
class HealthReport:
    """How things stand: nothing here helps an attacker."""

    available: bool
    python_version: str
    isolation: str


class Source(Protocol):
    """Where kernels come from; see kernel.zygote.ZygoteLauncher."""

    @property
    def ready(self) -> Ready:
        """What the spawner said of itself. Raises Unavailable while there is none."""


class Health:
    """Answers from what the spawner said; it starts nothing, so it can be asked often."""

    def __init__(self, source: Source) -> None:
        self._source = source
        self._last = HealthReport(False, "unknown", "unknown")

    def report(self) -> HealthReport:
        """How things stand now; while no kernel can start, the version and level are the last ones known."""
        try:
            ready = self._source.ready
        except Unavailable:
            return HealthReport(False, self._last.python_version, self._last.isolation)
        self._last = HealthReport(True, f"Python {ready.python_version}", ready.level)
        return self._last
