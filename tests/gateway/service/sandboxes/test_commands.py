"""Commands of a sandbox: what is kept of them, who waits for whom, and how they end."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass, field

import pytest

from gateway.core.command_log import Piece
from gateway.core.errors import BadRequest, Busy, Conflict, NotFound, TooLarge, Unavailable
from gateway.core.event_log import Gap
from gateway.kernel.launch.place import Command, CommandProcess
from gateway.service.drain import Drain
from gateway.service.sandboxes import command as command_module
from gateway.service.sandboxes.command import READS, NewCommand, ReadPace, SandboxCommand
from gateway.service.sandboxes.commands import CommandLimits, SandboxCommands
from tests.fakes import FakePlaces, in_fake_time
from tests.live import HANG_S

KERNEL = "k0"
LOG_BYTES = 1_000_000


@dataclass
class World:
    """The commands of one place, which are plain processes."""

    limits: CommandLimits = field(default_factory=CommandLimits)
    places: FakePlaces = field(default_factory=FakePlaces)
    drain: Drain = field(default_factory=Drain)
    touched: int = 0

    def __post_init__(self) -> None:
        self.places.hold(KERNEL)
        env = {"HERE": "sandbox", "OTHER": "sandbox"}
        self.commands = SandboxCommands(self.execute, self.drain, env, self.touch, limits=self.limits)

    def touch(self) -> None:
        self.touched += 1

    async def execute(self, asked: Command) -> CommandProcess:
        return await self.places.run_command(KERNEL, asked)

    async def start(self, script: str, **others: object) -> SandboxCommand:
        """A shell that runs *script*."""
        return await self.commands.start(sh(script, **others), LOG_BYTES)

    async def run(self, script: str, log_bytes: int = LOG_BYTES, **others: object) -> SandboxCommand:
        """A shell that has run *script*."""
        return await self.commands.run(sh(script, **others), log_bytes)


def sh(script: str, **others: object) -> NewCommand:
    return NewCommand(("sh", "-c", script), script, **others)  # type: ignore[arg-type]


@pytest.fixture
async def world() -> AsyncIterator[World]:
    """A place whose commands end with the test."""
    made = World()
    async with asyncio.timeout(HANG_S):
        yield made
        await made.places.end_place(KERNEL)
        await made.commands.close()
        assert made.commands.running() == []


def text(command: SandboxCommand) -> str:
    return command.log.output("stdout").decode()


async def test_a_command_is_waited_for(world: World) -> None:
    """Both outputs, code and time; its variables lie over the sandbox's."""
    command = await world.run('echo "$HERE $OTHER"; echo problem >&2; exit 3', env={"OTHER": "own"})
    assert (text(command), command.log.output("stderr")) == ("sandbox own\n", b"problem\n")
    assert command.done is not None
    assert (command.done.code, command.done.signal, command.done.timed_out) == (3, 0, False)
    assert command.done.wall_s > 0
    assert world.commands.find(command.id) is command
    assert not world.commands.is_busy
    assert world.touched >= 2
    with pytest.raises(Conflict):
        command.signal(15)


async def test_a_command_ends_with_its_caller(world: World) -> None:
    """Who waits and goes away has it killed; who does not wait leaves it running."""
    running = asyncio.create_task(world.run("sleep 1000"))
    left = await world.start("sleep 1000")
    while not world.commands.is_busy or len(world.commands.running()) < 2:  # noqa: ASYNC110  # nothing tells it
        await asyncio.sleep(0)
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running
    waited = next(command for command in world.commands.list() if command is not left)
    assert (await waited.wait()).signal == 9
    assert world.commands.running() == [left]
    left.signal(15)
    assert (await left.wait()).signal == 15


async def test_a_command_ends_at_its_time(world: World) -> None:
    """And what it started in its process group."""
    command = await world.run("echo before; sleep 1000 | cat", timeout_s=0.2)
    assert command.done is not None
    assert (command.done.signal, command.done.timed_out) == (9, True)


async def test_what_is_not_kept_is_the_beginning(world: World) -> None:
    """A command that nobody follows goes on; what it writes over the limit is dropped from the other end."""
    command = await world.run("yes | head -c 300000; echo end", log_bytes=100_000)
    assert command.log.is_cut
    assert text(command).endswith("y\nend\n")
    assert 30_000 < len(text(command)) <= 100_000
    with command.following() as follower:
        assert isinstance(follower.next(), Gap)


async def test_a_command_waits_for_who_follows_it(world: World) -> None:
    """However slow: nothing is left out. Who leaves holds nothing up."""
    with_reader = await world.commands.start(sh("yes | head -c 500000"), 70_000)
    got = b""
    with with_reader.following() as follower, with_reader.following() as slower:
        for reader in (follower, slower):
            assert reader.command is with_reader
        while len(got) < 200_000:
            got += await read_one(follower)
            slower.seq = follower.seq
            with_reader.has_read()
        slower.seq = 0
    with with_reader.following(with_reader.log.last_seq):
        pass
    assert (await with_reader.wait()).code == 0
    assert got == b"y\n" * (len(got) // 2)


async def read_one(follower: command_module.Follower) -> bytes:
    """The next piece, once it is there."""
    while (found := follower.next()) is None:
        follower.news.clear()
        await follower.news.wait()
    follower.take(found)
    assert isinstance(found, Piece), "nothing is left out"
    return found.data


async def test_the_end_of_the_sandbox_waits_for_no_reader(world: World) -> None:
    """One that reads nothing would hold it up."""
    command = await world.commands.start(sh("yes"), 70_000)
    with command.following() as follower:
        await read_one(follower)
        await world.places.end_place(KERNEL)
        await world.commands.close()
    assert (await command.wait()).signal == 9


def test_commands_of_a_sandbox_are_read_at_a_pace() -> None:
    """A burst comes at once; what follows is spread, whoever writes it."""

    async def main() -> None:
        pace, began = ReadPace(), asyncio.get_running_loop().time()

        async def read(times: int) -> None:
            for _ in range(times):
                await pace.take()

        await read(int(READS.burst))
        assert asyncio.get_running_loop().time() == began
        await asyncio.gather(read(600), read(600))
        assert 2.9 <= asyncio.get_running_loop().time() - began <= 4

    in_fake_time(main())


async def test_after_is_the_number_of_an_event(world: World) -> None:
    """Also that of the end, after which nothing comes."""
    command = await world.run("echo a")
    last = command.log.last_seq
    for after in (-1, last + 2):
        with pytest.raises(BadRequest, match=f"from 0 to {last + 1}"), command.following(after):
            pass
    with command.following(last + 1) as follower:
        assert follower.next() is None


async def test_input_comes_at_once_or_later(world: World) -> None:
    """What is not told to stay open is closed after the first input, and takes no more."""
    once = await world.run("cat", stdin=b"all of it")
    assert text(once) == "all of it"
    later = await world.start("cat", stdin=b"one ", keeps_stdin=True)
    await later.write(b"two ", closes=False)
    await later.write(b"three", closes=True)
    assert (await later.wait()).code == 0
    assert text(later) == "one two three"
    closed = await world.start("sleep 1000")
    for command in (once, later, closed):
        with pytest.raises(Conflict, match="closed"):
            await command.write(b"more", closes=False)
    closed.kill()


async def test_input_that_is_not_read_is_told(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """By a command that does not read for now, and by one that has closed it."""
    monkeypatch.setattr(command_module, "STDIN_S", 0.05)
    stalled = await world.start("sleep 1000", keeps_stdin=True)
    with pytest.raises(Busy, match="not read"):
        await stalled.write(bytes(1_000_000), closes=False)
    stalled.kill()
    deaf = await world.start("exec <&-; echo closed; sleep 1000", keeps_stdin=True)
    with deaf.following() as follower:
        await read_one(follower)
    with pytest.raises(Conflict, match="any more"):
        await deaf.write(b"x", closes=False)
    deaf.kill()


async def test_so_many_commands_run_at_a_time(world: World) -> None:
    """One that is starting counts."""
    world.commands = SandboxCommands(world.execute, world.drain, {}, world.touch, limits=CommandLimits(running=2))
    asked = [world.start("sleep 1000") for _ in range(3)]
    done = await asyncio.gather(*asked, return_exceptions=True)
    assert sorted(type(one).__name__ for one in done) == ["SandboxCommand", "SandboxCommand", "TooManyRequests"]
    running = world.commands.running()
    running[0].kill()
    await running[0].wait()
    await world.start("true")


async def test_the_last_that_have_ended_are_kept(world: World) -> None:
    """Within a number and a size; those that run are never forgotten."""
    world.commands = SandboxCommands(
        world.execute, world.drain, {}, world.touch, limits=CommandLimits(kept=2, kept_bytes=10_000)
    )
    runs = await world.start("sleep 1000")
    ended = [await world.run("true") for _ in range(3)]
    large = await world.run("yes | head -c 20000")
    last = await world.run("true")
    assert world.commands.list() == [runs, last]
    for command in (*ended, large):
        with pytest.raises(NotFound):
            world.commands.find(command.id)
    runs.kill()


@pytest.mark.parametrize(
    ("asked", "error", "says"),
    [
        (NewCommand(("no-such-program",), ""), BadRequest, r"\(ENOENT\): 'no-such-program'"),
        (NewCommand(("true",), "", cwd="missing"), BadRequest, r"cwd .*\(ENOENT\): 'missing'"),
        (NewCommand(("true", "x" * 200_000), ""), TooLarge, "stdin"),
    ],
)
async def test_what_can_not_be_executed_says_why(world: World, asked: NewCommand, error: type[Exception], says: str) -> None:
    """And leaves nothing."""
    with pytest.raises(error, match=says):
        await world.commands.run(asked, LOG_BYTES)
    assert world.commands.list() == []
    assert not world.commands.is_busy


async def test_a_machine_without_descriptors_is_no_fault_of_the_gateway(world: World) -> None:
    """It says so, and nothing is counted as running."""

    async def execute(_asked: Command) -> CommandProcess:
        raise OSError(24, "Too many open files")

    commands = SandboxCommands(execute, world.drain, {}, world.touch, limits=CommandLimits(running=1))
    for _ in range(2):
        with pytest.raises(Unavailable, match="Too many open files"):
            await commands.run(sh("true"), LOG_BYTES)


async def test_nothing_starts_once_the_gateway_shuts_down(world: World) -> None:
    """Nor in a place that is gone."""
    world.drain.close()
    for ask in (world.run("true"), world.start("true")):
        with pytest.raises(Unavailable, match="shutting down"):
            await ask
