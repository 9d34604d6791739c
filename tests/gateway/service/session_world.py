"""Sessions on kernels without substance and a clock that jumps, for tests."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from dataclasses import dataclass, field
from typing import Any

import pytest

from gateway.core.errors import Busy, Gone, Unavailable
from gateway.core.model import Death, KernelReport, Limit, OnEvent, Raised, Result, RunSpec, Text
from gateway.core.request import Caller
from gateway.service.drain import Drain
from gateway.service.kept_kernels import Quota
from gateway.service.sessions.table import NewSession, Sessions, SessionSettings
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
            raise Unavailable("the kernel has exited")
        self.specs.append(asked)
        if asked.task == "setup" and asked.inputs["cwd"] == "/etc":
            return Result(False, "", "", "", Raised("SetupError", "not there", ""), 1, 0.0)
        if asked.code == "sleep":
            return await self._sleep()
        if self.is_doomed:
            self._death.set()
            raise Unavailable("the kernel has exited")
        if asked.code == "die":
            self._death.set()
            return LOST
        if on_event is not None:
            on_event(Text("stdout", asked.code))
            on_event(KernelReport(execution_count=99))
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
    drain: Drain = field(default_factory=Drain)

    def __post_init__(self) -> None:
        self.quota = Quota(self.per_key)
        self.sessions = Sessions(self, self.quota, self.drain, self, self.settings, wall_clock=lambda: 1_000.0)

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
        assert made[0].quota.taken == 0

    in_fake_time(whole())
    return made[0]


async def sentence(call: Coroutine[Any, Any, object]) -> str:
    """What is said of a session that has ended."""
    with pytest.raises(Gone) as told:
        await call
    return told.value.message
