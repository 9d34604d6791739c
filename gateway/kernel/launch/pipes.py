"""The gateway's ends of a command's three pipes: read and written at the pace of whoever asks, without other buffers."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable

_ANYBODY = 0o666


def _forget_nothing(_fd: int) -> None:
    """For a pipe that nobody waits for."""


class _Pipe:
    """One end of a pipe that does not block; *theirs* is the other one until the command has it."""

    def __init__(self, ours: int, theirs: int) -> None:
        self._fd, self.theirs = ours, theirs
        os.set_blocking(ours, False)
        # Programs open their own streams anew by name (`> /dev/stderr`), with a uid that is not the gateway's.
        os.fchmod(theirs, _ANYBODY)
        self._waiting: asyncio.Future[None] | None = None
        self._forget: Callable[[int], object] = _forget_nothing

    def hand_over(self) -> None:
        """Close the command's end: it has its own copy, or will never get one."""
        if self.theirs >= 0:
            os.close(self.theirs)
            self.theirs = -1

    def close(self) -> None:
        """Close both ends. Safe to call again."""
        self.hand_over()
        if self._fd >= 0:
            fd, self._fd = self._fd, -1
            self._wake()
            self._forget(fd)  # before its number can be another descriptor's
            os.close(fd)

    def _wake(self) -> None:
        if self._waiting is not None and not self._waiting.done():
            self._waiting.set_result(None)

    async def _wait(self, add: Callable[..., None], remove: Callable[[int], bool]) -> None:
        """Until the pipe is ready, or something has happened to it."""
        fd, loop = self._fd, asyncio.get_running_loop()
        if self._waiting is not None:
            raise RuntimeError("a pipe has one reader or writer at a time")
        self._waiting = loop.create_future()
        self._forget = remove
        add(fd, self._wake)
        try:
            await self._waiting
        finally:
            self._waiting, self._forget = None, _forget_nothing
            if self._fd >= 0:
                remove(fd)


class OutputPipe(_Pipe):
    """See place.CommandOutput."""

    def __init__(self) -> None:
        super().__init__(*os.pipe2(os.O_CLOEXEC))
        self._is_over = False

    def end(self) -> None:
        """The command has ended: what is in the pipe now is the last that is read."""
        self._is_over = True
        self._wake()

    async def read(self, most_bytes: int = 65_536) -> bytes:
        """The next bytes; b"" at the end."""
        loop = asyncio.get_running_loop()
        while self._fd >= 0:
            try:
                return os.read(self._fd, most_bytes)
            except BlockingIOError:
                if self._is_over:
                    break
                await self._wait(loop.add_reader, loop.remove_reader)
        return b""


class InputPipe(_Pipe):
    """The standard input of a command."""

    def __init__(self) -> None:
        theirs, ours = os.pipe2(os.O_CLOEXEC)
        super().__init__(ours, theirs)

    async def write(self, data: bytes) -> bool:
        """Put all of *data* into the pipe; False if it is closed at either end."""
        loop, left = asyncio.get_running_loop(), memoryview(data)
        while self._fd >= 0:
            try:
                left = left[os.write(self._fd, left) :] if left else left
            except BlockingIOError:
                await self._wait(loop.add_writer, loop.remove_writer)
            except BrokenPipeError:
                return False
            if not left:
                return True
        return False
