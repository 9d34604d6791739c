"""Quota of kernels held by sessions and Jupyter clients, per key and in total; some stay free for single runs."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field

from gateway.core.errors import Busy, TooManyRequests
from gateway.core.plan import Limits
from gateway.core.request import Caller
from kernels.contract import Policy

RETRY_AFTER_S = 30.0
"""When a kernel will be given back is not known; asking more often is of no use."""


@dataclass(frozen=True, slots=True)
class Room:
    """What all kept kernels together may use: a number of kernels, and memory.

    *policy* has the limits of kernels whose key has none of its own.
    """

    kernels: int = 30
    memory_bytes: int = 4096 * 1024 * 1024
    policy: Policy = field(default_factory=Policy)
    limits: Limits = field(default_factory=Limits)

    @classmethod
    def beside(cls, reserve: int, most: int, policy: Policy, limits: Limits) -> Room:
        """What *limits* leave if *reserve* kernels stay free for single runs; at most *most* kernels unless that is 0."""
        kernels = max(0, limits.kernels - reserve)
        memory_bytes = limits.memory_bytes - reserve * _cost_bytes(policy, limits)
        return cls(min(kernels, most) if most else kernels, memory_bytes, policy, limits)

    def cost_bytes(self, policy: Policy | None) -> int:
        """The memory of one kernel, as the pool counts it."""
        return _cost_bytes(policy or self.policy, self.limits)


def _cost_bytes(policy: Policy, limits: Limits) -> int:
    return int(max(limits.idle_bytes, policy.memory_bytes * limits.used_share))


class Quota:
    """Counts the kernels that keys keep: those of sessions and those of the Jupyter API together."""

    def __init__(self, most_per_key: int, room: Room | None = None) -> None:
        self._most_per_key = most_per_key
        self._room = room or Room()
        self._taken: Counter[str] = Counter()
        self._used_bytes = 0

    @property
    def taken(self) -> int:
        """How many are kept now."""
        return self._taken.total()

    def take(self, caller: Caller) -> None:
        """Count one more for *caller*. Raises TooManyRequests if its key is at its quota, Busy if the total is."""
        most = self._most_per_key if caller.limits.sessions is None else caller.limits.sessions
        if self._taken[caller.key_id] >= most:
            raise TooManyRequests(
                f"This key may keep {most} {'session' if most == 1 else 'sessions'}, sandboxes or Jupyter kernels: "
                "delete one first.",
                retry_after_s=RETRY_AFTER_S,
            )
        cost_bytes = self._room.cost_bytes(caller.policy)
        if self.taken >= self._room.kernels or self._used_bytes + cost_bytes > self._room.memory_bytes:
            raise Busy(
                "All kernels for sessions, sandboxes and Jupyter clients are in use; runs without a session still work.",
                retry_after_s=RETRY_AFTER_S,
            )
        self._taken[caller.key_id] += 1
        self._used_bytes += cost_bytes

    def give_back(self, caller: Caller) -> None:
        """Count one less for *caller*, for whom take() counted it."""
        self._taken[caller.key_id] -= 1
        self._used_bytes -= self._room.cost_bytes(caller.policy)
        if self._taken[caller.key_id] <= 0:
            del self._taken[caller.key_id]
