"""The client of a files helper: sends requests, moves file bytes in pieces, and trusts no answer.

The helper runs near the kernel, so what it sends is parsed like what a kernel sends: frames are bounded, an answer that is
not as agreed ends the conversation, and each step has its time.
"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from typing import Final

from gateway.core.errors import BadRequest, Busy, Conflict, Forbidden, GatewayError, NotFound, TooLarge, Unavailable
from gateway.core.files import FileChanged, FileEntry, Listing, MadeDirectory, Path
from kernels import filewire as wire
from kernels.filewire import FRAME_BYTES, MAX_DEPTH, MAX_ENTRIES, Problem, WireError

STEP_S: Final = 30.0
"""How long the helper may take to send its next frame, or to read one."""


_GZIP_EXTRA_BYTES: Final = 4096
"""How much longer than a file its gzip may be, with a 256th more for bytes that can't be packed."""


class Full(TooLarge):
    """The work directory is full, in bytes or in number of files."""


_MESSAGES: Final[dict[Problem, tuple[type[GatewayError], str]]] = {
    Problem.MISSING: (NotFound, "There is no such file."),
    Problem.LINK: (Conflict, "The path is or contains a symbolic link: links are not followed."),
    Problem.DIRECTORY: (Conflict, "The path is a directory, not a file."),
    Problem.NOT_A_FILE: (Conflict, "The path is neither a file nor a directory."),
    Problem.NOT_A_DIRECTORY: (Conflict, "A part of the path is not a directory; links are not followed."),
    Problem.NOT_EMPTY: (Conflict, "The directory is not empty: add ?recursive=true to delete it with its contents."),
    Problem.FULL: (Full, "The session's work directory is full: it has reached its limit on bytes or on files."),
    Problem.TOO_LARGE: (TooLarge, "The file is larger than the session's limit on file size."),
    Problem.DENIED: (
        Forbidden,
        "The file or directory is not accessible: the session's code removed its permissions (chmod).",
    ),
    Problem.TOO_MANY: (Conflict, "The directory has too many entries to delete at once: try again to delete the rest."),
    Problem.NAME: (BadRequest, "The file system does not allow this file name."),
    Problem.CHANGED: (Conflict, "The session's code changed the file or directory during the request: try again."),
    Problem.BUSY: (Busy, "Too many file requests of this session are in progress: try again."),
    Problem.GONE: (Unavailable, "The session's kernel has exited."),
    Problem.EXISTS: (Conflict, "There is something at the new path: delete it, or ask to replace a file."),
    Problem.NOT_GZIP: (BadRequest, "The body is not whole gzip, which its Content-Encoding says it is."),
    Problem.OTHER: (Conflict, "The file system refused the operation."),
}


class FolderClient:
    """One conversation with a files helper: one request at a time."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader, self._writer = reader, writer

    async def greet(self) -> None:
        """Wait until the helper listens; raises the error that stands for why it does not."""
        await self._expect(wire.READY)

    async def list(self, under: Path, *, wants_digests: bool, depth: int = MAX_DEPTH) -> Listing:
        """What is in the directory *under*, empty for the whole work directory, and in the *depth* - 1 levels below."""
        await self._send(wire.LIST, wire.pack_list(under, wants_digests=wants_digests, depth=depth))
        entries: list[FileEntry] = []
        while True:
            letter, payload = await self._receive()
            if letter == wire.END:
                with _checked():
                    return Listing(tuple(entries), wire.parse_end(payload)[1])
            if letter != wire.ENTRY or len(entries) >= MAX_ENTRIES:
                raise _broken()
            with _checked():
                entries.append(wire.parse_entry(payload))

    async def read(self, path: Path) -> FileContents:
        """The file *path*: first what it is, then its bytes."""
        await self._send(wire.READ, path)
        return FileContents(await self._entry(), self)

    async def write(self, path: Path, pieces: AsyncIterator[bytes], most_bytes: int, *, is_gzip: bool = False) -> FileEntry:
        """Put a file of at most *most_bytes* at *path*; it is there once all *pieces* have come, or not at all.

        The helper unpacks pieces that are gzip, and the bound is for what comes out.
        Stops asking for pieces as soon as the helper says that it is no use.
        """
        answer = asyncio.create_task(self._expect(wire.ENTRY, is_late=True))
        try:
            await self._send(wire.WRITE, wire.pack_write(path, most_bytes, is_gzip=is_gzip))
            async for piece in pieces:
                for at in range(0, len(piece), FRAME_BYTES):
                    await self._send(wire.DATA, piece[at : at + FRAME_BYTES])
                if answer.done():
                    break
            if not answer.done():
                await self._send(wire.END)
            async with asyncio.timeout(STEP_S):
                payload = await answer
            with _checked():
                return wire.parse_entry(payload)
        except TimeoutError:
            raise _broken() from None
        finally:
            answer.cancel()
            await asyncio.gather(answer, return_exceptions=True)

    async def delete(self, path: Path, *, is_recursive: bool) -> int:
        """Remove what *path* names; how many entries went."""
        await self._send(wire.DELETE, wire.pack_delete(path, is_recursive=is_recursive))
        payload = await self._expect(wire.END)
        with _checked():
            return wire.parse_end(payload)[0]

    async def stat(self, path: Path, *, wants_digest: bool = False) -> FileEntry:
        """What *path* names; of a link the link itself."""
        await self._send(wire.STAT, wire.pack_stat(path, wants_digest=wants_digest))
        return await self._entry()

    async def make_directory(self, path: Path) -> MadeDirectory:
        """Make the directory *path* and those on the way to it."""
        await self._send(wire.MAKE, path)
        entry, payload = await self._entry(), await self._expect(wire.END)
        with _checked():
            return MadeDirectory(entry, bool(wire.parse_end(payload)[0]))

    async def move(self, source: Path, target: Path, *, replaces: bool) -> FileEntry:
        """Give *source* the path *target*; a file that is there is replaced if *replaces* says so."""
        await self._send(wire.MOVE, wire.pack_move(source, target, replaces=replaces))
        return await self._entry()

    async def set_mode(self, path: Path, mode: int) -> FileEntry:
        """Give the file or directory *path* these permissions."""
        await self._send(wire.MODE, wire.pack_mode(path, mode))
        return await self._entry()

    async def watch(self, under: Path, depth: int) -> AsyncIterator[FileChanged | None]:
        """What changes in *under* from now on; None every few seconds in which nothing does."""
        await self._send(wire.WATCH, wire.pack_watch(under, depth))
        payload = await self._expect(wire.END)
        with _checked():
            _, is_cut = wire.parse_end(payload)
        return self._changes(starts_with_gap=is_cut)

    async def _changes(self, *, starts_with_gap: bool) -> AsyncIterator[FileChanged | None]:
        if starts_with_gap:
            yield FileChanged("changed", None)
        while True:
            letter, payload = await self._receive()
            if letter == wire.CHANGE:
                with _checked():
                    yield FileChanged(*wire.parse_change(payload))
            elif letter in (wire.GAP, wire.TICK):
                yield FileChanged("changed", None) if letter == wire.GAP else None
            else:
                raise _broken()

    async def ask_for(self, start: int, count: int, *, may_pack: bool = False) -> bool:
        """Have these bytes of the file being read sent, for piece(); whether they come as gzip."""
        await self._send(wire.PART, wire.pack_part(start, count, may_pack=may_pack))
        payload = await self._expect(wire.PACKING)
        with _checked():
            is_gzip = wire.parse_packing(payload)
        if is_gzip and not may_pack:
            raise _broken()
        return is_gzip

    async def piece(self) -> bytes:
        """The next bytes of the file being read, empty at its end."""
        letter, payload = await self._receive()
        if letter == wire.END:
            return b""
        if letter != wire.DATA or not payload:
            raise _broken()
        return payload

    async def _entry(self) -> FileEntry:
        payload = await self._expect(wire.ENTRY)
        with _checked():
            return wire.parse_entry(payload)

    async def _expect(self, wanted: bytes, *, is_late: bool = False) -> bytes:
        letter, payload = await self._receive(is_late=is_late)
        if letter != wanted:
            raise _broken()
        return payload

    async def _receive(self, *, is_late: bool = False) -> tuple[bytes, bytes]:
        """The next frame; raises the error that a FAILED one means. For one that *is_late* there is no time limit here."""
        try:
            async with asyncio.timeout(None if is_late else STEP_S):
                header = await self._reader.readexactly(wire.HEADER.size)
                letter, length = wire.parse_header(header)
                payload = await self._reader.readexactly(length)
        except (TimeoutError, asyncio.IncompleteReadError, OSError, WireError):
            raise _broken() from None
        if letter == wire.FAILED:
            kind, message = _MESSAGES[wire.parse_problem(payload)]
            raise kind(message, retry_after_s=1 if kind in (Busy, Unavailable) else None)
        return letter, payload

    async def _send(self, letter: bytes, payload: bytes = b"") -> None:
        """Send one frame, and wait until there is room for the next. A broken connection shows when the answer is read."""
        self._writer.write(wire.frame(letter, payload))
        with suppress(OSError):
            try:
                async with asyncio.timeout(STEP_S):
                    await self._writer.drain()
            except TimeoutError:
                raise _broken() from None


@dataclass(frozen=True, slots=True)
class Packed:
    """The bytes of a file to be sent. *is_gzip*: they are gzip, of a size that nobody knows yet."""

    is_gzip: bool
    pieces: AsyncIterator[bytes]


@dataclass(frozen=True, slots=True)
class FileContents:
    """A file being read: *entry* says how many bytes it has."""

    entry: FileEntry
    client: FolderClient

    async def pieces(self, part: range | None = None) -> AsyncIterator[bytes]:
        """Exactly the bytes that *part* numbers, or all; raises Conflict or Unavailable if they are not there any more."""
        wanted = range(self.entry.size) if part is None else part
        await self.client.ask_for(wanted.start, len(wanted))
        async for piece in self._exactly(len(wanted)):
            yield piece

    async def packed(self) -> Packed:
        """All its bytes, as gzip if that makes them clearly fewer."""
        size = self.entry.size
        is_gzip = await self.client.ask_for(0, size, may_pack=True)
        return Packed(is_gzip, self._at_most(size + size // 256 + _GZIP_EXTRA_BYTES) if is_gzip else self._exactly(size))

    async def _exactly(self, count: int) -> AsyncIterator[bytes]:
        left = count
        async for piece in self._at_most(count):
            left -= len(piece)
            yield piece
        if left:
            raise _broken()

    async def _at_most(self, count: int) -> AsyncIterator[bytes]:
        while piece := await self.client.piece():
            count -= len(piece)
            if count < 0:
                raise _broken()
            yield piece


@asynccontextmanager
async def open_folder(channel: socket.socket) -> AsyncIterator[FolderClient]:
    """A conversation with the helper at the other end of *channel*; when it is over, the helper ends."""
    channel.setblocking(False)
    reader, writer = await asyncio.open_connection(sock=channel, limit=2 * FRAME_BYTES)
    try:
        client = FolderClient(reader, writer)
        await client.greet()
        yield client
    finally:
        writer.transport.abort()
        with suppress(OSError):
            await writer.wait_closed()


class _checked:  # noqa: N801  # reads as a statement
    """Turns a WireError into the end of the conversation."""

    def __enter__(self) -> None:
        return

    def __exit__(self, _kind: object, error: object, _trace: object) -> None:
        if isinstance(error, WireError):
            raise _broken() from None


def _broken() -> Unavailable:
    return Unavailable("The session's files can't be accessed right now: its kernel may have exited.", retry_after_s=1)
