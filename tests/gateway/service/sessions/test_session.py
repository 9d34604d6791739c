"""One session: its kernel from run to run, whose turn it is, and what becomes of a kernel that is lost."""

from __future__ import annotations

import asyncio
import re
from typing import Any

import pytest

from gateway.core.errors import Busy, Conflict, TooManyRequests
from gateway.core.model import KernelReport, Result, Text
from gateway.service.sessions.session import MAX_WAITING, RunStopped
from tests.fakes import spec
from tests.gateway.service.session_world import INTERRUPTED, ONE, World, sentence, trying


def test_a_session_keeps_its_kernel() -> None:
    """With the limits of its key; every run is counted by the session, whatever the kernel says."""

    async def main(world: World) -> None:
        session_id = await world.create(name="mine", timeout_s=7.0)
        first = await world.run(session_id)
        events: list[object] = []
        async with world.sessions.lease(session_id, ONE, language="python") as kernel:
            second = await kernel.run(spec("ok", timeout_s=0.0), events.append)
        assert (first.execution_count, second.execution_count) == (1, 2)
        assert events == [Text("stdout", "ok"), KernelReport(execution_count=2)]
        (kernel_,) = world.kernels
        assert kernel_.policy == ONE.policy
        assert [asked.timeout_s for asked in kernel_.specs] == [10.0, 7.0]
        view = world.sessions.show(session_id, ONE)
        assert (view.name, view.state, view.execution_count, view.kernels_replaced) == ("mine", "idle", 2, 0)
        assert [cell.code for cell in world.sessions.transcript(session_id, ONE)] == ["ok", "ok"]
        assert world.sessions.kernel_id(session_id, ONE) == "k0"
        assert re.fullmatch("[0-9a-f]{32}", session_id)

    trying(main)


def test_a_look_at_variables_is_no_run() -> None:
    """It is not counted and not in the transcript."""

    async def main(world: World) -> None:
        session_id = await world.create()
        await world.run(session_id, task="variables")
        assert world.sessions.show(session_id, ONE).execution_count == 0
        assert world.sessions.transcript(session_id, ONE) == ()

    trying(main)


def test_runs_of_one_session_are_serial_and_sessions_parallel() -> None:
    """Three of five seconds take fifteen in one session, and five in three."""

    async def main(world: World) -> None:
        one, two, three = [await world.create() for _ in range(3)]
        begun = asyncio.get_running_loop().time()
        ends: list[int] = []

        async def run(session_id: str) -> None:
            ends.append((await world.run(session_id, "sleep")).execution_count)

        await asyncio.gather(*(run(one) for _ in range(3)))
        assert asyncio.get_running_loop().time() - begun == 15
        assert ends == [1, 2, 3]
        await asyncio.gather(run(one), run(two), run(three))
        assert asyncio.get_running_loop().time() - begun == 20

    trying(main)


def test_too_many_waiting_runs_are_turned_away() -> None:
    """And a caller that leaves the queue is not run."""

    async def main(world: World) -> None:
        session_id = await world.create()
        waiting = [asyncio.create_task(world.run(session_id, "sleep")) for _ in range(MAX_WAITING + 1)]
        await asyncio.sleep(1)
        with pytest.raises(TooManyRequests):
            await world.run(session_id)
        for task in waiting[1:]:
            task.cancel()
        await asyncio.gather(*waiting, return_exceptions=True)
        assert len(world.kernels[0].specs) == 1

    trying(main)


def test_a_lost_kernel_is_replaced_and_the_answer_says_so() -> None:
    """Once: the next run is an ordinary one on a kernel set up as the first was."""

    async def main(world: World) -> None:
        session_id = await world.create(env={"A": "b"}, cwd="data")
        lost = await world.run(session_id, "die")
        after = await world.run(session_id)
        assert (lost.kernel_replaced, after.kernel_replaced) == (True, False)
        assert (lost.execution_count, after.execution_count) == (1, 2)
        assert world.alive == ["k1"]
        assert world.sessions.show(session_id, ONE).kernels_replaced == 1
        for kernel in world.kernels:
            assert (kernel.specs[0].task, kernel.specs[0].code) == ("setup", "")
            assert kernel.specs[0].inputs == {"env": {"A": "b"}, "cwd": "data"}

    trying(main)


def test_a_kernel_that_died_between_two_runs_is_told_by_the_second() -> None:
    """It is carried out on a new kernel, without the state."""

    async def main(world: World) -> None:
        session_id = await world.create()
        await world.run(session_id)
        await world.kernels[0].kill()
        second = await world.run(session_id)
        assert (second.success, second.kernel_replaced) == (True, True)
        assert not (await world.run(session_id)).kernel_replaced

    trying(main)


def test_a_kernel_that_dies_in_the_moment_of_the_run_is_replaced() -> None:
    """As after a client that left, whose code did not obey: nothing has run yet, so it is run on a new one."""

    async def main(world: World) -> None:
        session_id = await world.create()
        world.kernels[0].is_doomed = True
        result = await world.run(session_id)
        assert (result.success, result.kernel_replaced, result.execution_count) == (True, True, 1)

    trying(main)


def test_no_kernel_to_replace_it_with_is_told_and_tried_again() -> None:
    """The session lives on."""

    async def main(world: World) -> None:
        session_id = await world.create()
        world.full = True
        await world.run(session_id, "die")
        await asyncio.sleep(0)
        assert world.sessions.show(session_id, ONE).state == "starting"
        with pytest.raises(Busy):
            world.sessions.kernel_id(session_id, ONE)
        with pytest.raises(Busy):
            await world.run(session_id)
        world.full = False
        assert (await world.run(session_id)).success

    trying(main)


def test_a_run_can_be_interrupted() -> None:
    """Only when there is one; what waits comes after."""

    async def main(world: World) -> None:
        session_id = await world.create()
        assert await world.sessions.interrupt(session_id, ONE) == RunStopped(was_running=False, kernel_replaced=False)
        first, second = (asyncio.create_task(world.run(session_id, code)) for code in ("sleep", "ok"))
        await asyncio.sleep(1)
        assert world.sessions.show(session_id, ONE).state == "busy"
        assert await world.sessions.interrupt(session_id, ONE) == RunStopped(was_running=True, kernel_replaced=False)
        assert first.done()
        assert await first == Result(**{**_fields(INTERRUPTED), "execution_count": 1})
        assert (await second).success

    trying(main)


def _fields(result: Result) -> dict[str, Any]:
    return {name: getattr(result, name) for name in Result.__dataclass_fields__}


def test_a_restart_ends_what_runs_and_turns_away_what_waits() -> None:
    """The session is the same, its kernel is another, and its runs are counted from one again."""

    async def main(world: World) -> None:
        session_id = await world.create()
        running, waiting = (asyncio.create_task(world.run(session_id, code)) for code in ("sleep", "ok"))
        await asyncio.sleep(1)
        view = await world.sessions.restart(session_id, ONE)
        assert (view.id, view.execution_count) == (session_id, 0)
        ended = await running
        assert ended.error is not None
        assert (ended.error.type, ended.success, ended.kernel_replaced) == ("SessionRestarted", False, True)
        with pytest.raises(Conflict):
            await waiting
        assert world.alive == ["k1"]
        again = await world.run(session_id)
        assert (again.execution_count, again.kernel_replaced) == (1, False)

    trying(main)


def test_restarts_at_once_leave_one_kernel() -> None:
    """However they overlap."""

    async def main(world: World) -> None:
        session_id = await world.create()
        views = await asyncio.gather(*(world.sessions.restart(session_id, ONE) for _ in range(5)))
        assert len(views) == 5
        await asyncio.sleep(0.1)
        assert len(world.alive) == 1
        assert (await world.run(session_id)).success

    trying(main)


def test_a_deletion_ends_what_runs_and_turns_away_what_waits() -> None:
    """Both are told."""

    async def main(world: World) -> None:
        session_id = await world.create()
        running, waiting = (asyncio.create_task(world.run(session_id, code)) for code in ("sleep", "ok"))
        await asyncio.sleep(1)
        await world.sessions.delete(session_id, ONE)
        ended = await running
        assert ended.error is not None
        assert ended.error.type == "SessionEnded"
        assert "was deleted" in ended.error.message
        assert "was deleted" in await sentence(_result(waiting))
        assert "was deleted" in await sentence(world.sessions.delete(session_id, ONE))

    trying(main)


async def _result(task: asyncio.Task[Result]) -> Result:
    return await task
