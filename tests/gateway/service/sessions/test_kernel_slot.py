"""The kernel of one session: whoever waits for it gets the newest, and every other one is ended."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field

import pytest

from gateway.core.errors import Busy, Gone
from gateway.kernel.launch.launcher import LaunchRequest
from gateway.service.sessions.kernel_slot import KernelSlot, SessionRecipe
from kernels.contract import Language, Policy
from tests.fakes import SilentKernel


@dataclass
class Pool:
    """Hands out a kernel when a test says so."""

    asked: list[asyncio.Future[SilentKernel]] = field(default_factory=list)
    discarded: list[object] = field(default_factory=list)

    async def take(self, language: Language, policy: Policy | None = None) -> SilentKernel:
        self.asked.append(asyncio.get_running_loop().create_future())
        return await self.asked[-1]

    def discard(self, kernel: object) -> None:
        self.discarded.append(kernel)


def new_kernel(number: int = 1) -> SilentKernel:
    return SilentKernel(number, LaunchRequest("python", Policy(), {}))


async def steps() -> None:
    """Let everything go on that can."""
    for _ in range(10):
        await asyncio.sleep(0)


async def test_who_waits_gets_the_newest_kernel() -> None:
    """An older one that comes late, or fails, is not what anybody waits for."""
    pool = Pool()
    slot = KernelSlot(pool, SessionRecipe())
    waiting = asyncio.create_task(slot.ready())
    await steps()
    slot.renew()
    slot.renew()
    await steps()
    pool.asked[0].set_exception(Busy("full"))
    late, newest = new_kernel(1), new_kernel(2)
    pool.asked[1].set_result(late)
    await steps()
    assert (waiting.done(), slot.present) == (False, None)
    pool.asked[2].set_result(newest)
    assert await waiting is newest
    assert (slot.present, pool.discarded) == (newest, [late])


async def test_a_failure_is_told_and_then_tried_again() -> None:
    """Everyone who waited gets the error; the next one starts anew."""
    pool = Pool()
    slot = KernelSlot(pool, SessionRecipe())
    waiting = [asyncio.create_task(slot.ready()) for _ in range(3)]
    await steps()
    assert len(pool.asked) == 1
    pool.asked[0].set_exception(Busy("full"))
    ends = await asyncio.gather(*waiting, return_exceptions=True)
    assert [type(end) for end in ends] == [Busy] * 3
    again = asyncio.create_task(slot.ready())
    await steps()
    kernel = new_kernel()
    pool.asked[1].set_result(kernel)
    assert await again is kernel


async def test_who_leaves_does_not_take_the_kernel_along() -> None:
    """The others still wait for it."""
    pool = Pool()
    slot = KernelSlot(pool, SessionRecipe())
    leaving, staying = (asyncio.create_task(slot.ready()) for _ in range(2))
    await steps()
    leaving.cancel()
    await steps()
    kernel = new_kernel()
    pool.asked[0].set_result(kernel)
    assert await staying is kernel


async def test_a_closed_supply_keeps_nothing() -> None:
    """Neither a kernel that is there nor one that is only coming; who asks is told why."""
    for is_late in (False, True):
        pool, kernel = Pool(), new_kernel()
        slot = KernelSlot(pool, SessionRecipe())
        waiting = asyncio.create_task(slot.ready())
        await steps()
        if not is_late:
            pool.asked[0].set_result(kernel)
            assert await waiting is kernel
        slot.close(Gone("it was deleted"))
        if is_late:
            pool.asked[0].set_result(kernel)
            with pytest.raises(Gone):
                await waiting
        await steps()
        assert pool.discarded == [kernel]
        slot.renew()
        with pytest.raises(Gone):
            await slot.ready()
        assert len(pool.asked) == 1
