"""What every launcher promises of places and commands: the real one, and the fake that services are tested with."""

from __future__ import annotations

import asyncio
import os
import secrets
from collections.abc import AsyncIterator
from dataclasses import dataclass

import pytest

from gateway.core.errors import Unavailable
from gateway.kernel.launch.launcher import LaunchRequest
from gateway.kernel.launch.place import Command, CommandEnd, CommandNotStarted, CommandOutput, CommandProcess, Places
from gateway.kernel.launch.zygote_launcher import ZygoteLauncher, ZygoteOptions
from kernels.contract import Policy
from tests.fakes import FakePlaces
from tests.kernels.python.harness import PYTHON
from tests.live import HANG_S

KERNEL = "the-kernel-that-is-held"


@dataclass
class Held:
    """A held place and the launcher's side of it."""

    places: Places
    place: str

    async def run(self, *argv: str, **others: str) -> CommandProcess:
        """A command in it; *others* are its variables."""
        return await self.places.run_command(self.place, Command(argv, others))


@pytest.fixture
async def held() -> AsyncIterator[Held]:
    """One held place."""
    places = FakePlaces()
    places.hold(KERNEL)
    async with asyncio.timeout(HANG_S):
        yield Held(places, KERNEL)
    await places.end_place(KERNEL)


async def all_of(output: CommandOutput) -> bytes:
    """Everything that comes until the end."""
    pieces = []
    while piece := await output.read():
        pieces.append(piece)
    return b"".join(pieces)


async def test_a_command_has_what_it_was_given_and_says_how_it_ended(held: Held) -> None:
    """Arguments, variables, both outputs, the exit code; the work directory is where it is."""
    command = await held.run("sh", "-c", 'echo "$1 $HERE"; pwd >&2; exit 3', "sh", "a b", HERE="there")
    assert await all_of(command.stdout) == b"a b there\n"
    assert (await all_of(command.stderr)).endswith(b"\n")
    assert await command.wait() == CommandEnd(3, 0)
    assert command.pid > 1
    command.close()


async def test_standard_input_goes_both_ways_at_the_commands_pace(held: Held) -> None:
    """More than a pipe holds: neither side has to keep it."""
    command = await held.run("cat")
    sent = bytes(range(256)) * 2048

    async def write() -> bool:
        done = await command.write(sent)
        command.close_stdin()
        return done

    writing = asyncio.create_task(write())
    assert await all_of(command.stdout) == sent
    assert await writing
    assert await command.wait() == CommandEnd(0, 0)
    assert not await command.write(b"more"), "nobody reads it any more"
    command.close()


async def test_a_signal_reaches_all_of_its_process_group(held: Held) -> None:
    """And the command's end tells it."""
    command = await held.run("sh", "-c", "echo ready; sleep 1000 | cat; echo never")
    assert await command.stdout.read() == b"ready\n"
    command.signal(15)
    assert await command.wait() == CommandEnd(0, 15)
    assert await all_of(command.stdout) == b""
    command.signal(15)
    assert await command.kill() == CommandEnd(0, 15)
    command.close()


async def test_what_a_command_leaves_running_does_not_hold_up_its_end(held: Held) -> None:
    """It has the outputs still open, and lives as long as the place."""
    command = await held.run("sh", "-c", "sleep 1000 & echo done")
    assert await command.wait() == CommandEnd(0, 0)
    assert await all_of(command.stdout) == b"done\n"
    command.close()


async def test_what_can_not_be_executed_is_the_callers_mistake(held: Held) -> None:
    """With the name of the errno."""
    for command, step, reason in (
        (Command(("no-such-program",)), "program", "ENOENT"),
        (Command(("/dev/null",)), "program", "EACCES"),
        (Command(("true",), cwd="missing"), "cwd", "ENOENT"),
    ):
        with pytest.raises(CommandNotStarted) as told:
            await held.places.run_command(held.place, command)
        assert (told.value.step, told.value.reason) == (step, reason)


async def test_where_there_is_no_place_nothing_runs(held: Held) -> None:
    """Neither of a kernel that nobody holds nor of one that is gone."""
    with pytest.raises(Unavailable, match="place"):
        await held.places.run_command("00000000-none", Command(("true",)))
    await held.places.place_gone("00000000-none")


async def test_commands_end_with_their_place(held: Held) -> None:
    """Each tells its end, then the place is gone."""
    commands = [await held.run("sleep", "1000") for _ in range(2)]
    gone = asyncio.create_task(held.places.place_gone(held.place))
    await held.places.end_place(held.place)
    assert [await command.wait() for command in commands] == [CommandEnd(0, 9)] * 2
    await gone
    for command in commands:
        command.close()


PROMISES = (
    test_a_command_has_what_it_was_given_and_says_how_it_ended,
    test_standard_input_goes_both_ways_at_the_commands_pace,
    test_a_signal_reaches_all_of_its_process_group,
    test_what_a_command_leaves_running_does_not_hold_up_its_end,
    test_what_can_not_be_executed_is_the_callers_mistake,
    test_where_there_is_no_place_nothing_runs,
    test_commands_end_with_their_place,
)


async def _outlives(launcher: ZygoteLauncher) -> None:
    """A guest and its place outlive the kernel that is held: killing a kernel ends it and no more, and files stay."""
    owner = await launcher.launch(LaunchRequest("python", Policy()))
    joining = LaunchRequest("python", Policy(), place=owner.kernel_id)
    with pytest.raises(Unavailable, match="no such place"):
        await launcher.launch(joining)
    launcher.hold(owner.kernel_id)
    held = Held(launcher, owner.kernel_id)
    guest = await launcher.launch(joining)
    writing = await held.run("sh", "-c", "echo here > f; sleep 1000 >/dev/null 2>&1 &")
    await writing.wait()
    assert (await owner.kill()).asked
    assert not guest.death.done()
    later = await launcher.launch(LaunchRequest("javascript", Policy(), place=owner.kernel_id))
    assert (await guest.kill()).asked
    reading = await held.run("cat", "f")
    assert await all_of(reading.stdout) == b"here\n"
    await launcher.end_place(owner.kernel_id)
    assert later.death.done()
    for command in (writing, reading):
        command.close()


@pytest.mark.process
@pytest.mark.sandbox
async def test_the_launcher_keeps_each_of_these_promises() -> None:
    """With real places, one after another in one spawner."""
    options = ZygoteOptions(str(PYTHON), f"test{os.getpid()}-{secrets.token_hex(2)}")
    launcher = await ZygoteLauncher.start(options)
    try:
        for promise in PROMISES:
            kernel = await launcher.launch(LaunchRequest("python", Policy()))
            launcher.hold(kernel.kernel_id)
            async with asyncio.timeout(HANG_S):
                await promise(Held(launcher, kernel.kernel_id))
                await launcher.end_place(kernel.kernel_id)
            assert kernel.death.done(), promise.__name__
        async with asyncio.timeout(HANG_S):
            await _outlives(launcher)
    finally:
        await launcher.close()
