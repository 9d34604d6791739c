"""Where kernels come from, as seen by those who only want to know how it is."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Protocol

from gateway.core.errors import Unavailable
from kernels.contract import Ready

FAILURES = 3
"""After so many failed starts in a row, with no kernel left, there are none to be had."""


class Launcher(Protocol):
    """See kernel.zygote.ZygoteLauncher."""

    @property
    def ready(self) -> Ready:
        """What the spawner said of itself. Raises Unavailable while there is none."""

    async def use_packages(self, extra_dirs: tuple[str, ...]) -> None:
        """Show kernels started from now on these read-only directories too."""


class Snapshot(Protocol):
    """The gauges of one pool; see pool.shelf.PoolSnapshot."""

    @property
    def idle(self) -> int: ...
    @property
    def failures(self) -> int: ...


class KernelSource:
    """A launcher together with what the pool has met when it used it."""

    def __init__(self, launcher: Launcher, snapshot: Callable[[], Iterable[Snapshot]], renew: Callable[[], None]) -> None:
        self._launcher = launcher
        self._snapshot = snapshot
        self._renew = renew

    @property
    def ready(self) -> Ready:
        """What the spawner said of itself. Raises Unavailable when kernels can't be had, whatever it said."""
        if any(pool.failures >= FAILURES and not pool.idle for pool in self._snapshot()):
            raise Unavailable("kernels do not start")
        return self._launcher.ready

    def versions(self) -> Mapping[str, str]:
        """The distributions kernels have and their versions. Raises Unavailable."""
        return self._launcher.ready.packages

    async def use_packages(self, extra_dirs: tuple[str, ...]) -> None:
        """Show every kernel lent from now on these read-only directories too."""
        await self._launcher.use_packages(extra_dirs)
        self._renew()
