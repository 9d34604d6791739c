"""Runs that are followed: they wait for no reader, and for a reader to come back only so long."""

from __future__ import annotations

import asyncio
import weakref
from dataclasses import replace

import pytest

from gateway.core.errors import BadRequest, Busy, NotFound
from gateway.core.event_log import Accepted, Done, Gap, Item, LoggedEvent, RunRefused, RunStarted
from gateway.core.model import Display, Event, Finished, KernelReport, Raised, Result, Text
from gateway.core.request import Allowance, RunRequest, Submission
from gateway.core.run_files import Fetched, FetchedFile
from gateway.service.runs.live import LiveRuns, LiveSettings
from gateway.service.runs.live_run import EXIT_INTERRUPTED
from tests.fakes import in_fake_time
from tests.gateway.service.runs.scripted import ALLOWANCE, LONG, ONE, OTHER, Script, everything, plan
from tests.live import HANG_S


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
