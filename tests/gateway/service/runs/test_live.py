"""Runs that are followed: they wait for no reader, and for a reader to come back only so long."""

from __future__ import annotations

import asyncio
import weakref
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import pytest

from gateway.core.errors import BadRequest, Busy, NotFound
from gateway.core.event_log import Accepted, Done, Gap, Item, LoggedEvent, RunRefused, RunStarted, ShownCode
from gateway.core.model import Display, Event, Finished, KernelReport, OnEvent, Raised, Result, Task, Text
from gateway.core.request import Allowance, Caller, Control, RunRequest, Submission
from gateway.core.run_files import Fetched, FetchedFile
from gateway.core.session_log import Missing
from gateway.service.runs.live import LiveRuns, LiveSettings
from gateway.service.runs.live_run import EXIT_INTERRUPTED, LiveRun
from gateway.service.session_feed import SessionFeed, Watch
from tests.fakes import in_fake_time
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


async def test_a_reader_gets_all_as_it_happens_and_how_it_ended() -> None:
    """Text and displays as they come; the error, and what only the end knows, once, at the end."""
    shown = Display("display", {"text/plain": "1"})
    raised = Raised("ValueError", "no", "Traceback")
    result = Result(False, "ab", "a", "bc", raised, 1, 0.5, displays=(shown,))
    events: list[Event] = [Text("stdout", "a"), shown, Text("stderr", "b"), raised, KernelReport(), Finished("error")]
    script = Script(events, result)
    run = LiveRuns(script, LONG).start(plan())
    with run.reading() as news:
        await run.begun(news)
    first: list[Item] = [Accepted("r1"), RunStarted(), Text("stdout", "a"), shown, Text("stderr", "b")]
    for seq, expected in enumerate(first):
        assert run.next_after(seq) == LoggedEvent(seq + 1, expected)
    script.go.set()
    text, error, done = await everything(run, 5)
    assert (text, error) == (Text("stderr", "c"), raised)
    assert isinstance(done, Done)
    assert (done.result.success, done.result.stdout, done.result.displays) == (False, "", ())


async def test_the_end_of_a_run_pushes_nothing_out() -> None:
    """The files that come back, and a returned value, have room beside what the run printed and showed."""
    allowance = Allowance(100, 1_000_000, fetch_bytes=15_000_000)
    shown = Display("display", {"image/png": "A" * 900_000})
    fetched = Fetched((FetchedFile(b"a", 15_000_000, "A" * 20_000_000),))
    result = Result(True, "", "", "", None, 0, 0.5, displays=(shown,), fetched=fetched, return_value="A" * 4_000_000)
    script = Script([shown], result)
    run = LiveRuns(script, LONG).start(replace(plan(), allowance=allowance))
    with run.reading() as news:
        await run.begun(news)
        script.go.set()
        while not run.is_over:
            news.clear()
            await asyncio.wait_for(news.wait(), HANG_S)
    assert (await everything(run))[:3] == [Accepted("r1"), RunStarted(), shown]


def test_a_run_without_readers_is_stopped_after_its_grace() -> None:
    """Nobody waits for it; whoever reads in time keeps it going."""

    async def main() -> None:
        script = Script()
        run = LiveRuns(script, LiveSettings(grace_s=30)).start(plan())
        with run.reading():
            await asyncio.sleep(100)
            assert not script.cancelled.is_set()
        await asyncio.sleep(29)
        assert not script.cancelled.is_set()
        await asyncio.wait_for(script.cancelled.wait(), HANG_S)

    in_fake_time(main())


async def test_a_reader_who_comes_back_misses_nothing() -> None:
    """From where it was, also after the end; and only one of the same key."""
    script = Script([Text("stdout", "a"), Text("stderr", "b")])
    live = LiveRuns(script, LONG)
    run = live.start(plan())
    with run.reading() as news:
        await run.begun(news)
    script.go.set()
    assert live.find("r1", ONE) is run
    assert (await everything(run, 2))[:2] == [Text("stdout", "a"), Text("stderr", "b")]
    with pytest.raises(NotFound):
        live.find("r1", OTHER)
    with pytest.raises(BadRequest):
        run.check(6)
    run.check(5)
    await live.close()
    with pytest.raises(NotFound):
        live.find("r1", ONE)


def test_finished_runs_are_forgotten_after_the_grace() -> None:
    """Their events take memory."""

    async def main() -> None:
        script = Script()
        script.go.set()
        live = LiveRuns(script, LiveSettings(grace_s=30))
        run = live.start(plan())
        assert live.states() == {"running": 1, "kept": 0}
        await everything(run)
        await asyncio.sleep(29)
        assert live.states() == {"running": 0, "kept": 1}
        await asyncio.sleep(2)
        assert live.states() == {"running": 0, "kept": 0}
        with pytest.raises(NotFound):
            live.find("r1", ONE)

    in_fake_time(main())


async def test_what_finished_runs_of_a_key_keep_is_bounded() -> None:
    """The oldest goes first, a reader that is still behind is told, and other keys lose nothing."""
    script = Script([Display("display", {"text/plain": "x" * 1000})])
    script.go.set()
    live = LiveRuns(script, LiveSettings(grace_s=60, kept_bytes=6000))
    other = live.start(plan("other", OTHER))
    await everything(other)
    runs = []
    for number in range(5):
        runs.append(live.start(plan(f"r{number}")))
        await everything(runs[-1])
    await asyncio.sleep(0)
    assert live.find("r4", ONE) is runs[4]
    assert live.find("other", OTHER) is other
    with pytest.raises(NotFound):
        live.find("r0", ONE)
    assert (await everything(runs[0]))[0] == Gap(1, 3)


class Code(str):
    """Source text whose end can be seen."""


@pytest.mark.usefixtures("no_collector")
@pytest.mark.parametrize("ending", ["done", "refused", "fault", "stopped"])
async def test_a_finished_run_keeps_what_happened_and_not_what_was_asked(ending: str) -> None:
    """Code and data may be far larger than what came of them, and count nowhere; the rest goes when it is forgotten."""
    script = Script()
    if ending in ("refused", "fault"):
        script.result = Busy("full", retry_after_s=1) if ending == "refused" else KeyError("odd")
    live, code, data = LiveRuns(script, LONG), Code("x"), Code("data")
    seen = weakref.ref(code), weakref.ref(data)
    run = live.start(Submission(RunRequest("analyze", code, 5.0, {"data": data}), ONE, "r1", ALLOWANCE))
    del code, data
    with run.reading() as news:
        if ending in ("done", "stopped"):
            await run.begun(news)
    if ending == "stopped":
        run.stop()
    script.go.set()
    assert len(await everything(run)) >= 2
    await asyncio.sleep(0)
    assert [ref() for ref in seen] == [None, None]
    assert live.find("r1", ONE) is run
    forgotten = weakref.ref(run)
    await live.close()
    del run, script
    assert forgotten() is None


async def test_a_run_is_interrupted_by_its_kernel_or_gives_up_its_place() -> None:
    """Running code may say what it has to; what waits for a kernel ends at once."""
    script = Script()
    run = LiveRuns(script, LONG).start(plan())
    with run.reading() as news:
        await run.begun(news)
        await run.interrupt()
        error, done = (await everything(run))[-2:]
    assert isinstance(error, Raised)
    assert isinstance(done, Done)
    assert done.result.exit_code == 1
    waiting = LiveRuns(Script(gets_kernel=False), LONG).start(plan())
    with waiting.reading():
        await waiting.interrupt()
        error, done = (await everything(waiting))[-2:]
    assert error == Raised("KeyboardInterrupt", "The run was interrupted before it began", "")
    assert isinstance(done, Done)
    assert done.result.exit_code == EXIT_INTERRUPTED


async def test_what_kept_a_run_from_beginning_is_told() -> None:
    """As the failure it is, and as the last event."""
    script = Script(result=Busy("Full."))
    run = LiveRuns(script, LONG).start(plan())
    with run.reading() as news, pytest.raises(Busy):
        await run.begun(news)
    assert await everything(run) == [Accepted("r1"), RunRefused("Busy", "Full.", "busy")]


async def test_a_fault_of_ours_tells_the_run_id_alone() -> None:
    """The log has the rest."""
    run = LiveRuns(Script(result=KeyError("secret")), LONG).start(plan())
    assert await everything(run) == [Accepted("r1"), RunRefused("InternalError", "internal error (run r1)", "internal")]


# ---- runs of sessions ---------------------------------------------------------------------------------------------------


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


@pytest.mark.parametrize("is_streamed", [True, False])
async def test_a_run_of_a_session_is_seen_by_all_who_watch(is_streamed: bool) -> None:
    """Whoever asked for it and however: the code first, what it prints while it runs, its end once."""
    shown, heard = Text("stdout", "a"), list[Event]()
    script = Script([shown, KernelReport()])
    world = Watched(script)
    watch = Watch(world.feed, None, asyncio.Event())
    if is_streamed:
        world.live.start(in_session())
    else:
        waiting = asyncio.create_task(world.live.run(in_session(), heard.append))
    await script.begun.wait()
    seen = world.feed.current
    assert seen is not None
    assert (seen.run_id, seen.task) == ("r1", "python")
    assert world.items() == [Accepted("r1", ShownCode("python", "code", is_cut=False)), RunStarted(), shown]
    script.go.set()
    await everything(world.live.find("r1", ONE))
    assert world.feed.current is None
    if not is_streamed:
        assert await waiting == script.result
        assert heard == [shown, KernelReport()], "the caller gets all events"
    assert isinstance(world.items()[-1], Done)
    assert len(world.items()) == 4
    watch.close()


async def test_a_run_that_nobody_watches_is_forgotten_with_its_answer() -> None:
    """Its caller has everything; whoever watched may come back for it."""
    script = Script([Text("stdout", "a")])
    script.go.set()
    world = Watched(script)
    assert await world.live.run(in_session()) == script.result
    assert world.live.states() == {"running": 0, "kept": 0}
    assert world.items() == [Missing(1, 4)]
    watch = Watch(world.feed, None, asyncio.Event())
    await world.live.run(in_session("r2"))
    watch.close()
    await world.live.run(in_session("r3"))
    assert world.live.states() == {"running": 0, "kept": 2}
    assert len(world.items()) == 9
    await world.live.close()
    assert world.items() == [Missing(1, 12)]


async def test_looks_single_runs_and_runs_to_be_refused_go_by_the_feed() -> None:
    """They are no runs of the session; the runner says what it has to."""
    script = Script()
    script.go.set()
    world = Watched(script)
    for submission in (
        in_session(task="variables"),
        plan(),
        Submission(RunRequest("python", "x", 5.0, session="other"), ONE, "r", ALLOWANCE),
    ):
        assert await world.live.run(submission, lambda _event: None) == script.result
    assert world.items() == []
    assert world.live.start(in_session("r9", "table")).feed is None


async def test_a_caller_who_leaves_stops_the_run_and_followers_do_not() -> None:
    """It waits for the answer; those who follow or watch only look."""
    script = Script()
    world = Watched(script)
    waiting = asyncio.create_task(world.live.run(in_session()))
    await script.begun.wait()
    run = world.live.find("r1", ONE)
    assert run.has_caller
    with run.reading():
        pass
    await asyncio.sleep(0)
    assert not waiting.done()
    assert not script.cancelled.is_set()
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting
    await script.cancelled.wait()


async def test_a_run_that_waits_is_called_off_and_its_caller_told() -> None:
    """Others of the key may do that by its id."""
    world = Watched(Script(gets_kernel=False))
    waiting = asyncio.create_task(world.live.run(in_session()))
    await asyncio.sleep(0)
    await world.live.find("r1", ONE).interrupt()
    result = await waiting
    assert (result.success, result.exit_code) == (False, EXIT_INTERRUPTED)
    assert result.error == Raised("KeyboardInterrupt", "The run was interrupted before it began", "")


async def test_a_caller_who_leaves_a_run_that_is_called_off_is_not_kept() -> None:
    """Both at once: there is nobody to be told."""
    world = Watched(Script(gets_kernel=False))
    waiting = asyncio.create_task(world.live.run(in_session()))
    await asyncio.sleep(0)
    world.live.find("r1", ONE).stop()
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting
    assert world.live.states() == {"running": 0, "kept": 0}


async def test_the_caller_of_a_run_that_is_called_off_goes_on() -> None:
    """Only the run was cancelled: what the caller does next is not, as the next cell of a notebook."""
    world = Watched(Script(gets_kernel=False))

    async def two() -> list[bool]:
        first = await world.live.run(in_session("r1"))
        await asyncio.sleep(0)
        second = await world.live.run(in_session("r2"))
        return [first.success, second.success]

    waiting = asyncio.create_task(two())
    for run_id in ("r1", "r2"):
        while world.live.states()["running"] == 0:  # noqa: ASYNC110  # until the next run has begun
            await asyncio.sleep(0)
        world.live.find(run_id, ONE).stop()
        world.live.find(run_id, ONE).stop()
        await asyncio.sleep(0.001)
    assert await waiting == [False, False]


async def test_the_end_of_the_gateway_ends_awaited_runs_and_tells_their_callers() -> None:
    """Nothing is left of them."""
    world = Watched(Script())
    waiting = asyncio.create_task(world.live.run(in_session()))
    await asyncio.sleep(0)
    assert world.live.states() == {"running": 1, "kept": 0}
    await world.live.close()
    assert (await waiting).exit_code == EXIT_INTERRUPTED
    assert world.live.states() == {"running": 0, "kept": 0}


@pytest.mark.parametrize("failure", [Busy("full"), KeyError("odd")])
async def test_what_keeps_a_run_from_beginning_is_raised_to_its_caller(failure: Exception) -> None:
    """And told to those who watch, a fault without its words."""
    world = Watched(Script(result=failure))
    watch = Watch(world.feed, None, asyncio.Event())
    with pytest.raises(type(failure)):
        await world.live.run(in_session())
    refused = world.items()[-1]
    assert isinstance(refused, RunRefused)
    assert "odd" not in refused.message
    watch.close()


def test_what_is_read_is_kept_and_counted() -> None:
    """A slow reader of a finished run loses nothing to the clock, but to what newer runs need."""

    async def main() -> None:
        script = Script([Display("display", {"text/plain": "x" * 1000})])
        script.go.set()
        live = LiveRuns(script, LiveSettings(grace_s=30, kept_bytes=4000))
        run = live.start(plan())
        with run.reading():
            await asyncio.sleep(100)
            assert live.find("r1", ONE) is run
            assert isinstance(run.next_after(0), LoggedEvent)
            for number in range(3):
                live.start(plan(f"new{number}"))
            await asyncio.sleep(1)
            assert run.next_after(0) == Gap(1, 3)
        await live.close()

    in_fake_time(main())
