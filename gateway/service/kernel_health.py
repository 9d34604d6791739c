"""Read-only view of the launcher: is it ready, which versions, do kernels start?"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Protocol

from gateway.core.errors import Unavailable
from gateway.pool.recipe_pool import PoolSnapshot
from kernels.contract import Language, Ready

FAILURES = 3
"""After so many failed starts in a row, and with no unused kernel left, a language counts as unavailable."""


class WatchedLauncher(Protocol):
    """A launcher on a spawner: zygote_launcher.ZygoteLauncher."""

    @property
    def ready(self) -> Ready:
        """What the spawner said of itself. Raises Unavailable while there is none."""

    @property
    def unavailable_since(self) -> float | None:
        """Since when there is none, in seconds since 1970."""

    async def use_packages(self, extra_dirs: tuple[str, ...]) -> None:
        """Show kernels started from now on these read-only directories too."""


class KernelHealth:
    """The launcher, and what the pool has experienced with it."""

    def __init__(
        self, launcher: WatchedLauncher, snapshot: Callable[[], Iterable[PoolSnapshot]], renew: Callable[[], None]
    ) -> None:
        self._launcher = launcher
        self._snapshot = snapshot
        self._renew = renew

    @property
    def ready(self) -> Ready:
        """What the spawner reports. Raises Unavailable while Python's kernels do not start, whatever it reports."""
        if not self.starts("python"):
            raise Unavailable("kernels can't be started")
        return self._launcher.ready

    @property
    def unavailable_since(self) -> float | None:
        """Since when Python's kernels can't be had, in seconds since 1970; None while they can."""
        begun = [self._launcher.unavailable_since, *(pool.failing_since_utc for pool in self._failing("python"))]
        return min((moment for moment in begun if moment is not None), default=None)

    def starts(self, language: Language) -> bool:
        """Whether kernels of *language* start, as far as the pool knows."""
        return not self._failing(language)

    def _failing(self, language: Language) -> list[PoolSnapshot]:
        pools = (pool for pool in self._snapshot() if pool.language == language)
        return [pool for pool in pools if pool.failures >= FAILURES and not pool.idle]

    def versions(self) -> Mapping[str, str]:
        """The distributions kernels have and their versions. Raises Unavailable."""
        return self._launcher.ready.packages

    async def use_packages(self, extra_dirs: tuple[str, ...]) -> None:
        """Show every kernel lent from now on these read-only directories too."""
        await self._launcher.use_packages(extra_dirs)
        self._renew()
