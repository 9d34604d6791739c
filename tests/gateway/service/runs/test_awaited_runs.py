"""Runs of sessions: those whose callers wait for them, and all who watch."""

from __future__ import annotations

import asyncio

import pytest

from gateway.core.errors import Busy
from gateway.core.event_log import Accepted, Done, RunRefused, RunStarted, ShownCode
from gateway.core.model import Event, KernelReport, Raised, Text
from gateway.core.request import RunRequest, Submission
from gateway.core.session_log import Missing
from gateway.service.runs.live_run import EXIT_INTERRUPTED
from gateway.service.session_feed import Watch
from tests.gateway.service.runs.scripted import ALLOWANCE, ONE, Script, Watched, everything, in_session, plan


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
