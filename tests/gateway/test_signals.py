"""What signals and the drain drain do at each stage of a gateway's life."""

from __future__ import annotations

import asyncio

import pytest

from gateway.core.errors import Unavailable
from gateway.service.drain import Drain
from gateway.signals import StopSignals


async def _live(stop: list[StopSignals], said: list[str], drain: asyncio.Event) -> None:
    task = asyncio.current_task()
    assert task is not None
    stop.append(StopSignals(task))
    try:
        said.append("serving")
        await stop[0].wait()
        said.append("draining")
        await drain.wait()
        stop[0].close()
        said.append("drained")
    finally:
        said.append("closed")


async def _begin() -> tuple[asyncio.Task[None], StopSignals, list[str], asyncio.Event]:
    stop: list[StopSignals] = []
    said: list[str] = []
    drain = asyncio.Event()
    task = asyncio.create_task(_live(stop, said, drain))
    await asyncio.sleep(0)
    return task, stop[0], said, drain


async def test_the_first_signal_drains() -> None:
    """Nothing is cancelled."""
    task, stop, said, drain = await _begin()
    stop.receive()
    drain.set()
    await task
    assert said == ["serving", "draining", "drained", "closed"]
    assert not stop.is_forced


async def test_the_second_signal_ends_at_once_and_still_cleans_up() -> None:
    """Later ones do not disturb that."""
    task, stop, said, _drain = await _begin()
    stop.receive()
    await asyncio.sleep(0)
    stop.receive()
    stop.receive()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert said == ["serving", "draining", "closed"]
    assert stop.is_forced


async def test_a_signal_during_the_start_ends_it() -> None:
    """There is nothing to drain yet."""
    task: asyncio.Task[object] = asyncio.create_task(asyncio.sleep(60))
    stop = StopSignals(task)
    stop.receive()
    with pytest.raises(asyncio.CancelledError):
        await task


async def test_a_signal_during_the_cleaning_up_is_ignored() -> None:
    """It would leave kernels behind."""
    task: asyncio.Task[object] = asyncio.create_task(asyncio.sleep(0))
    stop = StopSignals(task)
    stop.close()
    stop.receive()
    await task
    assert not stop.is_forced


async def test_a_closed_gate_lets_those_inside_finish_and_nobody_in() -> None:
    """Those turned away are told when to come again."""
    drain = Drain()
    with drain.enter():
        drain.close()
        assert drain.inside == 1
        assert not await drain.wait_empty(0.01)
        with pytest.raises(Unavailable) as turned_away, drain.enter():
            pass
        assert turned_away.value.retry_after_s == 5
    assert await drain.wait_empty(0.01)


async def test_a_run_that_fails_leaves_the_gate_too() -> None:
    """Otherwise every drain would last its whole time."""
    drain = Drain()
    with pytest.raises(ZeroDivisionError), drain.enter():
        raise ZeroDivisionError
    assert await drain.wait_empty(0)
