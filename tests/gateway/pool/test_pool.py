"""Leases of kernels without substance, by a clock that jumps: lent once, killed afterwards, fair, bounded."""

from __future__ import annotations

import asyncio

import pytest

from gateway.core.errors import Busy, Unavailable
from tests.fakes import CRASH, FakeStarter, SilentKernel, spec
from tests.gateway.pool.pool_world import SMALL, Pool, only, run, settings


def test_a_leased_kernel_is_killed_and_never_lent_again() -> None:
    """Whatever the run did, the next caller cannot inherit it."""

    async def main(pool: Pool, starter: FakeStarter) -> None:
        seen: set[str] = set()
        for _ in range(20):
            async with pool.lease("python") as kernel:
                assert kernel.kernel_id not in seen
                seen.add(kernel.kernel_id)
                await kernel.run(spec())
            await asyncio.sleep(0.01)
            assert kernel.kills == 1

    run(main)


def test_a_kernel_is_killed_however_its_lease_ends() -> None:
    """By an exception or by cancellation as well."""

    async def main(pool: Pool, starter: FakeStarter) -> None:
        with pytest.raises(RuntimeError):
            async with pool.lease("python") as failing:
                raise RuntimeError
        entered: asyncio.Future[SilentKernel] = asyncio.get_running_loop().create_future()

        async def hold() -> None:
            async with pool.lease("python") as kernel:
                entered.set_result(kernel)
                await asyncio.sleep(1000)

        task = asyncio.create_task(hold())
        cancelled = await entered
        task.cancel()
        await asyncio.wait([task])
        await asyncio.sleep(0.1)
        assert (failing.kills, cancelled.kills) == (1, 1)

    run(main)


def test_the_end_of_a_lease_does_not_wait_for_the_kill() -> None:
    """The caller has its answer; the kill is the pool's business."""

    async def main(pool: Pool, starter: FakeStarter) -> None:
        await asyncio.sleep(1)
        before = asyncio.get_running_loop().time()
        async with pool.lease("python"):
            pass
        assert asyncio.get_running_loop().time() == before

    run(main, starter=FakeStarter(kill_s=0.5))


def test_a_kernel_whose_place_others_use_counts_until_that_is_gone() -> None:
    """Though it has died itself; one that has died before is forgotten at once."""

    async def main(pool: Pool, starter: FakeStarter) -> None:
        kernel, early = await pool.take("python"), await pool.take("python")
        gone = asyncio.Event()

        async def wait() -> None:
            await gone.wait()

        pool.keep_counting(kernel, wait)
        early.die()
        kernel.die()
        await asyncio.sleep(10)
        pool.keep_counting(early, wait)
        assert only(pool).leased == 1
        gone.set()
        await asyncio.sleep(1)
        assert only(pool).leased == 0

    run(main)


def test_waiting_requests_are_served_in_order() -> None:
    """First come, first served."""

    async def main(pool: Pool, starter: FakeStarter) -> None:
        served: list[int] = []

        async def request(number: int) -> None:
            async with pool.lease("python"):
                served.append(number)

        await asyncio.gather(*(request(number) for number in range(6)))
        assert served == list(range(6))

    run(main, settings(minimum=0))


def test_starts_at_the_same_time_and_kernels_in_all_are_bounded() -> None:
    """However many ask."""

    async def main(pool: Pool, starter: FakeStarter) -> None:
        most = 0

        async def request() -> None:
            nonlocal most
            async with pool.lease("python"):
                most = max(most, len(starter.alive) + starter.starting)
                await asyncio.sleep(0.1)

        await asyncio.gather(*(request() for _ in range(40)))
        assert most <= 8
        assert starter.most_starting == 2

    run(main)


def test_a_full_queue_is_refused_with_a_time_to_come_back() -> None:
    """503 with Retry-After, at once."""

    async def main(pool: Pool, starter: FakeStarter) -> None:
        waiting = [asyncio.create_task(pool.take("python")) for _ in range(3)]
        await asyncio.sleep(0)
        with pytest.raises(Busy) as refused:
            await pool.take("python")
        assert refused.value.retry_after_s is not None
        assert refused.value.retry_after_s >= 1
        assert only(pool).waiting == 3
        await asyncio.gather(*waiting)

    run(main, settings(minimum=0, queue=3), FakeStarter(start_s=1))


def test_waiting_too_long_is_refused() -> None:
    """And the place in the queue is given up."""

    async def main(pool: Pool, starter: FakeStarter) -> None:
        with pytest.raises(Busy):
            await pool.take("python")
        assert only(pool).waiting == 0

    run(main, settings(minimum=0, wait_s=5.0), FakeStarter(start_s=60))


def test_a_cancelled_request_gives_up_its_place_and_no_kernel_is_lost() -> None:
    """The next in line is served."""

    async def main(pool: Pool, starter: FakeStarter) -> None:
        first = asyncio.create_task(pool.take("python"))
        second = asyncio.create_task(pool.take("python"))
        await asyncio.sleep(0.01)
        first.cancel()
        assert (await second).kernel_id == "k0"
        assert only(pool).leased == 1

    run(main, settings(minimum=0), FakeStarter(start_s=0.1))


def test_a_cancellation_at_the_very_handover_ends_the_kernel() -> None:
    """The future is resolved, its waiter has not run yet: nobody else would end that kernel."""

    async def main(pool: Pool, starter: FakeStarter) -> None:
        task = asyncio.create_task(pool.take("python"))
        await asyncio.sleep(0.01)
        (shelf,) = pool._shelves.values()
        offer = shelf.offer

        def offer_and_cancel(kernel: SilentKernel, now: float) -> None:
            offer(kernel, now)
            task.cancel()

        shelf.offer = offer_and_cancel  # type: ignore[method-assign]  # the exact moment is the point
        await asyncio.wait([task])
        await asyncio.sleep(1)
        assert task.cancelled()
        assert starter.kernels[0].kills == 1

    run(main, settings(minimum=0))


def test_a_taken_kernel_that_dies_is_forgotten() -> None:
    """Its owner hears of it from the kernel; its room is free again."""

    async def main(pool: Pool, starter: FakeStarter) -> None:
        kernel = await pool.take("python")
        kernel.die(CRASH)
        await asyncio.sleep(1)
        assert only(pool).leased == 0

    run(main)


def test_a_session_may_end_its_kernel_itself() -> None:
    """discard() or kill(), both are fine."""

    async def main(pool: Pool, starter: FakeStarter) -> None:
        kernel = await pool.take("python")
        await kernel.kill()
        await asyncio.sleep(1)
        assert only(pool).leased == 0
        pool.discard(kernel)
        await asyncio.sleep(1)
        assert only(pool).ending == 0

    run(main)


def test_other_limits_get_a_kernel_of_their_own() -> None:
    """Limits are for life, so such a kernel is started on demand, and no reserve of them is kept."""

    async def main(pool: Pool, starter: FakeStarter) -> None:
        await asyncio.sleep(1)
        async with pool.lease("python", SMALL) as kernel:
            assert kernel.request.policy == SMALL
            assert len(pool.snapshot()) == 2
        await asyncio.sleep(1)
        assert len(pool.snapshot()) == 1
        assert only(pool).idle == 2

    run(main)


def test_an_environment_of_ones_own_is_never_shared() -> None:
    """A kernel with one caller's variables goes to that caller alone."""

    async def main(pool: Pool, starter: FakeStarter) -> None:
        mine = await pool.take("python", env={"SECRET": "mine"})
        other = await pool.take("python")
        assert mine.request.env == {"SECRET": "mine"}
        assert other.request.env == {}

    run(main)


def test_closing_refuses_requests_and_ends_everything() -> None:
    """Those who wait are told; lent, unused and starting kernels are gone when close() returns."""

    async def main(pool: Pool, starter: FakeStarter) -> None:
        await asyncio.sleep(1)
        kernel = await pool.take("python")
        waiting = asyncio.create_task(pool.take("python", SMALL))
        await asyncio.sleep(0)
        await pool.close()
        with pytest.raises(Unavailable):
            await waiting
        with pytest.raises(Unavailable):
            await pool.take("python")
        assert not kernel.is_alive
        pool.discard(kernel)

    run(main)


def test_closing_lets_lent_kernels_finish_for_a_while() -> None:
    """A run in progress at shutdown may still answer."""

    async def main(pool: Pool, starter: FakeStarter) -> None:
        finished: list[str] = []

        async def request() -> None:
            async with pool.lease("python") as kernel:
                await asyncio.sleep(2)
                assert kernel.is_alive
                finished.append(kernel.kernel_id)

        task = asyncio.create_task(request())
        await asyncio.sleep(1)
        await pool.close(drain_s=10)
        await task
        assert finished

    run(main)
