"""The clock of a run whose code waits for its host, and the way of the answers."""

from __future__ import annotations

import asyncio

from gateway.core.host_calls import HostCalls
from gateway.core.host_tools import CallLimits, HostAnswer, HostCall, HostTool
from gateway.core.model import RunSpec
from gateway.kernel.host_line import HostClock
from gateway.kernel.run import Cause
from tests.fakes import Request, in_fake_time
from tests.gateway.kernel.conftest import Connect
from tests.live import HANG_S


def test_of_two_times_one_goes_on() -> None:
    """The run's own stands still while code waits, and the waiting counts in all."""

    async def main() -> None:
        loop, noted = asyncio.get_running_loop(), []
        clock = HostClock(10.0, 100.0, lambda cause: noted.append((cause, round(loop.time() - began, 3))))
        began = loop.time()
        await asyncio.sleep(9)
        clock.switch(Cause.UNANSWERED)
        await asyncio.sleep(60)
        clock.switch(Cause.DEADLINE)
        await asyncio.sleep(0.5)
        clock.switch(Cause.UNANSWERED)
        await asyncio.sleep(100)
        assert noted == [(Cause.UNANSWERED, 109.5)]
        clock.switch(Cause.DEADLINE)
        await asyncio.sleep(1)
        assert noted[1:] == [(Cause.DEADLINE, 170.0)]
        clock.cancel()

    in_fake_time(main())


def test_a_clock_that_is_cancelled_says_nothing() -> None:
    """The run has ended."""

    async def main() -> None:
        noted: list[Cause] = []
        clock = HostClock(1.0, 1.0, noted.append)
        clock.cancel()
        await asyncio.sleep(5)
        assert noted == []

    in_fake_time(main())


def offered(wait_s: float = 300.0) -> tuple[RunSpec, HostCalls]:
    """A run that is given the tool ``f``."""
    calls = HostCalls([HostTool("f", "Does f.", ("x",))], CallLimits(wait_s=wait_s))
    return RunSpec("python", "", 30.0, 1000, 1000, calls=calls), calls


async def call_f(request: Request) -> None:
    """A run that calls the tool and prints what it gets."""
    request.state("busy")
    request.publish("omega_tool_call", {"id": "a", "name": "f", "input": {"x": 1}})
    answer = await request.kernel.answered()
    request.write(str(answer["output"]))
    request.reply()
    request.state("idle")


async def test_an_answer_goes_to_the_kernel_while_its_code_waits(connect: Connect) -> None:
    """The request names the tools; the call is an event; the answer comes by the control channel."""
    client, kernel = await connect(call_f)
    spec, calls = offered()

    def hear(event: object) -> None:
        if isinstance(event, HostCall):
            calls.answer([HostAnswer.of(event.call_id, output=event.given["x"])])

    result = await client.run(spec, hear)
    assert (result.success, result.output) == (True, "1")
    told = kernel.requests[-1]["metadata"]["omega"]["tools"]
    assert told == [{"name": "f", "description": "Does f.", "order": ["x"]}]
    assert calls.is_closed


async def test_a_host_that_stays_away_ends_the_run(connect: Connect) -> None:
    """The code is interrupted; the error says who did not answer."""
    client, kernel = await connect(call_f, grace_s=2 * HANG_S)
    spec, calls = offered(wait_s=0.01)
    result = await client.run(spec)
    assert result.error is not None
    assert result.error.message == "The host did not answer the calls of its tools in time"
    assert kernel.interrupts == ["message"]
    assert calls.is_closed
    assert client.is_alive
