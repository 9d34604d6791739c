"""The reserve of unused kernels, by a clock that jumps: filled, refilled, grown, shrunk and renewed, whatever fails."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from gateway.core.errors import Unavailable
from gateway.core.plan import Limits
from gateway.pool.pool import KernelPool
from tests.fakes import CRASH, KILLED, FakeStarter, SilentKernel, in_fake_time
from tests.gateway.pool.pool_world import SMALL, Pool, Tally, only, run, settings


def test_the_pool_is_filled_before_anyone_asks_and_refilled_after() -> None:
    """A request meets a kernel that is ready."""

    async def main(pool: Pool, starter: FakeStarter) -> None:
        await asyncio.sleep(1)
        assert only(pool).idle == 2
        async with pool.lease("python"):
            assert (only(pool).idle, only(pool).leased) == (1, 1)
            await asyncio.sleep(1)
            assert only(pool).idle == 2
        await asyncio.sleep(1)
        assert (only(pool).idle, only(pool).leased, only(pool).ending) == (2, 0, 0)

    run(main)


def test_refilling_waits_while_a_claim_is_served() -> None:
    """For a moment, as long as another kernel is ready."""

    async def main(pool: Pool, starter: FakeStarter) -> None:
        await asyncio.sleep(1)
        async with pool.lease("python"):
            assert only(pool).starting == 0
            await asyncio.sleep(0.03)
            assert only(pool).starting == 1

    run(main)


def test_failed_starts_do_not_fail_a_request_that_may_still_wait() -> None:
    """A spawner that is being restarted costs time, not an error, however many starts fail meanwhile."""

    async def main(pool: Pool, starter: FakeStarter) -> None:
        async with pool.lease("python"):
            pass

    starter = run(main, settings(minimum=0, failures=3), FakeStarter(failures=6))
    assert starter.failures == 0
    assert starter.kernels


def test_a_request_that_waited_while_starts_failed_is_told_so() -> None:
    """At its own deadline: Unavailable, not busy, with a time to come back."""

    async def main(pool: Pool, starter: FakeStarter) -> None:
        begun = pool._now()
        with pytest.raises(Unavailable, match="kernels can't be started right now") as refused:
            await pool.take("python")
        assert pool._now() - begun == pytest.approx(20)
        assert refused.value.retry_after_s is not None and refused.value.retry_after_s >= 1
        assert only(pool).waiting == 0

    run(main, settings(minimum=0, failures=3, wait_s=20.0), FakeStarter(failures=1000))


def test_a_full_queue_while_starts_fail_is_not_called_busy() -> None:
    """That more requests than usual wait is not the reason."""

    async def main(pool: Pool, starter: FakeStarter) -> None:
        waiting = asyncio.create_task(pool.take("python"))
        await asyncio.sleep(2)
        assert only(pool).failures >= 3
        with pytest.raises(Unavailable, match="kernels can't be started right now"):
            await pool.take("python")
        with pytest.raises(Unavailable):
            await waiting

    run(main, settings(minimum=0, failures=3, queue=1), FakeStarter(failures=1000))


def test_once_starts_have_failed_for_long_each_request_learns_it_from_the_next_one() -> None:
    """Nobody waits to the end then; but each request has a start tried, so the first one that goes well serves it."""

    async def main(pool: Pool, starter: FakeStarter) -> None:
        await asyncio.sleep(60)
        for _ in range(3):
            begun, left = pool._now(), starter.failures
            with pytest.raises(Unavailable):
                await pool.take("python")
            assert starter.failures == left - 1
            assert pool._now() - begun <= 10.1, "the longest pause between two starts, and a start"
        since = only(pool).failing_since_utc
        assert since is not None and only(pool).failures > 10
        starter.failures = 0
        async with pool.lease("python"):
            assert (only(pool).failures, only(pool).failing_since_utc) == (0, None)

    run(main, settings(minimum=1, failures=3, wait_s=30.0), FakeStarter(failures=1000))


def test_after_a_long_failure_a_language_without_a_reserve_is_tried_again() -> None:
    """Nobody starts anything then but for a request."""

    async def main(pool: Pool, starter: FakeStarter) -> None:
        with pytest.raises(Unavailable):
            await pool.take("python")
        await asyncio.sleep(3600)
        starter.failures = 0
        async with pool.lease("python"):
            pass

    run(main, settings(minimum=0, failures=3, wait_s=30.0), FakeStarter(failures=1000))


def test_failed_starts_are_not_repeated_without_a_pause() -> None:
    """A broken launcher is not hammered."""

    async def main(pool: Pool, starter: FakeStarter) -> None:
        await asyncio.sleep(10)
        assert 4 <= 1000 - starter.failures <= 16

    run(main, starter=FakeStarter(failures=1000, start_s=0.001))


def test_an_unused_kernel_that_dies_is_noticed_and_replaced() -> None:
    """Nobody gets it."""
    tally = Tally()

    async def main(pool: Pool, starter: FakeStarter) -> None:
        await asyncio.sleep(1)
        starter.kernels[0].die(CRASH)
        async with pool.lease("python") as kernel:
            assert kernel.kernel_id != "k0"
        await asyncio.sleep(1)
        assert only(pool).idle == 2

    run(main, tally=tally)
    assert (CRASH, True) in tally.ended


def test_a_reserve_makes_room_for_a_request_of_another_kind() -> None:
    """The bound on all kernels holds, and the request is served."""

    async def main(pool: Pool, starter: FakeStarter) -> None:
        await asyncio.sleep(1)
        async with pool.lease("python", SMALL):
            assert len(starter.alive) <= 2

    run(main, settings(minimum=2, limits=Limits(kernels=2, memory_bytes=10**12)))


def test_demand_grows_the_reserve_and_its_absence_shrinks_it() -> None:
    """From the minimum up and back again."""

    async def main(pool: Pool, starter: FakeStarter) -> None:
        async def request() -> None:
            async with pool.lease("python"):
                await asyncio.sleep(0.01)

        await asyncio.gather(*(request() for _ in range(5)))
        await asyncio.sleep(1)
        assert only(pool).idle >= 4
        await asyncio.sleep(120)
        assert only(pool).idle == 1

    run(main, settings(minimum=1))


def test_starts_and_ends_are_told_to_the_observer() -> None:
    """For the metrics: how many, how long, how they ended."""
    tally = Tally()

    async def main(pool: Pool, starter: FakeStarter) -> None:
        async with pool.lease("python"):
            pass

    starter = run(main, tally=tally)
    assert len(tally.started) == len(starter.kernels)
    assert all(abs(took - 0.05) < 0.01 for took in tally.started)
    assert [death for death, _ in tally.ended] == [KILLED] * len(starter.kernels)


def test_an_unexpected_failure_of_the_launcher_is_not_swallowed() -> None:
    """It counts as a failed start, and the loop hears of it."""
    heard: list[object] = []

    class Broken(FakeStarter):
        async def start(self, request: Any) -> SilentKernel:
            """Fail in a way nobody foresaw."""
            raise ZeroDivisionError

    async def main() -> None:
        asyncio.get_running_loop().set_exception_handler(lambda _loop, context: heard.append(context["exception"]))
        pool: Pool = KernelPool(Broken(), settings(minimum=1))
        pool.open()
        with pytest.raises(Unavailable):
            await pool.take("python")
        await pool.close()

    in_fake_time(main())
    assert isinstance(heard[0], ZeroDivisionError)


def test_after_a_renewal_no_kernel_from_before_is_lent() -> None:
    """Neither an unused one nor one that was being started when kernels changed."""

    async def main(pool: Pool, starter: FakeStarter) -> None:
        await asyncio.sleep(5)
        old = {kernel.kernel_id for kernel in starter.alive}
        assert len(old) == 2
        first = await pool.take("python")
        pool.renew()
        for _ in range(3):
            kernel = await pool.take("python")
            assert kernel.kernel_id not in old
        assert not first.kills

    run(main)


def test_a_kernel_that_is_starting_during_a_renewal_is_not_lent() -> None:
    """It began as kernels were before."""

    async def main(pool: Pool, starter: FakeStarter) -> None:
        await asyncio.sleep(0.01)
        begun = starter.starting
        assert begun > 0
        pool.renew()
        kernel = await pool.take("python")
        assert int(kernel.kernel_id[1:]) >= begun

    run(main)
