"""The client on a kernel that says what the script says, over real sockets: starts, events and callers who take turns."""

from __future__ import annotations

import asyncio
import json

import pytest

from gateway.core.errors import Unavailable
from gateway.core.model import Event, Finished, Text
from gateway.kernel.client import ClientSettings, KernelClient
from tests.fakes import CRASH, KILLED, FakeKernel, Request, say_never, say_ok, spec
from tests.gateway.kernel.conftest import Connect
from tests.live import HANG_S

MIB = 2**20


async def test_a_run_returns_what_the_kernel_said(connect: Connect) -> None:
    """Output, displays, report."""

    async def script(request: Request) -> None:
        request.state("busy")
        request.write("a")
        request.write("b", "stderr")
        request.publish("execute_result", {"data": {"text/plain": "1"}, "metadata": {}, "execution_count": 1})
        request.reply({"execution_count": 4}, {"omega": {"variables": {"x": {"type": "int"}}}})
        request.state("idle")

    client, _ = await connect(script)
    result = await client.run(spec("x"))
    assert (result.output, result.stdout, result.stderr) == ("ab", "a", "b")
    assert result.displays[0].data == {"text/plain": "1"}
    assert result.variables == {"x": {"type": "int"}}
    assert result.execution_count == 4
    assert result.success


async def test_the_request_carries_code_as_data(connect: Connect) -> None:
    """The caller's source untouched, the task and its inputs beside it, no stdin."""
    client, kernel = await connect()
    await client.run(spec("'\"\n\\", task="analyze", inputs={"data": [1]}, wants_variables=False))
    request = kernel.requests[-1]
    assert request["content"]["code"] == "'\"\n\\"
    assert request["content"]["allow_stdin"] is False
    assert request["content"]["silent"] is False
    assert request["metadata"]["omega"] == {"task": "analyze", "inputs": {"data": [1]}, "variables": False}


async def test_output_after_the_reply_is_not_lost(connect: Connect) -> None:
    """The reply comes over another socket and may be faster."""

    async def script(request: Request) -> None:
        request.reply()
        await asyncio.sleep(0.02)
        request.write("late")
        request.state("idle")

    client, _ = await connect(script)
    assert (await client.run(spec())).output == "late"


async def test_events_are_handed_on_as_they_come(connect: Connect) -> None:
    """A streaming caller sees output before the run is over."""
    seen: list[Event] = []
    half_way = asyncio.Event()

    async def script(request: Request) -> None:
        request.write("early")
        await half_way.wait()
        request.reply()
        request.state("idle")

    def on_event(event: Event) -> None:
        seen.append(event)
        if isinstance(event, Text):
            half_way.set()

    client, _ = await connect(script)
    await client.run(spec(), on_event)
    assert seen[0] == Text("stdout", "early")
    assert seen[-1] == Finished("ok")


async def test_messages_of_other_requests_are_ignored(connect: Connect) -> None:
    """A forged end or output under another parent does not reach this run."""

    async def script(request: Request) -> None:
        other = {"msg_id": "other"}
        request.publish("stream", {"name": "stdout", "text": "foreign"}, parent=other)
        request.publish("status", {"execution_state": "idle"}, parent=other)
        request.publish("stream", {"name": "stdout", "text": "nobody's"}, parent={})
        await say_ok(request)

    client, _ = await connect(script)
    assert (await client.run(spec())).output == ""


async def test_output_of_one_run_never_shows_in_the_next(connect: Connect) -> None:
    """A forged early idle ends its own run early, and what it still prints is nobody's."""
    first: list[Request] = []

    async def script(request: Request) -> None:
        if not first:
            first.append(request)
            await say_ok(request)
            return
        first[0].write("leak")
        first[0].state("idle")
        first[0].reply()
        request.write("mine")
        await say_ok(request)

    client, _ = await connect(script)
    await client.run(spec())
    assert (await client.run(spec())).output == "mine"


@pytest.mark.parametrize(
    "frames",
    [
        [b"", b"", b"", b""],
        [b"{", b"{", b"{", b"{"],
        [b'{"msg_type":"stream"}', b'{"msg_id":"r"}', b"{}", b"[" * 100_000],
        [b"[]", b"3", b"null", b'"x"'],
        [b'{"msg_type":"status","date":"9999-99-99T99:99:99"}', b'"parent"', b"{}", b"{}"],
        [b'{"msg_type":5,"msg_id":[]}', b"{}", b"{}", b"{}", *[b"buffer"] * 2000],
    ],
)
async def test_malformed_messages_change_nothing(connect: Connect, frames: list[bytes]) -> None:
    """They are dropped and the run goes on."""

    async def script(request: Request) -> None:
        request.kernel.publish_frames(frames)
        request.write("fine")
        await say_ok(request)

    client, _ = await connect(script)
    result = await client.run(spec())
    assert (result.success, result.output) == (True, "fine")


async def test_strict_json_leaves_the_client(connect: Connect) -> None:
    """NaN and lone surrogates are signed, valid for the kernel, and repaired here."""

    async def script(request: Request) -> None:
        parent = json.dumps({"msg_id": request.message["header"]["msg_id"]}).encode()
        content = b'{"data": {"application/json": [NaN, "\\ud800"]}}'
        request.kernel.publish_parts("display_data", [parent, b"{}", content])
        await say_ok(request)

    client, _ = await connect(script)
    (shown,) = (await client.run(spec())).displays
    assert shown.data == {"application/json": [None, "\ufffd"]}


# ---- several callers ----------------------------------------------------------------------------------------------------


async def test_runs_take_turns_in_order_of_arrival(connect: Connect) -> None:
    """One at a time, each with its own output."""
    running: list[str] = []

    async def script(request: Request) -> None:
        running.append(request.code)
        assert len(running) == 1
        request.write(request.code)
        await asyncio.sleep(0.005)
        running.clear()
        await say_ok(request)

    client, kernel = await connect(script)
    results = await asyncio.gather(*(client.run(spec(f"run {number}")) for number in range(5)))
    assert [result.output for result in results] == [f"run {number}" for number in range(5)]
    assert [request["content"]["code"] for request in kernel.requests] == [f"run {at}" for at in range(5)]


async def test_a_cancelled_caller_interrupts_and_the_next_run_is_clean(connect: Connect) -> None:
    """The client disconnected; the kernel is kept when the code obeys."""

    async def script(request: Request) -> None:
        if request.code == "loop":
            request.write("mine")
            await say_never(request)
        await say_ok(request)

    client, kernel = await connect(script)
    run = asyncio.create_task(client.run(spec("loop")))
    await asyncio.sleep(0.05)
    run.cancel()
    with pytest.raises(asyncio.CancelledError):
        await run
    result = await client.run(spec("next"))
    assert (result.success, result.output) == (True, "")
    assert kernel.interrupts == ["message"]


async def test_a_cancelled_caller_of_code_that_does_not_obey_ends_the_kernel(connect: Connect) -> None:
    """Those who wait are told that it is gone."""
    client, kernel = await connect(say_never)
    kernel.obeys_message = kernel.obeys_signal = False
    run = asyncio.create_task(client.run(spec("loop")))
    waiting = asyncio.create_task(client.run(spec("next")))
    await asyncio.sleep(0.05)
    run.cancel()
    with pytest.raises(Unavailable):
        await waiting
    assert await client.ended() == KILLED


async def test_a_cancelled_caller_in_the_queue_leaves_it(connect: Connect) -> None:
    """Nothing is sent for it."""
    gate = asyncio.Event()

    async def script(request: Request) -> None:
        await gate.wait()
        await say_ok(request)

    client, kernel = await connect(script)
    runs = [asyncio.create_task(client.run(spec(str(number)))) for number in range(3)]
    await asyncio.sleep(0.05)
    runs[1].cancel()
    gate.set()
    await asyncio.wait(runs)
    assert [request["content"]["code"] for request in kernel.requests] == ["0", "2"]
    assert runs[2].result().success


async def test_an_interrupt_from_outside_ends_the_run_as_the_kernel_says(connect: Connect) -> None:
    """The user pressed stop: KeyboardInterrupt, no limit."""
    client, _ = await connect(say_never)
    run = asyncio.create_task(client.run(spec()))
    await asyncio.sleep(0.05)
    await client.interrupt()
    result = await run
    assert result.error is not None
    assert (result.error.type, result.limit) == ("KeyboardInterrupt", None)


async def test_an_interrupt_without_a_run_is_nothing(connect: Connect) -> None:
    """Nothing is sent that could hit the next one."""
    client, kernel = await connect()
    await client.interrupt()
    assert (await client.run(spec())).success
    assert kernel.interrupts == []


# ---- starting -----------------------------------------------------------------------------------------------------------


async def test_warming_up_leaves_no_trace(connect: Connect) -> None:
    """Silent: no history, no count."""
    client, kernel = await connect()
    await client.warm_up("python")
    assert kernel.requests[0]["content"]["silent"] is True
    assert kernel.requests[0]["content"]["store_history"] is False


async def test_a_kernel_that_never_welcomes_is_not_used() -> None:
    """Its first output could be lost."""
    kernel = FakeKernel(welcomes=False)
    client = KernelClient(kernel, memory_bytes=MIB, settings=ClientSettings(connect_timeout_s=0.1))
    with pytest.raises(Unavailable):
        await client.connect()
    await client.kill()
    await kernel.close()


async def test_a_kernel_that_dies_before_it_answers_is_not_waited_for() -> None:
    """The pool tries again at once."""
    kernel = FakeKernel(welcomes=False)
    client = KernelClient(kernel, memory_bytes=MIB)
    kernel.die(CRASH)
    async with asyncio.timeout(HANG_S):
        with pytest.raises(Unavailable):
            await client.connect()
    await client.kill()
    await kernel.close()
