"""Files of sessions: finds the kernel of a session, and checks sizes."""

from __future__ import annotations

from collections import Counter
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Final

from gateway.core.errors import NotFound, TooLarge, TooManyRequests, Unavailable
from gateway.core.files import MAX_DEPTH, FileChanged, FileEntry, Listing, MadeDirectory, Path, check_move
from gateway.core.request import Caller
from gateway.kernel.files import FileContents, FolderClient, Full

MAX_WATCHES: Final = 4
"""Of one session at once: each has a files helper, of which a kernel has eight at most."""
KernelOf = Callable[[str, Caller], str]
"""The id of the kernel that a session has now (see table.Sessions.kernel_id). Raises NotFound, Gone or Busy."""
OpenFolder = Callable[[str], AbstractAsyncContextManager[FolderClient]]
"""A conversation with the files helper of a kernel, by the kernel's id."""
NoteActivity = Callable[[str, Caller], None]
"""Keeps a session alive (see table.Sessions.note_activity). All that is done with files does, but a look at names."""


class Files:
    """Reads and changes the files of sessions. Requests and runs do not wait for each other.

    All methods raise NotFound or Gone for the session, Unavailable if its kernel has just ended, and the errors of
    kernel.files for the file: NotFound, Conflict, Forbidden, TooLarge, BadRequest, Busy.
    """

    def __init__(
        self,
        kernel_of: KernelOf,
        open_folder: OpenFolder,
        note_activity: NoteActivity,
        *,
        file_bytes: int,
        work_bytes: int,
    ) -> None:
        self._kernel_of = kernel_of
        self._open = open_folder
        self._note_activity = note_activity
        self._file_bytes = file_bytes
        self._work_bytes = work_bytes
        self._watches: Counter[str] = Counter()

    async def list(
        self,
        session_id: str,
        caller: Caller,
        under: Path = b"",
        *,
        wants_digests: bool = True,
        depth: int = MAX_DEPTH,
    ) -> Listing:
        """What is in the work directory, or in the directory *under* of it, and in the *depth* - 1 levels below."""
        async with self._folder(session_id, caller) as folder:
            return await folder.list(under, wants_digests=wants_digests, depth=depth)

    async def stat(self, session_id: str, caller: Caller, path: Path, *, wants_digest: bool = False) -> FileEntry:
        """What *path* names; of a link the link itself."""
        async with self._folder(session_id, caller) as folder:
            return await folder.stat(path, wants_digest=wants_digest)

    async def make_directory(self, session_id: str, caller: Caller, path: Path) -> MadeDirectory:
        """Make a directory and those on the way to it; one that is there already is left as it is."""
        async with self._changing(session_id, caller) as folder:
            return await folder.make_directory(path)

    async def move(
        self, session_id: str, caller: Caller, source: Path, target: Path, *, replaces: bool = False
    ) -> FileEntry:
        """Give *source* another path, whose directories are made; only a file can be replaced, if *replaces* asks for it."""
        check_move(source, target)
        async with self._changing(session_id, caller) as folder:
            return await folder.move(source, target, replaces=replaces)

    async def set_mode(self, session_id: str, caller: Caller, path: Path, mode: int) -> FileEntry:
        """Give a file or directory other permission bits."""
        async with self._changing(session_id, caller) as folder:
            return await folder.set_mode(path, mode)

    @asynccontextmanager
    async def watch(
        self, session_id: str, caller: Caller, under: Path = b"", depth: int = MAX_DEPTH
    ) -> AsyncIterator[AsyncIterator[FileChanged | None]]:
        """What changes below *under* from now on, inside the block. Raises TooManyRequests."""
        if self._watches[session_id] >= MAX_WATCHES:
            raise TooManyRequests(f"The files of a session can be watched {MAX_WATCHES} times at once.", retry_after_s=1)
        self._watches[session_id] += 1
        try:
            async with self._folder(session_id, caller) as folder:
                yield await folder.watch(under, depth)
        finally:
            self._watches[session_id] -= 1
            if not self._watches[session_id]:
                del self._watches[session_id]

    @asynccontextmanager
    async def read(self, session_id: str, caller: Caller, path: Path) -> AsyncIterator[FileContents]:
        """A file to be read inside the block."""
        self._note_activity(session_id, caller)
        async with self._folder(session_id, caller) as folder:
            contents = await folder.read(path)
            if contents.entry.size > self._file_bytes:
                raise TooLarge(f"The file has {contents.entry.size} bytes: at most {self._file_bytes} can be downloaded.")
            yield contents

    async def write(
        self, session_id: str, caller: Caller, path: Path, pieces: AsyncIterator[bytes], *, is_gzip: bool = False
    ) -> FileEntry:
        """Put a file at *path*, replacing the one that was there; missing directories are made.

        Pieces that are gzip are unpacked, by the files helper.
        """
        async with self._changing(session_id, caller) as folder:
            return await folder.write(path, pieces, self._file_bytes, is_gzip=is_gzip)

    async def write_all(self, session_id: str, caller: Caller, files: Sequence[tuple[Path, bytes]]) -> Sequence[FileEntry]:
        """Put several files, one after the other; an error leaves those before it in place."""
        return [await self.write(session_id, caller, path, _whole(body)) for path, body in files]

    async def delete(
        self, session_id: str, caller: Caller, path: Path, *, is_recursive: bool, may_be_missing: bool = False
    ) -> int:
        """Remove a file, a link or a directory; how many entries went."""
        async with self._changing(session_id, caller) as folder:
            try:
                return await folder.delete(path, is_recursive=is_recursive)
            except NotFound:
                if may_be_missing:
                    return 0
                raise

    @asynccontextmanager
    async def _changing(self, session_id: str, caller: Caller) -> AsyncIterator[FolderClient]:
        """The work directory for a change, which counts as activity; a full one is told with its limit."""
        self._note_activity(session_id, caller)
        try:
            async with self._folder(session_id, caller) as folder:
                yield folder
        except Full:
            work_bytes = caller.policy.work_bytes if caller.policy else self._work_bytes
            raise TooLarge(
                f"The session's work directory is full: its limit is {work_bytes} bytes and a fixed number of files."
            ) from None

    @asynccontextmanager
    async def _folder(self, session_id: str, caller: Caller) -> AsyncIterator[FolderClient]:
        kernel_id = self._kernel_of(session_id, caller)
        try:
            async with self._open(kernel_id) as folder:
                yield folder
        except Unavailable:
            self._kernel_of(session_id, caller)  # a session that has ended meanwhile says so
            raise


async def _whole(body: bytes) -> AsyncIterator[bytes]:
    yield body
