"""Decides which kernels to start and stop, from the state of all pools. Pure.

A pool holds kernels of one *recipe* (language, limits, environment). Its target of unused kernels follows demand between a
minimum and a maximum; all pools together stay within a number of kernels and an amount of memory.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

MIB = 1024 * 1024
WINDOW_S = 10.0
"""The time constant of the moving average of demand."""
SLOT_S = 0.1
HEADROOM = 2.0


@dataclass(frozen=True, slots=True)
class Limits:
    """The limits of all pools together. *idle_bytes* is the unshared memory of an unused kernel."""

    kernels: int = 32
    memory_bytes: int = 4096 * MIB
    idle_bytes: int = 48 * MIB
    used_share: float = 0.25
    """The share of its memory limit that a leased kernel is expected to use; 1 reserves the whole limit for each."""
    start_concurrency: int = 2
    refill_delay_s: float = 0.02
    """Pause before refilling, so that a starting kernel does not slow the run that has just begun."""
    backoff_s: float = 0.25
    max_backoff_s: float = 10.0


@dataclass(frozen=True, slots=True)
class PoolState:
    """The state of one pool. *idle* names the unused kernels, oldest first; *ending* ones are being killed."""

    name: str
    idle: tuple[str, ...] = ()
    starting: int = 0
    leased: int = 0
    ending: int = 0
    waiting: int = 0
    target: int = 0
    memory_bytes: int = 512 * MIB
    failures: int = 0
    failed_at: float = -math.inf
    lent_at: float = -math.inf

    @property
    def kernels(self) -> int:
        """The number of kernels that exist or are starting."""
        return len(self.idle) + self.starting + self.leased + self.ending


@dataclass(frozen=True, slots=True)
class Start:
    """Start *count* kernels for the pool *name*."""

    name: str
    count: int


@dataclass(frozen=True, slots=True)
class Stop:
    """End these unused kernels of the pool *name*."""

    name: str
    kernel_ids: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Wake:
    """Nothing to do before *at*; plan again then."""

    at: float


Action = Start | Stop | Wake


def plan(pools: Sequence[PoolState], limits: Limits, now: float) -> list[Action]:
    """The actions that serve the waiting requests and keep enough unused kernels ready in every pool."""
    room = room_for(pools, limits)
    slots = limits.start_concurrency - sum(pool.starting for pool in pools)
    starts: list[Action] = []
    wakes: list[float] = []
    unmet = -sum(pool.ending for pool in pools)
    for pool in sorted(pools, key=_urgency):
        wanted, ready_at = _missing(pool), _ready_at(pool, limits)
        if wanted and ready_at > now:
            wakes.append(ready_at)
            continue
        # After a failure only one start at a time, to try whether starts work again.
        count = max(0, min(wanted, slots, room, 1 - pool.starting if pool.failures else wanted))
        if count:
            starts.append(Start(pool.name, count))
        slots, room = slots - count, room - count
        unmet += max(0, pool.waiting - pool.starting - count) if room <= 0 else 0
    stops = _stops(pools, unmet)
    return [*stops, *starts, *([Wake(min(wakes))] if wakes else [])]


def room_for(pools: Sequence[PoolState], limits: Limits) -> int:
    """The number of kernels that may still be started."""
    by_number = limits.kernels - sum(pool.kernels for pool in pools)
    unused = sum(len(pool.idle) + pool.starting for pool in pools)
    used_bytes = unused * limits.idle_bytes + sum(
        int((pool.leased + pool.ending) * max(limits.idle_bytes, pool.memory_bytes * limits.used_share)) for pool in pools
    )
    return min(by_number, (limits.memory_bytes - used_bytes) // limits.idle_bytes)


def _missing(pool: PoolState) -> int:
    return max(0, pool.waiting + pool.target - len(pool.idle) - pool.starting)


def _stops(pools: Sequence[PoolState], unmet: int) -> list[Action]:
    """End the oldest unused kernels above the target, and as many more as *unmet* requests of other pools need."""
    stops: list[Action] = []
    for pool in pools:
        if pool.waiting:
            continue
        surplus = max(0, len(pool.idle) + pool.starting - pool.target)
        count = min(len(pool.idle), max(surplus, unmet))
        if count > 0:
            stops.append(Stop(pool.name, pool.idle[:count]))
            unmet -= count
    return stops


def _urgency(pool: PoolState) -> tuple[bool, float]:
    """Pools with waiting requests first, then the emptiest."""
    return (pool.waiting == 0, (len(pool.idle) + pool.starting) / max(1, pool.target))


def _ready_at(pool: PoolState, limits: Limits) -> float:
    """The earliest time at which this pool may start kernels: not right after a failure or a lease."""
    ready_at = -math.inf
    if pool.failures:
        ready_at = pool.failed_at + backoff_s(pool.failures, limits)
    if not pool.waiting and pool.idle and pool.leased:
        ready_at = max(ready_at, pool.lent_at + limits.refill_delay_s)
    return ready_at


def backoff_s(failures: int, limits: Limits) -> float:
    """The delay after so many failed starts in a row."""
    return min(limits.max_backoff_s, limits.backoff_s * 2.0 ** min(failures - 1, 16))


@dataclass(frozen=True, slots=True)
class Demand:
    """Moving averages of the request rate and of the start time; immutable.

    It has two measures, for even requests and for bursts: the average rate, and the maximum within one short slot.
    """

    rate_per_s: float = 0.0
    slot_count: int = 0
    slot_at: float = -math.inf
    burst: float = 0.0
    counted_at: float = 0.0
    start_s: float = 0.1

    def asked(self, now: float) -> Demand:
        """The demand after one more request."""
        is_same_slot = now - self.slot_at < SLOT_S
        count = self.slot_count + 1 if is_same_slot else 1
        return replace(
            self,
            rate_per_s=self.rate_at(now) + 1 / WINDOW_S,
            slot_count=count,
            slot_at=self.slot_at if is_same_slot else now,
            burst=max(float(count), self.burst * self._fading(now)),
            counted_at=now,
        )

    def started(self, took_s: float) -> Demand:
        """The demand after one more start."""
        return replace(self, start_s=0.8 * self.start_s + 0.2 * took_s)

    def rate_at(self, now: float) -> float:
        """Requests per second; older ones count less."""
        return self.rate_per_s * self._fading(now)

    def target(self, minimum: int, maximum: int, now: float) -> int:
        """The number of unused kernels that bridges the time of a start, with headroom, within the two bounds."""
        steady = HEADROOM * self.rate_at(now) * self.start_s
        bursting = self.burst * self._fading(now)
        # Rounded down while a burst fades: one request a minute ago needs no kernel.
        wanted = math.floor(max(steady, bursting) + 0.5)
        return max(minimum, min(maximum, wanted))

    def _fading(self, now: float) -> float:
        return math.exp(-max(0.0, now - self.counted_at) / WINDOW_S)
