"""The pool on kernels without substance and a clock that jumps: lent once, killed afterwards, refilled, fair, bounded."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from dataclasses import dataclass, field
from typing import Any

import pytest

from gateway.core.errors import Busy, Unavailable
from gateway.core.model import Death
from gateway.core.plan import MIB, Limits
from gateway.pool.pool import KernelPool, PoolSettings
from gateway.pool.shelf import PoolSnapshot
from kernels.contract import Policy
from tests.fakes import KILLED, FakeStarter, SilentKernel, in_fake_time, spec

Pool = KernelPool[SilentKernel]
CRASH = Death(0, 11, out_of_memory=False, asked=False)
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


def test_failed_starts_do_not_fail_requests_until_several_in_a_row() -> None:
    """A zygote that is being restarted costs time, not an error."""

    async def main(pool: Pool, starter: FakeStarter) -> None:
        async with pool.lease("python"):
            pass

    starter = run(main, settings(minimum=0, failures=3), FakeStarter(failures=2))
    assert starter.failures == 0
    assert starter.kernels


def test_after_several_failed_starts_in_a_row_requests_are_told() -> None:
    """Unavailable with a time to come back; later requests find it working again."""
    tally = Tally()

    async def main(pool: Pool, starter: FakeStarter) -> None:
        with pytest.raises(Unavailable) as refused:
            await pool.take("python")
        assert refused.value.retry_after_s is not None
        assert tally.failed == ["no zygote"] * 3
        async with pool.lease("python"):
            pass

    run(main, settings(minimum=0, failures=3), FakeStarter(failures=3), tally)


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
