"""A pool of kernels without substance, on a clock that jumps, opened and closed around a test."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from dataclasses import dataclass, field
from typing import Any

from gateway.core.model import Death
from gateway.core.plan import MIB, Limits
from gateway.pool.pool import KernelPool, PoolSettings
from gateway.pool.recipe_pool import PoolSnapshot
from kernels.contract import Policy
from tests.fakes import FakeStarter, SilentKernel, in_fake_time

Pool = KernelPool[SilentKernel]
SMALL = Policy(memory_bytes=64 * MIB)


@dataclass
class Tally:
    """Counts what the pool tells."""

    started: list[float] = field(default_factory=list)
    failed: list[str] = field(default_factory=list)
    ended: list[tuple[Death, bool]] = field(default_factory=list)

    def kernel_started(self, language: str, took_s: float) -> None:
        """One more."""
        self.started.append(took_s)

    def start_failed(self, language: str, reason: str) -> None:
        """One more."""
        self.failed.append(reason)

    def kernel_ended(self, language: str, death: Death, *, was_idle: bool) -> None:
        """One more."""
        self.ended.append((death, was_idle))


def settings(minimum: int = 2, **changes: Any) -> PoolSettings:
    """Settings for the tests."""
    limits = changes.pop("limits", Limits(kernels=8, memory_bytes=10**12, start_concurrency=2))
    return PoolSettings(minimum={"python": minimum}, limits=limits, **changes)


def run(
    main: Callable[[Pool, FakeStarter], Coroutine[Any, Any, None]],
    chosen: PoolSettings | None = None,
    starter: FakeStarter | None = None,
    tally: Tally | None = None,
) -> FakeStarter:
    """Open a pool, run *main* on it, close it; then no kernel may be left."""
    starter = starter or FakeStarter()

    async def whole() -> None:
        pool: Pool = KernelPool(starter, chosen or settings(), tally)
        pool.open()
        try:
            await main(pool, starter)
        finally:
            await pool.close()
        others = asyncio.all_tasks() - {asyncio.current_task()}
        assert not others, f"tasks without an owner: {others}"

    in_fake_time(whole())
    assert starter.alive == []
    return starter


def only(pool: Pool) -> PoolSnapshot:
    """The gauges of the one pool there is."""
    (snapshot,) = pool.snapshot()
    return snapshot
