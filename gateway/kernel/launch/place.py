"""What a place is: one uid, set of namespaces, work directory and set of limits, shared by kernels and commands.

A place is that of its first kernel, its *owner*, from the moment it is held. Other kernels join it as *guests*
(``LaunchRequest.place``), and commands run in it. They all are one trust domain.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Protocol


@dataclass(frozen=True, slots=True)
class Command:
    """A program to run: *argv*, the first found by PATH; *env* over that of kernels; *cwd*, or "" for the work directory."""

    argv: tuple[str, ...]
    env: Mapping[str, str] = field(default_factory=dict)
    cwd: str = ""


@dataclass(frozen=True, slots=True)
class CommandEnd:
    """How a command's first process ended: with *code*, or by *signal* if that is not 0.

    *out_of_memory*: the memory of its place had run out, which may have been another's fault.
    """

    code: int
    signal: int
    out_of_memory: bool = False


class CommandNotStarted(Exception):
    """Nothing was executed, and the caller can mend it: *step* is `program` or `cwd`, *reason* the name of an errno."""

    def __init__(self, step: str, reason: str) -> None:
        super().__init__(f"{step}: {reason}")
        self.step = step
        self.reason = reason


class CommandOutput(Protocol):
    """The standard output or standard error of a command. What nobody reads holds the command up."""

    async def read(self, most_bytes: int = 65_536) -> bytes:
        """The next bytes as they come; b"" once it is closed, or the command has ended and nothing is left to read.

        What the command left running may still hold it: what that writes after the command's end is not read.
        """


class CommandProcess(Protocol):
    """A command that was executed."""

    command_id: str
    pid: int
    """What processes in the place call it."""

    @property
    def stdout(self) -> CommandOutput:
        """Its standard output."""

    @property
    def stderr(self) -> CommandOutput:
        """Its standard error."""

    async def write(self, data: bytes) -> bool:
        """Put all of *data* into its standard input, at its pace; False if it does not read any more."""

    def close_stdin(self) -> None:
        """End its standard input. Safe to call again."""

    def signal(self, number: int) -> None:
        """Send a signal to the command and all that it started in its process group; nothing once it has ended."""

    async def wait(self) -> CommandEnd:
        """How it ended; waits until it has."""

    async def kill(self) -> CommandEnd:
        """Kill its process group; answers once its first process has ended. Safe to call again."""

    def close(self) -> None:
        """Let go of its streams; to be called in the end, whether it has ended or not. Safe to call again."""


class Places(Protocol):
    """Places of a launcher's kernels. A kernel is named by its id, which is that of its place, too."""

    def hold(self, kernel_id: str) -> None:
        """From now on the place of this running kernel outlives its process, and can be joined.

        `kill` then ends this kernel alone, and end_place() everything. If the kernel has ended in the meantime, place_gone()
        answers at once, and whoever would join is refused. Raises Unavailable without a spawner.
        """

    async def run_command(self, place: str, command: Command) -> CommandProcess:
        """*command* as it runs in the held *place*. Raises CommandNotStarted, and Unavailable without such a place."""

    async def end_place(self, kernel_id: str) -> None:
        """End the held kernel, its guests, its commands and all they started; answers once nothing of them is left."""

    async def place_gone(self, kernel_id: str) -> None:
        """Wait until nothing is left of a place: it was ended, it exceeded a limit, or its spawner has ended."""
