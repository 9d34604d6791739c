"""Runs that go by a script, and what those who follow or watch them hear."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field

from gateway.core.errors import NotFound
from gateway.core.event_log import LoggedEvent
from gateway.core.model import Event, OnEvent, Raised, Result, Task
from gateway.core.request import Allowance, Caller, Control, RunRequest, Submission
from gateway.core.session_log import Missing
from gateway.service.runs.live import LiveRuns, LiveSettings
from gateway.service.runs.live_run import LiveRun
from gateway.service.session_feed import SessionFeed
from tests.live import HANG_S

ONE, OTHER = Caller("k1", "one"), Caller("k2", "other")
ALLOWANCE = Allowance(1000, 2000)
LONG = LiveSettings(grace_s=60)


@dataclass
class Script:
    """A runner whose one kernel says *events*, then waits for *go*, then answers *result*."""

    events: Sequence[Event] = ()
    result: Result | Exception = field(default_factory=lambda: Result(True, "", "", "", None, 0, 0.1))
    go: asyncio.Event = field(default_factory=asyncio.Event)
    gets_kernel: bool = True
    cancelled: asyncio.Event = field(default_factory=asyncio.Event)
    begun: asyncio.Event = field(default_factory=asyncio.Event)

    async def interrupt(self) -> None:
        self.result = Result(False, "", "", "", Raised("KeyboardInterrupt", "", ""), 1, 0.1)
        self.go.set()

    async def run(self, submission: Submission, on_event: OnEvent | None = None, control: Control | None = None) -> Result:
        try:
            if not self.gets_kernel:
                await self.go.wait()
            if isinstance(self.result, Exception):
                raise self.result
            with (control or Control()).holding(self):  # type: ignore[arg-type]  # a kernel that only stops
                for event in self.events if on_event else ():
                    on_event(event)  # type: ignore[misc]  # there is one
                self.begun.set()
                await self.go.wait()
            return self.result
        except asyncio.CancelledError:
            self.cancelled.set()
            raise


def plan(run_id: str = "r1", caller: Caller = ONE) -> Submission:
    return Submission(RunRequest("python", "x", 5.0), caller, run_id, ALLOWANCE)


async def everything(run: LiveRun, after: int = 0) -> list[object]:
    """The items and gaps from *after* to the end."""
    got: list[object] = []
    with run.reading() as news:
        while True:
            news.clear()
            piece = run.next_after(after)
            if piece is not None:
                got.append(piece.item if isinstance(piece, LoggedEvent) else piece)
                after = piece.seq
            elif run.is_over:
                return got
            else:
                await asyncio.wait_for(news.wait(), HANG_S)


def in_session(run_id: str = "r1", task: Task = "python") -> Submission:
    return Submission(RunRequest(task, "code", 5.0, session="s1"), ONE, run_id, ALLOWANCE)


class Watched:
    """A session's feed and what a reader hears of it."""

    def __init__(self, script: Script, **settings: float) -> None:
        self.feed = SessionFeed()
        self.live = LiveRuns(script, LiveSettings(**settings) if settings else LONG, self._find)  # type: ignore[arg-type]  # whole numbers of bytes

    def _find(self, session_id: str, caller: Caller) -> SessionFeed:
        if session_id != "s1":
            raise NotFound("There is no such session.")
        return self.feed

    def items(self, after: int = 0) -> list[object]:
        """The items and gaps after event *after* of the session."""
        got: list[object] = []
        while (found := self.feed.next_after(after)) is not None:
            got.append(found if isinstance(found, Missing) else found.entry.item)
            after = found.number
        return got
