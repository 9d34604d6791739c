"""A run whose client asks in turns: what it is told next, and what becomes of the run when it leaves or comes late."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from dataclasses import dataclass, field
from typing import Any

import pytest

from gateway.core.errors import Busy, Conflict, Gone
from gateway.core.host_tools import HostAnswer, HostCall, HostTool
from gateway.core.model import OnEvent, Result
from gateway.core.request import Allowance, Caller, Control, RunRequest, Submission
from gateway.service.runs import host_turns
from gateway.service.runs.live import LiveRuns, LiveSettings
from gateway.service.runs.live_run import LiveRun
from tests.fakes import in_fake_time

DONE = Result(True, "out", "out", "", None, 0, 0.1)
TOOLS = (HostTool("f"),)


@dataclass
class Code:
    """A runner whose one kernel is a program: it calls, waits for answers, and ends."""

    calls: list[tuple[float, str]] = field(default_factory=list)
    """After how many seconds it makes which calls."""
    ends_after: float = 0.0
    waits: bool = True
    failure: Exception | None = None
    answered: list[str] = field(default_factory=list)
    is_cancelled: bool = False
    news: asyncio.Event = field(default_factory=asyncio.Event)

    def deliver(self, answer: HostAnswer) -> None:
        self.answered.append(answer.call_id)
        self.news.set()

    def begin_waiting(self) -> None:
        """There is no clock."""

    def end_waiting(self) -> None:
        """There is no clock."""

    async def interrupt(self) -> None:
        """It does not stop."""

    async def run(self, submission: Submission, on_event: OnEvent | None = None, control: Control | None = None) -> Result:
        if self.failure is not None:
            raise self.failure
        assert control is not None
        assert control.calls is not None
        assert on_event is not None
        control.calls.open(self)
        try:
            with control.holding(self):  # type: ignore[arg-type]  # a kernel that only stops
                for after, call_id in self.calls:
                    await asyncio.sleep(after)
                    call = control.calls.take(HostCall(call_id, "f", {}))
                    assert call is not None
                    on_event(call)
                while self.waits and len(self.answered) < len(self.calls):
                    self.news.clear()
                    await self.news.wait()
                await asyncio.sleep(self.ends_after)
        except asyncio.CancelledError:
            self.is_cancelled = True
            raise
        finally:
            control.calls.close()
        return DONE


def begin(code: Code, tools: tuple[HostTool, ...] = TOOLS) -> LiveRun:
    """The run of *code*."""
    request = RunRequest("python", "x", 5.0, tools=tools)
    return LiveRuns(code, LiveSettings(grace_s=60)).start_in_turns(Submission(request, Caller("k", "k"), "r", Allowance()))


def ids(turn: tuple[HostCall, ...] | Result) -> list[str]:
    """The calls of a turn."""
    assert not isinstance(turn, Result)
    return [call.call_id for call in turn]


def reply(run: LiveRun, *call_ids: str) -> None:
    """Answer these calls."""
    assert run.calls is not None
    host_turns.answer(run.calls, [HostAnswer.of(call_id, output=1) for call_id in call_ids])


def play(main: Coroutine[Any, Any, None]) -> None:
    """Run *main* on a clock that jumps."""
    in_fake_time(main)


def test_calls_made_together_are_told_together() -> None:
    """What still waits is told again; the result comes last, and once."""

    async def main() -> None:
        code = Code([(0, "a"), (0.001, "b"), (0.001, "c"), (1, "d")])
        run = begin(code)
        assert ids(await host_turns.next_turn(run)) == ["a", "b", "c"]
        reply(run, "b")
        assert ids(await host_turns.next_turn(run)) == ["a", "c"]
        reply(run, "a", "c")
        assert ids(await host_turns.next_turn(run)) == ["d"]
        reply(run, "d")
        assert await host_turns.next_turn(run) == DONE
        with pytest.raises(Gone):
            await host_turns.next_turn(run)

    play(main())


@pytest.mark.parametrize("ends_after", [0.0, 0.001, 0.0019, 0.1])
def test_a_run_that_ends_with_calls_open_has_its_result(ends_after: float) -> None:
    """Also when it ends in the moment in which the gateway waits for more calls."""

    async def main() -> None:
        run = begin(Code([(0, "a")], ends_after, waits=False))
        turn = await host_turns.next_turn(run)
        if not isinstance(turn, Result):
            assert ids(turn) == ["a"]
            await asyncio.sleep(1)
            reply(run, "a")  # too late, which is no fault of the client's
            turn = await host_turns.next_turn(run)
        assert turn == DONE

    play(main())


def test_a_burst_without_end_is_told_all_the_same() -> None:
    """The client is not kept waiting while ever more calls come."""

    async def main() -> None:
        code = Code([(0.001, f"n{number}") for number in range(1000)])
        told = len(ids(await host_turns.next_turn(begin(code))))
        assert 50 <= told < 1000

    play(main())


def test_between_two_requests_the_run_needs_no_reader() -> None:
    """However long the client takes: the waiting is bounded in the kernel's client."""

    async def main() -> None:
        code = Code([(0, "a")])
        run = begin(code)
        await host_turns.next_turn(run)
        await asyncio.sleep(100_000)
        assert not run.is_over
        reply(run, "a")
        assert await host_turns.next_turn(run) == DONE

    play(main())


def test_a_client_that_breaks_off_its_request_ends_the_run() -> None:
    """Nobody will come for the result."""

    async def main() -> None:
        code = Code(ends_after=100)
        run = begin(code)
        asking = asyncio.create_task(host_turns.next_turn(run))
        await asyncio.sleep(1)
        asking.cancel()
        await asyncio.sleep(1)
        assert code.is_cancelled
        assert run.is_over

    play(main())


def test_a_run_that_is_refused_says_why() -> None:
    """As without tools."""

    async def main() -> None:
        with pytest.raises(Busy):
            await host_turns.next_turn(begin(Code(failure=Busy("full"))))

    play(main())


def test_other_runs_have_no_turns() -> None:
    """Without tools, or with readers of their own."""

    async def main() -> None:
        code = Code(ends_after=1)
        submission = Submission(RunRequest("python", "x", 5.0, tools=TOOLS), Caller("k", "k"), "r", Allowance())
        for run in (LiveRuns(code).start(submission), begin(code, ())):
            with pytest.raises(Conflict):
                await host_turns.next_turn(run)
            run.stop()

    play(main())


def test_who_reads_along_does_not_own_the_run() -> None:
    """A run in turns has a caller, and is there for it a while after its end."""

    async def main() -> None:
        code = Code([(0, "a")])
        run = begin(code)
        with run.reading():
            await host_turns.next_turn(run)
        assert run.has_caller
        await asyncio.sleep(1000)
        assert not run.is_over
        run.stop()

    play(main())


def test_a_shutdown_ends_the_runs_whose_client_would_have_to_come_back() -> None:
    """Not one that computes, that is asked for, or that is streamed: those may finish."""

    async def main() -> None:
        codes = [Code([(0, "a")]), Code(ends_after=9), Code([(5, "a")]), Code([(0, "a")])]
        live = [LiveRuns(code, LiveSettings(grace_s=60)) for code in codes]
        submission = Submission(RunRequest("python", "x", 5.0, tools=TOOLS), Caller("k", "k"), "r", Allowance())
        runs = [one.start_in_turns(submission) for one in live[:3]]
        runs.append(live[3].start(submission))
        await host_turns.next_turn(runs[0])
        asking = asyncio.create_task(host_turns.next_turn(runs[2]))
        await asyncio.sleep(1)
        for one in live:
            one.end_turns()
        await asyncio.sleep(1)
        assert [code.is_cancelled for code in codes] == [True, False, False, False]
        assert ids(await asking) == ["a"]
        for run in runs:
            run.stop()

    play(main())
