"""One command of a sandbox: its output is kept in a bounded log, which any number of readers read at their own pace."""

from __future__ import annotations

import asyncio
import signal
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Final

from gateway.core.command_log import CommandLog, OutputStream, Piece
from gateway.core.errors import BadRequest, Busy, Conflict
from gateway.core.event_log import Gap
from gateway.core.limits import Bucket, Rate
from gateway.kernel.launch.place import CommandEnd, CommandOutput, CommandProcess

PIECE_BYTES: Final = 65_536
READS: Final = Rate(per_minute=400 * 60, burst=200)
"""How often the gateway reads from all commands of one sandbox: a flood, of large or of tiny pieces, holds itself up."""
STDIN_S: Final = 30.0
"""How long a request waits until the command has read what it is sent."""


@dataclass(frozen=True, slots=True)
class NewCommand:
    """A command as a caller asked for it. *shown* is how lists show it.

    *timeout_s* None: it may run as long as the sandbox lives. *keeps_stdin*: more input may follow *stdin*.
    """

    argv: tuple[str, ...]
    shown: str
    env: Mapping[str, str] = field(default_factory=dict)
    cwd: str = ""
    timeout_s: float | None = None
    stdin: bytes = b""
    keeps_stdin: bool = False


@dataclass(frozen=True, slots=True)
class CommandDone:
    """How a command ended: by its own *code*, or by *signal* if that is not 0; *timed_out*: its time was up."""

    code: int
    signal: int
    timed_out: bool
    wall_s: float


class ReadPace:
    """Spreads the reads from the commands of one sandbox."""

    def __init__(self, rate: Rate = READS) -> None:
        self._rate = rate
        self._bucket = Bucket()

    async def take(self) -> None:
        """Wait until one more may be done."""
        wait_s = 1.0
        while wait_s:
            self._bucket, wait_s = self._bucket.take(self._rate, asyncio.get_running_loop().time())
            await asyncio.sleep(wait_s)


@dataclass(eq=False, slots=True)
class Follower:
    """A reader of one command, which has everything up to piece *seq*; *news* is set whenever there may be more."""

    command: SandboxCommand
    seq: int
    news: asyncio.Event = field(default_factory=asyncio.Event)

    def next(self) -> Piece | Gap | None:
        """What follows; None if there is nothing yet, or ever once the command is over."""
        return self.command.log.next_after(self.seq)

    def take(self, found: Piece | Gap) -> None:
        """*found* is told."""
        self.seq = found.last if isinstance(found, Gap) else found.seq
        self.command.has_read()


class SandboxCommand:
    """A command that was started."""

    def __init__(
        self,
        command_id: str,
        asked: NewCommand,
        process: CommandProcess,
        log_bytes: int,
        pace: ReadPace,
        *,
        wall_clock: Callable[[], float] = time.time,
    ) -> None:
        self.id = command_id
        self.asked = asked
        self.log = CommandLog(log_bytes)
        self.started_utc = wall_clock()
        self.done: CommandDone | None = None
        """How it ended; None while it runs."""
        self._process = process
        self._pace = pace
        self._started_at = asyncio.get_running_loop().time()
        self._followers: set[Follower] = set()
        self._room = asyncio.Event()
        self._writing = asyncio.Lock()
        self._is_fed = asyncio.Event()
        self._has_stdin = asked.keeps_stdin
        self._timed_out = False
        self._is_ending = False
        self._task = asyncio.create_task(self._live())

    @property
    def pid(self) -> int:
        """What processes in the sandbox call it."""
        return self._process.pid

    async def wait(self) -> CommandDone:
        """How it ended; waits until it has."""
        return await asyncio.shield(self._task)

    def signal(self, number: int) -> None:
        """Send a signal to it and to what it started. Raises Conflict once it has ended."""
        if self.done is not None:
            raise Conflict("The command has ended.")
        self._process.signal(number)

    def kill(self) -> None:
        """End it; nothing happens if it has ended."""
        self._process.signal(signal.SIGKILL)

    def let_go(self) -> None:
        """Wait for no follower any more: the sandbox ends."""
        self._is_ending = True
        self._room.set()

    async def write(self, data: bytes, *, closes: bool) -> None:
        """Send *data* to its standard input, and end that if it *closes*.

        Raises Conflict if the input is closed, and Busy if the command does not read: a part may have arrived then.
        """
        if self.done is not None or not self._has_stdin:
            raise Conflict("The standard input of the command is closed.")
        try:
            async with asyncio.timeout(STDIN_S), self._writing:
                await self._is_fed.wait()
                is_read = await self._process.write(data)
        except TimeoutError:
            raise Busy("The command has not read all of its input; a part may have arrived.", retry_after_s=1.0) from None
        if closes or not is_read:
            self._has_stdin = False
            self._process.close_stdin()
        if not is_read:
            raise Conflict("The command does not read its standard input any more.")

    # ---- those who follow it ----------------------------------------------------------------------------------------

    @contextmanager
    def following(self, after: int = 0) -> Iterator[Follower]:
        """Be a reader of what follows piece *after* inside the block. Raises BadRequest for a piece that is not there yet.

        The command waits for its followers where the log has no room.
        """
        last = self.log.last_seq + (self.done is not None)
        if not 0 <= after <= last:
            raise BadRequest(f"after must be from 0 to {last}, the number of this command's last event.")
        follower = Follower(self, after)
        follower.news.set()
        self._followers.add(follower)
        try:
            yield follower
        finally:
            self._followers.discard(follower)
            self._room.set()

    def has_read(self) -> None:
        """One of its followers has read something."""
        self._room.set()

    # ---- the command itself -----------------------------------------------------------------------------------------

    async def _live(self) -> CommandDone:
        """Pass its streams on until it has ended."""
        limit_s, loop = self.asked.timeout_s, asyncio.get_running_loop()
        timer = None if limit_s is None else loop.call_later(limit_s, self._time_out)
        feeding = asyncio.create_task(self._feed())
        try:
            await asyncio.gather(self._pump("stdout", self._process.stdout), self._pump("stderr", self._process.stderr))
            end = await self._process.wait()
        finally:
            if timer is not None:
                timer.cancel()
            feeding.cancel()
            self._process.close()
        self.done = self._judge(end)
        self._tell()
        return self.done

    def _judge(self, end: CommandEnd) -> CommandDone:
        wall_s = asyncio.get_running_loop().time() - self._started_at
        return CommandDone(end.code, end.signal, self._timed_out, wall_s)

    def _time_out(self) -> None:
        self._timed_out = True
        self.kill()

    async def _feed(self) -> None:
        """Give it the input that it was started with."""
        try:
            await self._process.write(self.asked.stdin)
            if not self.asked.keeps_stdin:
                self._process.close_stdin()
        finally:
            self._is_fed.set()

    async def _pump(self, stream: OutputStream, output: CommandOutput) -> None:
        while data := await output.read(PIECE_BYTES):
            while not self._is_ending and self._has_unread(self.log.dropped_by(len(data))):
                self._room.clear()
                await self._room.wait()
            self.log.append(stream, data)
            self._tell()
            if not self._is_ending:
                await self._pace.take()

    def _has_unread(self, seq: int) -> bool:
        """Whether a follower has not read everything up to piece *seq*."""
        return any(follower.seq < seq for follower in self._followers)

    def _tell(self) -> None:
        for follower in self._followers:
            follower.news.set()
