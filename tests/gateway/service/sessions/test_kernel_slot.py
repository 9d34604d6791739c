"""The kernel of one session: whoever waits for it gets the newest, and every other one is ended."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from typing import Any

import pytest

from gateway.core.errors import Busy, Gone
from gateway.service.sessions.kernel_slot import SessionRecipe, Supply
from kernels.contract import Language, Policy


@dataclass
class Pool:
    """Hands out numbers when a test says so."""

    asked: list[asyncio.Future[Any]] = field(default_factory=list)
    discarded: list[object] = field(default_factory=list)

    async def take(self, language: Language, policy: Policy | None = None) -> Any:
        self.asked.append(asyncio.get_running_loop().create_future())
        return await self.asked[-1]

    def discard(self, kernel: object) -> None:
        self.discarded.append(kernel)


async def steps() -> None:
    """Let everything go on that can."""
    for _ in range(10):
        await asyncio.sleep(0)


async def test_who_waits_gets_the_newest_kernel() -> None:
    """An older one that comes late, or fails, is not what anybody waits for."""
    pool = Pool()
    supply = Supply(pool, SessionRecipe())
    waiting = asyncio.create_task(supply.ready())
    await steps()
    supply.renew()
    supply.renew()
    await steps()
    pool.asked[0].set_exception(Busy("full"))
    pool.asked[1].set_result(1)
    await steps()
    assert not waiting.done()
    assert supply.present is None
    pool.asked[2].set_result(2)
    assert await waiting == 2
    assert (supply.present, pool.discarded) == (2, [1])


async def test_a_failure_is_told_and_then_tried_again() -> None:
    """Everyone who waited gets the error; the next one starts anew."""
    pool = Pool()
    supply = Supply(pool, SessionRecipe())
    waiting = [asyncio.create_task(supply.ready()) for _ in range(3)]
    await steps()
    assert len(pool.asked) == 1
    pool.asked[0].set_exception(Busy("full"))
    ends = await asyncio.gather(*waiting, return_exceptions=True)
    assert [type(end) for end in ends] == [Busy] * 3
    again = asyncio.create_task(supply.ready())
    await steps()
    pool.asked[1].set_result(1)
    assert await again == 1


async def test_who_leaves_does_not_take_the_kernel_along() -> None:
    """The others still wait for it."""
    pool = Pool()
    supply = Supply(pool, SessionRecipe())
    leaving, staying = (asyncio.create_task(supply.ready()) for _ in range(2))
    await steps()
    leaving.cancel()
    await steps()
    pool.asked[0].set_result(1)
    assert await staying == 1


async def test_a_closed_supply_keeps_nothing() -> None:
    """Neither a kernel that is there nor one that is only coming; who asks is told why."""
    for is_late in (False, True):
        pool = Pool()
        supply = Supply(pool, SessionRecipe())
        waiting = asyncio.create_task(supply.ready())
        await steps()
        if not is_late:
            pool.asked[0].set_result(1)
            assert await waiting == 1
        supply.close(Gone("it was deleted"))
        if is_late:
            pool.asked[0].set_result(1)
            with pytest.raises(Gone):
                await waiting
        await steps()
        assert pool.discarded == [1]
        supply.renew()
        with pytest.raises(Gone):
            await supply.ready()
        assert len(pool.asked) == 1
