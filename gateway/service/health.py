"""The health of the gateway: are kernels available? Anybody may read the answer."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Protocol

from gateway.core.errors import Unavailable
from kernels.contract import Language, Ready

NODE = "Node.js"
"""The name of Node's version among those of the packages."""


@dataclass(frozen=True, slots=True)
class HealthReport:
    """The health of the gateway. Nothing in it helps an attacker."""

    available: bool
    python_version: str
    isolation: str
    not_sandboxed: Sequence[str] = ()
    """Kernelspecs that the operator allows in the Jupyter API, to which *isolation* does not apply."""
    has_javascript: bool = False
    javascript_version: str = "unknown"
    unavailable_since_utc: float | None = None
    """In seconds since the epoch; None while kernels are available."""


class Source(Protocol):
    """The source of kernels: kernel_health.KernelHealth."""

    @property
    def ready(self) -> Ready:
        """What the spawner said of itself. Raises Unavailable while there is none."""

    @property
    def unavailable_since(self) -> float | None:
        """Since when Python's kernels can't be had, in seconds since 1970; None while they can."""

    def starts(self, language: Language) -> bool:
        """Whether kernels of *language* start."""


class Health:
    """Reports health from what the spawner said. It starts nothing, so it may be asked often."""

    def __init__(self, source: Source, not_sandboxed: Sequence[str] = ()) -> None:
        self._source = source
        self._last = HealthReport(False, "unknown", "unknown", tuple(not_sandboxed))

    def report(self) -> HealthReport:
        """The health now. While no kernel can start, version and level are the last ones known."""
        try:
            ready = self._source.ready
        except Unavailable:
            since_utc = self._source.unavailable_since
            return replace(self._last, available=False, has_javascript=False, unavailable_since_utc=since_utc)
        node = ready.packages.get(NODE)
        self._last = replace(
            self._last,
            available=True,
            python_version=f"Python {ready.python_version}",
            isolation=ready.level,
            has_javascript=node is not None and self._source.starts("javascript"),
            javascript_version=f"Node.js {node}" if node else "unknown",
        )
        return self._last

    def available(self) -> dict[str, int]:
        """For each language there are kernels of, 1 while they can be had and 0 while they can't."""
        report = self.report()
        node = {} if report.javascript_version == "unknown" else {"javascript": int(report.has_javascript)}
        return {"python": int(report.available), **node}
