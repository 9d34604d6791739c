"""A run whose client asks in turns: each answer has the calls that wait for the client, or the result."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Final

from gateway.core.errors import Conflict
from gateway.core.host_calls import HostCalls
from gateway.core.host_tools import HostAnswer, HostCall
from gateway.core.model import Result
from gateway.service.runs.live_run import LiveRun

BURST_S: Final = 0.002
"""How long after a call another one may follow that was made with it, such as by asyncio.gather."""
MAX_BURST: Final = 50
"""How often the time may begin anew."""


async def next_turn(run: LiveRun) -> tuple[HostCall, ...] | Result:
    """All calls that wait once one does, or the result. Raises why the run was refused, or Gone for a second result.

    If the client leaves before, the run ends.
    """
    calls, kept = run.calls, run.kept
    if calls is None or kept is None:
        raise Conflict("The run has no tools, or is followed as a stream.")
    with run.reading() as news:
        try:
            while not run.is_over:
                news.clear()
                if not calls.waiting:
                    await news.wait()
                    continue
                await _settle(calls)
                if waiting := calls.waiting:
                    return waiting
        except asyncio.CancelledError:
            run.stop()
            raise
    return kept.take()


def answer(calls: HostCalls, answers: Sequence[HostAnswer]) -> None:
    """Hand over *answers*. If the run has ended, or is being stopped, nothing waits for them, and the result is next."""
    if not calls.is_closed:
        calls.answer(answers)


async def _settle(calls: HostCalls) -> None:
    """Wait until no call follows the last one."""
    for _ in range(MAX_BURST):
        taken = calls.taken
        await asyncio.sleep(BURST_S)
        if calls.taken == taken:
            return
