"""The kernels of one recipe: unused, lent or ending, and the requests that wait for one."""

from __future__ import annotations

import asyncio
import math
from collections import deque
from dataclasses import dataclass
from typing import Generic, TypeVar

from gateway.core.errors import GatewayError
from gateway.core.plan import Demand, PoolState
from gateway.kernel.launch.launcher import LaunchRequest
from gateway.pool.kernel import Kernel

K = TypeVar("K", bound=Kernel)
Waiter = asyncio.Future[K]


@dataclass(frozen=True, slots=True)
class PoolSnapshot:
    """One pool's gauges. *is_default*: of a language's default recipe, so kept filled."""

    language: str
    is_default: bool
    idle: int
    starting: int
    leased: int
    ending: int
    waiting: int
    target: int
    failures: int
    failing_since_utc: float | None = None
    """When the first of the failed starts in a row was, in seconds since 1970."""


class Shelf(Generic[K]):
    """Bookkeeping only: nothing here waits, starts or ends anything."""

    def __init__(self, name: str, request: LaunchRequest, minimum: int, maximum_idle: int) -> None:
        self.name = name
        self.request = request
        self.starts: set[asyncio.Task[None]] = set()
        self.lent: dict[str, K] = {}
        self.ending: dict[str, K] = {}
        self.waiters: deque[Waiter[K]] = deque()
        self.failures = 0
        self.failing_since_utc: float | None = None
        self.held_s = 1.0
        """How long a lease takes, as a moving average."""
        self._minimum = minimum
        self._maximum_idle = maximum_idle
        self._idle: dict[str, K] = {}
        self._lent_at: dict[str, float] = {}
        self._last_lent_at = -math.inf
        self._failed_at = -math.inf
        self._first_failed_at = math.inf
        self._demand = Demand()
        self._target = minimum

    @property
    def language(self) -> str:
        """What its kernels speak."""
        return self.request.language

    @property
    def is_needed(self) -> bool:
        """Whether it has kernels or requests, or is to be kept filled."""
        return bool(self._maximum_idle or self._idle or self.starts or self.lent or self.ending or self.waiters)

    def is_above_minimum(self, now: float) -> bool:
        """Whether demand keeps more kernels ready than the minimum; demand fades with time."""
        return self._demand.target(self._minimum, self._maximum_idle, now) > self._minimum

    def state(self, now: float) -> PoolState:
        """What the plan needs to know."""
        self._target = self._demand.target(self._minimum, self._maximum_idle, now)
        return PoolState(
            self.name,
            tuple(self._idle),
            len(self.starts),
            len(self.lent),
            len(self.ending),
            len(self.waiters),
            self._target,
            self.request.policy.memory_bytes,
            self.failures,
            self._failed_at,
            self._last_lent_at,
        )

    def snapshot(self) -> PoolSnapshot:
        """Its gauges."""
        return PoolSnapshot(
            self.language,
            self._maximum_idle > 0,
            len(self._idle),
            len(self.starts),
            len(self.lent),
            len(self.ending),
            len(self.waiters),
            self._target,
            self.failures,
            self.failing_since_utc,
        )

    def failing_s(self) -> float:
        """For how long starts had been failing at the last failed one."""
        return max(0.0, self._failed_at - self._first_failed_at)

    def note_asked(self, now: float) -> None:
        """A request came."""
        self._demand = self._demand.asked(now)

    def note_started(self, took_s: float) -> None:
        """A start succeeded."""
        self.failures, self._first_failed_at, self.failing_since_utc = 0, math.inf, None
        self._demand = self._demand.started(took_s)

    def note_failed(self, now: float, now_utc: float) -> None:
        """A start failed."""
        if not self.failures:
            self._first_failed_at, self.failing_since_utc = now, now_utc
        self.failures += 1
        self._failed_at = now

    def lend(self, now: float) -> K | None:
        """The oldest unused kernel; None if requests wait already or no kernel is alive."""
        if any(not waiter.done() for waiter in self.waiters):
            return None
        for kernel_id, kernel in list(self._idle.items()):
            if kernel.is_alive:
                del self._idle[kernel_id]
                return self._lend(kernel, now)
        return None

    def offer(self, kernel: K, now: float) -> None:
        """Give a new kernel to the request that has waited longest, or keep it."""
        while self.waiters:
            waiter = self.waiters.popleft()
            if not waiter.done():
                waiter.set_result(self._lend(kernel, now))
                return
        self._idle[kernel.kernel_id] = kernel

    def _lend(self, kernel: K, now: float) -> K:
        self.lent[kernel.kernel_id] = kernel
        self._lent_at[kernel.kernel_id] = self._last_lent_at = now
        return kernel

    def note_held(self, kernel_id: str, now: float) -> None:
        """A lease is over: update the moving average. Kept kernels are not counted, as they say nothing about waiting."""
        if kernel_id in self.lent:
            self.held_s += 0.1 * (now - self._lent_at[kernel_id] - self.held_s)

    def return_(self, kernel_id: str) -> None:
        """A lent kernel is ending."""
        kernel = self.lent.pop(kernel_id, None)
        if kernel is not None:
            self.ending[kernel_id] = kernel
            del self._lent_at[kernel_id]

    def take_idle(self, kernel_ids: tuple[str, ...]) -> list[K]:
        """These unused kernels, which end now."""
        taken = [self._idle.pop(kernel_id) for kernel_id in kernel_ids if kernel_id in self._idle]
        self.ending.update({kernel.kernel_id: kernel for kernel in taken})
        return taken

    def take_all_idle(self) -> list[K]:
        """All unused kernels, which end now."""
        return self.take_idle(tuple(self._idle))

    def forget(self, kernel_id: str) -> bool:
        """The kernel is gone; whether it was unused."""
        was_idle = self._idle.pop(kernel_id, None) is not None
        self.lent.pop(kernel_id, None)
        self._lent_at.pop(kernel_id, None)
        self.ending.pop(kernel_id, None)
        return was_idle

    def fail_waiters(self, error: GatewayError) -> None:
        """Fail all requests that wait with *error*."""
        while self.waiters:
            waiter = self.waiters.popleft()
            if not waiter.done():
                waiter.set_exception(error)
