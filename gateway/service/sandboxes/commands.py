"""The commands of one sandbox: those that run, and the last that have ended."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass

from gateway.core.errors import BadRequest, GatewayError, NotFound, TooLarge, TooManyRequests, Unavailable
from gateway.kernel.launch.place import Command, CommandNotStarted, CommandProcess
from gateway.service.drain import Drain
from gateway.service.sandboxes.command import NewCommand, ReadPace, SandboxCommand

RunInPlace = Callable[[Command], Awaitable[CommandProcess]]
"""Executes a command in the sandbox's place; see place_kernels.PlaceKernels.run_command."""
ID_BYTES = 16
RETRY_AFTER_S = 1.0


@dataclass(frozen=True, slots=True)
class CommandLimits:
    """How many commands of one sandbox run at a time, and how many that have ended are kept, with how much output."""

    running: int = 16
    kept: int = 100
    kept_bytes: int = 4 * 1024 * 1024


class SandboxCommands:
    """Starts commands in one place, and finds them again."""

    def __init__(
        self,
        run_command: RunInPlace,
        drain: Drain,
        env: Mapping[str, str],
        touch: Callable[[], None],
        *,
        limits: CommandLimits | None = None,
    ) -> None:
        self._run_command = run_command
        self._drain = drain
        self._env = env
        self._touch = touch
        self._limits = limits or CommandLimits()
        self._pace = ReadPace()
        self._commands: dict[str, SandboxCommand] = {}
        self._starting = 0
        self._awaited = 0

    @property
    def is_busy(self) -> bool:
        """Whether callers wait for the end of a command."""
        return self._awaited > 0

    @asynccontextmanager
    async def following(self, asked: NewCommand, log_bytes: int) -> AsyncIterator[SandboxCommand]:
        """A command that runs inside the block and is killed at its end. Raises what start() does."""
        with self._drain.enter():
            self._awaited += 1
            try:
                command = await self.start(asked, log_bytes)
                try:
                    yield command
                finally:
                    command.kill()
            finally:
                self._awaited -= 1
                self._touch()

    async def run(self, asked: NewCommand, log_bytes: int) -> SandboxCommand:
        """A command that has ended; it is killed if its caller goes. Raises what start() does."""
        async with self.following(asked, log_bytes) as command:
            await command.wait()
        return command

    async def start(self, asked: NewCommand, log_bytes: int) -> SandboxCommand:
        """A command that runs; of its output *log_bytes* are kept.

        Raises TooManyRequests if too many run, BadRequest or TooLarge if it can't be executed, and Unavailable.
        """
        running = self._starting + len(self.running())
        if running >= self._limits.running:
            raise TooManyRequests(
                f"{running} commands of this sandbox are running: end one first.", retry_after_s=RETRY_AFTER_S
            )
        self._starting += 1
        try:
            with self._drain.enter():
                self._touch()
                process = await self._run_command(Command(asked.argv, {**self._env, **asked.env}, asked.cwd))
        except CommandNotStarted as error:
            raise _refusal(error, asked) from None
        except OSError as error:
            raise Unavailable(f"a command could not be started: {error.strerror}") from None
        finally:
            self._starting -= 1
        command = SandboxCommand(secrets.token_hex(ID_BYTES), asked, process, log_bytes, self._pace)
        self._commands[command.id] = command
        self._forget_old()
        return command

    def list(self) -> Sequence[SandboxCommand]:
        """All that are known, the oldest first."""
        return list(self._commands.values())

    def running(self) -> Sequence[SandboxCommand]:
        """Those that have not ended."""
        return [command for command in self._commands.values() if command.done is None]

    def find(self, command_id: str) -> SandboxCommand:
        """One of them. Raises NotFound."""
        command = self._commands.get(command_id)
        if command is None:
            raise NotFound("There is no such command in this sandbox, or it ended long ago.")
        return command

    async def close(self) -> None:
        """Wait for the end of all; their place has ended, so that they do."""
        for command in self._commands.values():
            command.let_go()
        await asyncio.gather(*(command.wait() for command in self._commands.values()), return_exceptions=True)

    def _forget_old(self) -> None:
        """Keep the last that have ended, within the bounds."""
        ended = [command for command in self._commands.values() if command.done is not None]
        used_bytes = sum(command.log.used_bytes for command in ended)
        for at, command in enumerate(ended):
            if len(ended) - at <= self._limits.kept and used_bytes <= self._limits.kept_bytes:
                return
            used_bytes -= command.log.used_bytes
            del self._commands[command.id]


def _refusal(error: CommandNotStarted, asked: NewCommand) -> GatewayError:
    """What the caller has to mend."""
    if error.reason == "E2BIG":
        return TooLarge("The command and its environment are too large together: put large data into a file, or into stdin.")
    if error.step == "cwd":
        return BadRequest(f"cwd is no directory of the sandbox that can be entered ({error.reason}): {asked.cwd[:100]!r}.")
    return BadRequest(f"The sandbox can't execute the program ({error.reason}): {asked.argv[0][:100]!r}.")
