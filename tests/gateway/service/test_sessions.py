"""The table of sessions on kernels without substance and a clock that jumps."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable, Coroutine
from dataclasses import dataclass, field
from typing import Any

import pytest

from gateway.core.errors import BadRequest, Busy, Conflict, Gone, NotFound, NotImplementedYet, TooManyRequests, Unavailable
from gateway.core.model import Death, Limit, OnEvent, Raised, Report, Result, RunSpec, Text
from gateway.service.gate import Gate
from gateway.service.runner import Caller
from gateway.service.seats import Seats
from gateway.service.session import MAX_WAITING
from gateway.service.sessions import MAX_ENDED, NewSession, Sessions, SessionSettings
from kernels.contract import Language, Policy
from tests.fakes import KILLED, in_fake_time, spec

ONE, TWO = Caller("k1", "one", policy=Policy(processes=7)), Caller("k2", "two")
OK = Result(True, "", "", "", None, 0, 0.0)
LOST = Result(False, "", "", "", Raised("KernelDied", "", ""), 137, 0.0, limit=Limit.DIED, kernel_replaced=True)
INTERRUPTED = Result(False, "", "", "", Raised("KeyboardInterrupt", "", ""), 1, 0.0)


class Kernel:
    """Understands ``ok``, ``sleep`` (for five seconds), ``die`` and the setup task."""

    def __init__(self, number: int, policy: Policy | None) -> None:
        self.kernel_id = f"k{number}"
        self.policy = policy
        self.specs: list[RunSpec] = []
        self.interrupted = asyncio.Event()
        self.is_doomed = False
        """It dies as soon as it is asked for something."""
        self._death = asyncio.Event()

    @property
    def is_alive(self) -> bool:
        return not self._death.is_set()

    async def run(self, asked: RunSpec, on_event: OnEvent | None = None) -> Result:
        if not self.is_alive:
            raise Unavailable("the kernel is gone")
        self.specs.append(asked)
        if asked.task == "setup" and asked.inputs["cwd"] == "/etc":
            return Result(False, "", "", "", Raised("SetupError", "not there", ""), 1, 0.0)
        if asked.code == "sleep":
            return await self._sleep()
        if self.is_doomed:
            self._death.set()
            raise Unavailable("the kernel is gone")
        if asked.code == "die":
            self._death.set()
            return LOST
        if on_event is not None:
            on_event(Text("stdout", asked.code))
            on_event(Report(execution_count=99))
        return OK

    async def _sleep(self) -> Result:
        self.interrupted.clear()
        ends = [asyncio.create_task(event.wait()) for event in (self.interrupted, self._death)]
        await asyncio.wait(ends, timeout=5, return_when=asyncio.FIRST_COMPLETED)
        for end in ends:
            end.cancel()
        return LOST if self._death.is_set() else INTERRUPTED if self.interrupted.is_set() else OK

    async def interrupt(self) -> None:
        self.interrupted.set()

    async def ended(self) -> Death:
        await self._death.wait()
        return KILLED

    async def kill(self) -> Death:
        self._death.set()
        return KILLED


@dataclass
class World:
    """Sessions and what is behind them."""

    settings: SessionSettings = field(default_factory=SessionSettings)
    per_key: int = 10
    kernels: list[Kernel] = field(default_factory=list)
    full: bool = False
    ends: list[str] = field(default_factory=list)
    gate: Gate = field(default_factory=Gate)

    def __post_init__(self) -> None:
        self.seats = Seats(self.per_key)
        self.sessions = Sessions(self, self.seats, self.gate, self, self.settings, wall_clock=lambda: 1_000.0)

    async def take(self, language: Language, policy: Policy | None = None) -> Kernel:
        if self.full:
            raise Busy("full")
        await asyncio.sleep(0)
        kernel = Kernel(len(self.kernels), policy)
        self.kernels.append(kernel)
        return kernel

    def discard(self, kernel: Any) -> None:
        kernel._death.set()

    def session_started(self, language: str) -> None:
        """Not counted."""

    def session_ended(self, language: str, how: str) -> None:
        self.ends.append(how)

    @property
    def alive(self) -> list[str]:
        """The kernels that live."""
        return [kernel.kernel_id for kernel in self.kernels if kernel.is_alive]

    async def create(self, caller: Caller = ONE, **asked: Any) -> str:
        """A new session's id."""
        return (await self.sessions.create(NewSession(**asked), caller)).id

    async def run(self, session_id: str, code: str = "ok", caller: Caller = ONE, **asked: Any) -> Result:
        """One run in it."""
        async with self.sessions.lease(session_id, caller) as kernel:
            return await kernel.run(spec(code, **asked))


def trying(main: Callable[[World], Coroutine[Any, Any, None]], world: World | None = None) -> World:
    """Do *main* on *world*; afterwards no session, no seat and no kernel may be left."""
    made: list[World] = []

    async def whole() -> None:
        made.append(world or World())
        await main(made[0])
        await made[0].sessions.close()
        await asyncio.sleep(1)
        assert made[0].alive == []
        assert made[0].seats.taken == 0

    in_fake_time(whole())
    return made[0]


async def sentence(call: Coroutine[Any, Any, object]) -> str:
    """What is said of a session that has ended."""
    with pytest.raises(Gone) as told:
        await call
    return told.value.message


def test_a_session_keeps_its_kernel() -> None:
    """With the limits of its key; every run is counted by the session, whatever the kernel says."""

    async def main(world: World) -> None:
        session_id = await world.create(name="mine", timeout_s=7.0)
        first = await world.run(session_id)
        events: list[object] = []
        async with world.sessions.lease(session_id, ONE, language="python") as kernel:
            second = await kernel.run(spec("ok", timeout_s=0.0), events.append)
        assert (first.execution_count, second.execution_count) == (1, 2)
        assert events == [Text("stdout", "ok"), Report(execution_count=2)]
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


def test_another_keys_session_is_not_there() -> None:
    """Neither alive nor ended, by no way of asking; the answer is the one of an id that never was."""

    async def main(world: World) -> None:
        alive, ended = await world.create(), await world.create()
        await world.sessions.delete(ended, ONE)
        sessions, said = world.sessions, set()
        for session_id in (alive, ended, "0" * 32, ""):
            asking: list[Callable[[], Any]] = [
                lambda name=session_id: sessions.show(name, TWO),
                lambda name=session_id: sessions.kernel_id(name, TWO),
                lambda name=session_id: sessions.transcript(name, TWO),
                lambda name=session_id: sessions.delete(name, TWO),
                lambda name=session_id: sessions.interrupt(name, TWO),
                lambda name=session_id: sessions.restart(name, TWO),
                lambda name=session_id: world.run(name, caller=TWO),
            ]
            for ask in asking:
                with pytest.raises(NotFound) as told:
                    answer = ask()
                    await answer
                said.add(told.value.message)
        assert len(said) == 1
        assert sessions.list(TWO) == []
        assert [view.id for view in sessions.list(ONE)] == [alive]

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


def test_a_session_without_runs_is_culled() -> None:
    """After its own time, or else the gateway's; later it says when and why."""

    async def main(world: World) -> None:
        short, usual = await world.create(idle_s=60.0), await world.create()
        await asyncio.sleep(59)
        assert len(world.sessions.list(ONE)) == 2
        await asyncio.sleep(2)
        assert world.alive == ["k1"]
        assert await sentence(world.run(short)) == (
            "This session was ended after 1 minute without a run, at 1970-01-01T00:16:40Z: create another one."
        )
        await asyncio.sleep(1800)
        assert "after 30 minutes without a run" in await sentence(world.sessions.delete(usual, ONE))
        assert world.ends == ["culled", "culled"]
        assert world.seats.taken == 0

    trying(main)


def test_the_idle_time_starts_at_the_end_of_a_run() -> None:
    """A session that is busy, or has runs waiting, is never culled."""

    async def main(world: World) -> None:
        session_id = await world.create(idle_s=2.0)
        await asyncio.gather(*(world.run(session_id, "sleep") for _ in range(3)))
        await asyncio.sleep(1.9)
        view = world.sessions.show(session_id, ONE)
        assert view.expires_utc is not None
        assert view.expires_utc - 1_000.0 == pytest.approx(0.1)
        await asyncio.sleep(0.2)
        assert "after 2 seconds" in await sentence(world.run(session_id))

    trying(main)


def test_no_session_lives_longer_than_it_may() -> None:
    """A run may finish; the next one is not begun, and the session ends with the last."""

    async def main(world: World) -> None:
        session_id = await world.create()
        await asyncio.sleep(7)
        running = asyncio.create_task(world.run(session_id, "sleep"))
        await asyncio.sleep(4)
        assert "the longest life a session may have, 10 seconds" in await sentence(world.run(session_id))
        assert (await running).success
        await asyncio.sleep(0.1)
        assert world.ends == ["expired"]
        assert "the longest life" in await sentence(world.run(session_id))

    trying(main, World(SessionSettings(idle_s=1800.0, lifetime_s=10.0)))


def test_the_number_of_ended_sessions_remembered_is_bounded() -> None:
    """The oldest of a key's are forgotten; those of others are not."""

    async def main(world: World) -> None:
        others = await world.create(TWO)
        await world.sessions.delete(others, TWO)
        ids = []
        for _ in range(MAX_ENDED + 1):
            ids.append(await world.create())
            await world.sessions.delete(ids[-1], ONE)
        with pytest.raises(NotFound):
            world.sessions.show(ids[0], ONE)
        for session_id, caller in ((ids[1], ONE), (ids[-1], ONE), (others, TWO)):
            with pytest.raises(Gone):
                world.sessions.show(session_id, caller)

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
        assert not await world.sessions.interrupt(session_id, ONE)
        first, second = (asyncio.create_task(world.run(session_id, code)) for code in ("sleep", "ok"))
        await asyncio.sleep(1)
        assert world.sessions.show(session_id, ONE).state == "busy"
        assert await world.sessions.interrupt(session_id, ONE)
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


def test_a_session_that_could_not_start_leaves_nothing() -> None:
    """No kernel, no free kernel taken for a moment, no set-up as asked: each is told, and no seat is lost."""

    async def main(world: World) -> None:
        world.full = True
        with pytest.raises(Busy):
            await world.create()
        world.full = False
        with pytest.raises(BadRequest, match=r"^not there\.$"):
            await world.create(cwd="/etc")
        with pytest.raises(NotImplementedYet, match="use python"):
            await world.create(language="javascript")
        creating = asyncio.create_task(world.create())
        await asyncio.sleep(0)
        creating.cancel()
        await asyncio.gather(creating, return_exceptions=True)
        await asyncio.sleep(0.1)
        assert world.alive == []
        assert world.seats.taken == 0
        assert world.sessions.list(ONE) == []

    trying(main)


def test_keys_have_so_many_sessions() -> None:
    """One over the limit is refused; one that ended makes room."""

    async def main(world: World) -> None:
        first, _ = await world.create(), await world.create()
        with pytest.raises(TooManyRequests):
            await world.create()
        await world.create(TWO)
        await world.sessions.delete(first, ONE)
        await world.create()

    trying(main, World(per_key=2))


def test_another_language_does_not_fit() -> None:
    """The session is as it was."""

    async def main(world: World) -> None:
        session_id = await world.create()
        with pytest.raises(Conflict, match="python session"):
            async with world.sessions.lease(session_id, ONE, language="javascript"):
                pass
        assert (await world.run(session_id)).execution_count == 1

    trying(main)


def test_a_gateway_that_is_ending_takes_no_new_sessions() -> None:
    """What is there ends with it, and says so."""

    async def main(world: World) -> None:
        session_id = await world.create()
        running = asyncio.create_task(world.run(session_id, "sleep"))
        await asyncio.sleep(1)
        world.gate.close()
        with pytest.raises(Unavailable):
            await world.create()
        with pytest.raises(Unavailable):
            await world.sessions.restart(session_id, ONE)
        await world.sessions.close()
        ended = await running
        assert ended.error is not None
        assert "ended with the gateway" in ended.error.message
        assert world.ends == ["shutdown"]

    trying(main)
