"""The places and commands of one spawner, by what its packets report."""

from __future__ import annotations

import asyncio
import signal
import uuid
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field

from gateway.core.errors import Unavailable
from gateway.kernel.launch.pipes import InputPipe, OutputPipe
from gateway.kernel.launch.place import Command, CommandEnd, CommandNotStarted
from kernels.contract import (
    CommandExited,
    CommandRefused,
    CommandStarted,
    ContractError,
    EndPlace,
    Hold,
    Kill,
    Packet,
    PlaceGone,
    PlaceReport,
    RunCommand,
    SignalCommand,
)

Send = Callable[[Packet, tuple[int, ...]], None]
"""Sends a packet with descriptors to the spawner; raises Unavailable if there is none."""
START_S = 60.0
CALLERS_STEPS = ("program", "cwd")
"""The steps of a command's start whose failure is a mistake of the caller."""


@dataclass(eq=False, slots=True)
class ZygoteCommand:
    """A command that the spawner runs; see place.CommandProcess."""

    command_id: str
    send: Send
    stdin: InputPipe = field(default_factory=InputPipe)
    stdout: OutputPipe = field(default_factory=OutputPipe)
    stderr: OutputPipe = field(default_factory=OutputPipe)
    pid: int = 0
    started: asyncio.Future[int] = field(default_factory=lambda: asyncio.get_running_loop().create_future())
    end: asyncio.Future[CommandEnd] = field(default_factory=lambda: asyncio.get_running_loop().create_future())

    def hand_over(self) -> None:
        """Close the command's ends of its streams."""
        for pipe in (self.stdin, self.stdout, self.stderr):
            pipe.hand_over()

    async def write(self, data: bytes) -> bool:
        """Put all of *data* into its standard input; False if it does not read any more."""
        return await self.stdin.write(data)

    def close_stdin(self) -> None:
        """End its standard input."""
        self.stdin.close()

    def signal(self, number: int) -> None:
        """Send a signal to its process group."""
        if not self.end.done():
            with suppress(Unavailable):  # the spawner has ended, and the command with it
                self.send(SignalCommand(self.command_id, number), ())

    async def wait(self) -> CommandEnd:
        """How it ended; waits until it has."""
        return await asyncio.shield(self.end)

    async def kill(self) -> CommandEnd:
        """Kill its process group; answers once its first process has ended."""
        self.signal(signal.SIGKILL)
        return await self.wait()

    def close(self) -> None:
        """Close all streams."""
        for pipe in (self.stdin, self.stdout, self.stderr):
            pipe.close()

    def has_ended(self, end: CommandEnd) -> None:
        """The spawner has told how."""
        if not self.end.done():
            self.end.set_result(end)
            self.stdout.end()
            self.stderr.end()


@dataclass(slots=True)
class ZygotePlaces:
    """The table of held places and of commands; see place.Places."""

    send: Send
    _gone: dict[str, asyncio.Future[None]] = field(default_factory=dict)
    _commands: dict[str, ZygoteCommand] = field(default_factory=dict)

    def hold(self, kernel_id: str) -> None:
        """Let the place of this kernel outlive its process."""
        if kernel_id not in self._gone:
            self.send(Hold(kernel_id), ())
            self._gone[kernel_id] = asyncio.get_running_loop().create_future()

    async def end_place(self, kernel_id: str) -> None:
        """End everything in a held place; answers once nothing of it is left."""
        if kernel_id in self._gone:
            with suppress(Unavailable):  # the spawner has ended, and the place with it
                self.send(EndPlace(kernel_id), ())
        await self.place_gone(kernel_id)

    async def place_gone(self, kernel_id: str) -> None:
        """Wait until nothing is left of a place."""
        if (gone := self._gone.get(kernel_id)) is not None:
            await asyncio.shield(gone)

    async def run_command(self, place: str, command: Command) -> ZygoteCommand:
        """A command that was executed."""
        made = ZygoteCommand(str(uuid.uuid4()), self.send)
        self._commands[made.command_id] = made
        try:
            self._request(made, place, command)
            async with asyncio.timeout(START_S):
                made.pid = await made.started
        except BaseException as error:
            self._abandon(made)
            if isinstance(error, TimeoutError):
                raise Unavailable("a command took too long to start") from None
            raise
        return made

    def _request(self, made: ZygoteCommand, place: str, command: Command) -> None:
        """Ask for it. Raises CommandNotStarted if it does not fit into a packet."""
        asked = RunCommand(made.command_id, place, list(command.argv), dict(command.env), command.cwd)
        try:
            self.send(asked, (made.stdin.theirs, made.stdout.theirs, made.stderr.theirs))
        except ContractError:
            raise CommandNotStarted("program", "E2BIG") from None
        finally:
            made.hand_over()

    def _abandon(self, made: ZygoteCommand) -> None:
        """Nobody waits for this command: if it starts all the same, it ends at once."""
        made.close()
        if self._commands.pop(made.command_id, None) is not None:
            with suppress(Unavailable):
                self.send(Kill(made.command_id), ())

    # ---- what the spawner reports ----------------------------------------------------------------------------------

    def heard(self, packet: PlaceReport) -> None:
        """Take a report; one about what is not known here changes nothing."""
        match packet:
            case PlaceGone(kernel_id=kernel_id):
                self._lose_place(kernel_id)
            case CommandStarted(command_id=command_id, pid=pid):
                made = self._commands.get(command_id)
                if made is not None and not made.started.done():
                    made.started.set_result(pid)
            case CommandRefused(command_id=command_id, step=step, reason=reason):
                self._refuse(command_id, _problem(step, reason))
            case CommandExited(command_id=command_id, code=code, signal=number, out_of_memory=is_out_of_memory):
                self._end(command_id, CommandEnd(code, number, is_out_of_memory))

    def _lose_place(self, kernel_id: str) -> None:
        gone = self._gone.pop(kernel_id, None)
        if gone is not None and not gone.done():
            gone.set_result(None)

    def _refuse(self, command_id: str, problem: Exception) -> None:
        made = self._commands.pop(command_id, None)
        if made is not None and not made.started.done():
            made.started.set_exception(problem)

    def _end(self, command_id: str, end: CommandEnd) -> None:
        made = self._commands.get(command_id)
        if made is not None:
            made.has_ended(end)
            self._refuse(command_id, Unavailable("the command ended while it was starting"))

    def lose_all(self) -> None:
        """The spawner has ended, and every place with it."""
        for command_id in list(self._commands):
            self._end(command_id, CommandEnd(0, signal.SIGKILL))
        for kernel_id in list(self._gone):
            self._lose_place(kernel_id)


def _problem(step: str, reason: str) -> Exception:
    if step in CALLERS_STEPS:
        return CommandNotStarted(step, reason)
    return Unavailable(f"the spawner refused a command at {step}: {reason}")
