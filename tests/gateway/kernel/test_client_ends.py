"""The client on a kernel that says what the script says, over real sockets: deadlines, floods and deaths that end a run."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import pytest

from gateway.core.errors import Unavailable
from gateway.core.model import Death, Limit
from gateway.kernel.run import MAX_EMPTY
from tests.fakes import CRASH, KILLED, Request, say_never, say_ok, spec
from tests.gateway.kernel.conftest import Connect

MIB = 2**20


# ---- the deadline -------------------------------------------------------------------------------------------------------


async def test_code_that_obeys_the_interrupt_keeps_its_kernel(connect: Connect) -> None:
    """The message is enough; the signal is not sent, so it cannot hit the next run."""

    async def script(request: Request) -> None:
        await (say_never if request.code == "loop" else say_ok)(request)

    client, kernel = await connect(script)
    result = await client.run(spec("loop", timeout_s=0.05))
    assert result.error is not None
    assert (result.error.type, result.error.message) == ("TimeoutError", "Execution timeout exceeded")
    assert (result.limit, result.kernel_replaced) == (Limit.TIMEOUT, False)
    assert kernel.interrupts == ["message"]
    assert (await client.run(spec("fine"))).success


async def test_the_signal_follows_when_the_message_is_not_heard(connect: Connect) -> None:
    """A kernel whose control thread is stuck still gets SIGINT."""
    client, kernel = await connect(say_never)
    kernel.obeys_message = False
    result = await client.run(spec(timeout_s=0.05))
    assert kernel.interrupts == ["message", "signal"]
    assert (result.limit, result.kernel_replaced) == (Limit.TIMEOUT, False)


async def test_code_that_ignores_interrupts_is_killed(connect: Connect) -> None:
    """After the grace; what it printed is returned, and the answer says that the state is gone."""

    async def script(request: Request) -> None:
        request.write("so far")
        await say_never(request)

    client, kernel = await connect(script)
    kernel.obeys_message = kernel.obeys_signal = False
    result = await client.run(spec(timeout_s=0.05))
    assert (result.limit, result.kernel_replaced, result.output) == (Limit.TIMEOUT, True, "so far")
    assert not client.is_alive
    with pytest.raises(Unavailable):
        await client.run(spec())


async def test_code_that_ignores_the_interrupt_of_a_client_is_killed_as_at_its_deadline(connect: Connect) -> None:
    """Message, signal, kill; asking many times shortens nothing."""
    begun = asyncio.Event()

    async def script(request: Request) -> None:
        request.write("so far")
        begun.set()
        await say_never(request)

    client, kernel = await connect(script)
    kernel.obeys_message = kernel.obeys_signal = False
    run = asyncio.create_task(client.run(spec()))
    await begun.wait()
    for _ in range(3):
        await client.interrupt()
    result = await run
    assert kernel.interrupts == ["message", "signal"]
    assert result.error is not None
    assert (result.error.type, result.limit, result.kernel_replaced) == ("KeyboardInterrupt", None, True)
    assert result.output == "so far"
    assert not client.is_alive


async def test_a_kernel_that_dies_of_an_interrupt_is_told_as_a_death(connect: Connect) -> None:
    """The crash is the news, not the interrupt."""
    begun = asyncio.Event()

    async def script(request: Request) -> None:
        begun.set()
        await say_never(request)

    client, kernel = await connect(script, grace_s=60.0)
    kernel.obeys_message = kernel.obeys_signal = False
    run = asyncio.create_task(client.run(spec()))
    await begun.wait()
    await client.interrupt()
    kernel.die(CRASH)
    result = await run
    assert result.error is not None
    assert (result.error.type, result.limit) == ("KernelDied", Limit.DIED)


async def test_a_run_that_ends_while_it_is_interrupted_keeps_its_own_end(connect: Connect) -> None:
    """It caught the interrupt and finished within the grace."""
    begun, asked = asyncio.Event(), asyncio.Event()

    async def script(request: Request) -> None:
        begun.set()
        await asked.wait()
        await say_ok(request)

    client, kernel = await connect(script, grace_s=60.0)
    kernel.obeys_message = False
    run = asyncio.create_task(client.run(spec()))
    await begun.wait()
    await client.interrupt()
    asked.set()
    result = await run
    assert (result.success, result.kernel_replaced) == (True, False)
    assert client.is_alive


async def test_one_byte_at_a_time_does_not_extend_the_deadline(connect: Connect) -> None:
    """The deadline is by the clock, whatever trickles in."""

    async def script(request: Request) -> None:
        while True:
            request.write("x")
            await asyncio.sleep(0.005)

    client, _ = await connect(script)
    assert (await client.run(spec(timeout_s=0.05))).limit is Limit.TIMEOUT


async def test_a_reply_that_never_comes_ends_at_the_deadline(connect: Connect) -> None:
    """Idle alone ends nothing."""

    async def script(request: Request) -> None:
        request.state("idle")
        await asyncio.Event().wait()

    client, _ = await connect(script)
    assert (await client.run(spec(timeout_s=0.05))).limit is Limit.TIMEOUT


# ---- too much -----------------------------------------------------------------------------------------------------------


async def say_too_much(request: Request) -> None:
    """A run that prints 1200 bytes and goes on."""
    request.write("x" * 600)
    request.write("y" * 600)
    await say_never(request)


async def test_too_much_output_interrupts_the_code(connect: Connect) -> None:
    """What was captured up to the limit is returned, with the traceback of the interrupt, and the kernel is kept."""
    client, kernel = await connect(say_too_much, grace_s=60.0)
    result = await client.run(spec(output_bytes=1000))
    assert result.error is not None
    assert (result.error.type, result.error.message) == ("ExecutionError", "Output size limit exceeded")
    assert "KeyboardInterrupt" in result.error.traceback
    assert result.output == "x" * 600 + "y" * 400
    assert (result.limit, result.truncated, result.kernel_replaced) == (Limit.OUTPUT, True, False)
    assert kernel.interrupts == ["message"]


async def test_code_that_prints_on_after_the_interrupt_is_killed(connect: Connect) -> None:
    """After the grace: message, signal, kill."""
    client, kernel = await connect(say_too_much)
    kernel.obeys_message = kernel.obeys_signal = False
    result = await client.run(spec(output_bytes=1000))
    assert result.output == "x" * 600 + "y" * 400
    assert (result.limit, result.truncated, result.kernel_replaced) == (Limit.OUTPUT, True, True)
    assert kernel.interrupts == ["message", "signal"]


async def test_a_flood_after_the_output_limit_ends_the_kernel_at_once(connect: Connect) -> None:
    """What is under way is read; more than that is not waited for."""

    async def script(request: Request) -> None:
        request.write("x" * 2000)
        for _ in range(20):
            request.write("y" * MIB)
        await say_never(request)

    client, kernel = await connect(script, grace_s=60.0)
    kernel.obeys_message = kernel.obeys_signal = False
    result = await client.run(spec(output_bytes=1000))
    assert (result.output, result.limit, result.kernel_replaced) == ("x" * 1000, Limit.OUTPUT, True)


async def test_a_message_over_the_size_limit_is_the_output_limit(connect: Connect) -> None:
    """The connection is dropped for it; the run must not wait for ever."""

    async def script(request: Request) -> None:
        request.write("x" * 2 * MIB)
        await say_never(request)

    client, _ = await connect(script, max_message_bytes=MIB)
    result = await client.run(spec(output_bytes=10 * MIB))
    assert (result.limit, result.kernel_replaced) == (Limit.OUTPUT, True)


async def test_a_reply_over_the_size_limit_is_the_output_limit(connect: Connect) -> None:
    """The same on the shell channel."""

    async def script(request: Request) -> None:
        request.reply(metadata={"omega": "x" * 2 * MIB})

    client, _ = await connect(script, max_message_bytes=MIB)
    assert (await client.run(spec())).limit is Limit.OUTPUT


async def test_a_flood_for_nobody_ends_the_run(connect: Connect) -> None:
    """Messages under another parent are not free either."""

    async def script(request: Request) -> None:
        for _ in range(20):
            request.publish("stream", {"name": "stdout", "text": "x" * 10_000}, parent={"msg_id": "other"})
        await say_never(request)

    client, _ = await connect(script, max_noise_bytes=100_000)
    assert (await client.run(spec())).limit is Limit.OUTPUT


@pytest.mark.thorough
@pytest.mark.parametrize("frames", [[b""], [b""] * 5000, [b"<IDS|MSG>"]], ids=["empty", "empty frames", "no parts"])
async def test_a_flood_of_what_is_no_message_ends_the_run(connect: Connect, frames: list[bytes]) -> None:
    """It has hardly a byte to count, and keeps the gateway as busy."""

    async def script(request: Request) -> None:
        for _ in range(200):
            request.kernel.sockets["iopub"].send_multipart(frames)
        await say_never(request)

    client, _ = await connect(script, max_noise_bytes=100_000)
    assert (await client.run(spec())).limit is Limit.OUTPUT


@pytest.mark.thorough
@pytest.mark.parametrize(
    "say",
    [
        lambda request: request.state("busy"),
        lambda request: request.fail("ValueError", "again"),
        lambda request: request.write(""),
    ],
    ids=["busy", "failed", "no text"],
)
async def test_a_flood_that_adds_nothing_to_its_run_ends_it(connect: Connect, say: Callable[[Request], None]) -> None:
    """No limit of what is shown would ever be reached."""

    async def script(request: Request) -> None:
        for at in range(MAX_EMPTY + 10):
            say(request)
            if at % 500 == 0:
                await asyncio.sleep(0.01)
        await say_never(request)

    client, _ = await connect(script)
    assert (await client.run(spec(timeout_s=30))).limit is Limit.OUTPUT


async def test_a_flood_between_runs_ends_the_kernel(connect: Connect) -> None:
    """A thread left behind by a run cannot keep the gateway busy for ever."""
    client, kernel = await connect(max_noise_bytes=100_000)
    for _ in range(20):
        kernel.publish("stream", {"name": "stdout", "text": "x" * 10_000}, parent={"msg_id": "other"})
    assert await client.ended() == KILLED


async def test_an_oversized_message_between_runs_ends_the_kernel(connect: Connect) -> None:
    """Nothing could be heard from it any more."""
    client, kernel = await connect(max_message_bytes=MIB)
    kernel.publish("stream", {"name": "stdout", "text": "x" * 2 * MIB}, parent={})
    assert await client.ended() == KILLED


# ---- death --------------------------------------------------------------------------------------------------------------


async def test_the_last_words_of_a_dying_kernel_are_heard(connect: Connect) -> None:
    """Output sent right before a crash is in the answer, with the signal."""

    async def script(request: Request) -> None:
        request.write("last words")
        request.kernel.die(CRASH)

    client, _ = await connect(script)
    result = await client.run(spec())
    assert result.error is not None
    assert "SIGSEGV" in result.error.message
    assert (result.output, result.limit, result.exit_code) == ("last words", Limit.DIED, 139)
    assert not client.is_alive


async def test_a_kernel_that_breaks_off_its_connection_is_not_said_to_print_too_much(connect: Connect) -> None:
    """Code closed its descriptors, or executed another program in place of the kernel."""

    async def script(request: Request) -> None:
        request.kernel.sockets["shell"].close(linger=0)
        await say_never(request)

    client, _ = await connect(script)
    result = await client.run(spec())
    assert result.error is not None
    assert (result.error.type, result.error.message) == ("KernelDied", "The kernel closed its connection and was killed")
    assert (result.limit, result.exit_code, result.kernel_replaced, result.truncated) == (Limit.DIED, 137, True, False)


async def test_out_of_memory_is_told_apart(connect: Connect) -> None:
    """With the limit in MB."""

    async def script(request: Request) -> None:
        request.kernel.die(Death(0, 9, out_of_memory=True, asked=False))

    client, _ = await connect(script)
    result = await client.run(spec())
    assert result.error is not None
    assert (result.error.type, result.limit) == ("MemoryError", Limit.MEMORY)
    assert "512 MB" in result.error.message


async def test_a_run_that_was_over_before_the_kernel_died_stands(connect: Connect) -> None:
    """Reply and idle came; the answer says that the state is gone."""

    async def script(request: Request) -> None:
        request.write("done")
        await say_ok(request)
        request.kernel.die(CRASH)

    client, _ = await connect(script)
    result = await client.run(spec())
    assert (result.success, result.output) == (True, "done")
    with pytest.raises(Unavailable):
        await client.run(spec())


async def test_a_kernel_that_says_it_is_at_its_end_is_ended(connect: Connect) -> None:
    """Its run stands, the answer says that the state is gone, and nothing else is run there."""

    async def script(request: Request) -> None:
        request.state("busy")
        request.reply({"status": "error", "ename": "MemoryError", "evalue": ""}, {"omega": {"is_last": True}})
        request.state("idle")

    client, _ = await connect(script)
    result = await client.run(spec("x"))
    assert (result.limit, result.kernel_replaced) == (Limit.MEMORY, True)
    assert not client.is_alive


async def test_a_kernel_that_dies_idle_is_noticed(connect: Connect) -> None:
    """ended() says how; a run is refused."""
    client, kernel = await connect()
    kernel.die(CRASH)
    assert await client.ended() == CRASH
    assert not client.is_alive


async def test_killing_twice_is_fine(connect: Connect) -> None:
    """Both get the same answer."""
    client, _ = await connect()
    assert set(await asyncio.gather(client.kill(), client.kill())) == {KILLED}


async def test_a_kill_ends_the_run_in_progress(connect: Connect) -> None:
    """A session deleted while it runs."""
    client, _ = await connect(say_never)
    run = asyncio.create_task(client.run(spec()))
    await asyncio.sleep(0.05)
    await client.kill()
    assert (await run).limit is Limit.DIED
