"""The kernels of one sandbox: the first is the pool's, and its place is the sandbox's; the others join it as guests."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Protocol

from gateway.kernel.launch.launcher import LaunchRequest
from gateway.kernel.launch.place import Command, CommandProcess, Places
from gateway.pool.kernel import Kernel
from kernels.contract import Language, Policy


class OwnerPool(Protocol):
    """The pool, as the source of first kernels: pool.KernelPool."""

    async def take(self, language: Language, policy: Policy | None = None) -> Kernel:
        """A kernel to keep. Raises Busy or Unavailable."""

    def discard(self, kernel: Kernel) -> None:
        """End a kernel that was taken."""

    def keep_counting(self, kernel: Kernel, gone: Callable[[], Awaitable[None]]) -> None:
        """Count it as lent until *gone* has returned."""


class GuestStarter(Protocol):
    """Starts kernels in places: kernel.start.KernelStarter."""

    async def start(self, request: LaunchRequest) -> Kernel:
        """A kernel that answers. Raises Unavailable."""


@dataclass(frozen=True, slots=True)
class PlaceMaker:
    """Makes places of the pool's kernels. *policy* has the limits of callers who have none of their own."""

    pool: OwnerPool
    starter: GuestStarter
    places: Places
    policy: Policy

    async def make(self, policy: Policy | None) -> PlaceKernels:
        """A place that is held. Raises Busy or Unavailable."""
        owner = await self.pool.take("python", policy)
        try:
            self.places.hold(owner.kernel_id)
        except BaseException:
            self.pool.discard(owner)
            raise
        self.pool.keep_counting(owner, lambda: self.places.place_gone(owner.kernel_id))
        return PlaceKernels(owner, self.starter, self.places, policy or self.policy)


class PlaceKernels:
    """One place, and the kernels in it."""

    def __init__(self, owner: Kernel, starter: GuestStarter, places: Places, policy: Policy) -> None:
        self.place_id = owner.kernel_id
        self._owner: Kernel | None = owner
        self._starter = starter
        self._places = places
        self._policy = policy
        self._killing: set[asyncio.Task[object]] = set()

    async def take(self, language: Language) -> Kernel:
        """A kernel in the place. Raises Unavailable once that is gone."""
        owner = self._owner
        if owner is not None and language == "python":
            self._owner = None
            if owner.is_alive:
                return owner
        return await self._starter.start(LaunchRequest(language, self._policy, place=self.place_id))

    def discard(self, kernel: Kernel) -> None:
        """End one kernel. The place stays."""
        task = asyncio.create_task(_kill(kernel))
        self._killing.add(task)
        task.add_done_callback(self._killing.discard)

    async def run_command(self, command: Command) -> CommandProcess:
        """*command* as it runs in the place. Raises CommandNotStarted, and Unavailable once that is gone."""
        return await self._places.run_command(self.place_id, command)

    async def gone(self) -> None:
        """Wait until nothing is left of the place, whoever ended it."""
        await self._places.place_gone(self.place_id)

    async def end(self) -> None:
        """End the place with all that is in it; answers once nothing of it is left."""
        await self._places.end_place(self.place_id)
        while self._killing:
            await asyncio.wait(self._killing)


async def _kill(kernel: Kernel) -> object:
    return await kernel.kill()
