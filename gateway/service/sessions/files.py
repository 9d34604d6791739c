"""Files of sessions: which kernel's they are, whose they may be, and how large."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Protocol

from gateway.core.errors import TooLarge, Unavailable
from gateway.core.files import Entry, Listing, Path
from gateway.core.request import Caller
from gateway.kernel.files import FileContents, FolderClient, Full


class KernelNames(Protocol):
    """Knows the kernel of each session; see sessions.Sessions."""

    def kernel_id(self, session_id: str, caller: Caller) -> str:
        """The kernel it has now. Raises NotFound, Gone or Busy."""

    def note_activity(self, session_id: str, caller: Caller) -> None:
        """Keep it alive for another while. Raises NotFound or Gone."""


OpenFolder = Callable[[str], AbstractAsyncContextManager[FolderClient]]
"""A conversation with the files helper of a kernel, by the kernel's id."""


class Files:
    """What callers do with the files of their sessions; it does not wait for runs, and no run waits for it. All but a list
    counts as activity.

    Everything here raises NotFound or Gone as the session does, Unavailable when its kernel has just ended, and what
    kernel.files says for the file at hand: NotFound, Conflict, Forbidden, TooLarge, BadRequest, Busy.
    """

    def __init__(self, kernels: KernelNames, open_folder: OpenFolder, *, file_bytes: int, work_bytes: int) -> None:
        self._kernels = kernels
        self._open = open_folder
        self._file_bytes = file_bytes
        self._work_bytes = work_bytes

    async def list(self, session_id: str, caller: Caller, under: Path = b"", *, wants_digests: bool = True) -> Listing:
        """What is in the work directory, or in the directory *under* of it."""
        async with self._folder(session_id, caller) as folder:
            return await folder.list(under, wants_digests=wants_digests)

    @asynccontextmanager
    async def read(self, session_id: str, caller: Caller, path: Path) -> AsyncIterator[FileContents]:
        """A file to be read inside the block."""
        self._kernels.note_activity(session_id, caller)
        async with self._folder(session_id, caller) as folder:
            contents = await folder.read(path)
            if contents.entry.size > self._file_bytes:
                raise TooLarge(f"The file has {contents.entry.size} bytes: at most {self._file_bytes} can be fetched.")
            yield contents

    async def write(self, session_id: str, caller: Caller, path: Path, pieces: AsyncIterator[bytes]) -> Entry:
        """Put a file at *path*, in place of what file was there; with it the directories on the way."""
        self._kernels.note_activity(session_id, caller)
        async with self._folder(session_id, caller) as folder:
            try:
                return await folder.write(path, pieces, self._file_bytes)
            except Full:
                work_bytes = caller.policy.work_bytes if caller.policy else self._work_bytes
                raise TooLarge(
                    f"The session's work directory is full: it holds {work_bytes} bytes, and a bounded number of files."
                ) from None

    async def write_all(self, session_id: str, caller: Caller, files: Sequence[tuple[Path, bytes]]) -> Sequence[Entry]:
        """Put several files, one after the other; after an error those before it are there."""
        return [await self.write(session_id, caller, path, _whole(body)) for path, body in files]

    async def delete(self, session_id: str, caller: Caller, path: Path, *, is_recursive: bool) -> int:
        """Remove a file, a link or a directory; how many entries went."""
        self._kernels.note_activity(session_id, caller)
        async with self._folder(session_id, caller) as folder:
            return await folder.delete(path, is_recursive=is_recursive)

    @asynccontextmanager
    async def _folder(self, session_id: str, caller: Caller) -> AsyncIterator[FolderClient]:
        kernel_id = self._kernels.kernel_id(session_id, caller)
        try:
            async with self._open(kernel_id) as folder:
                yield folder
        except Unavailable:
            self._kernels.kernel_id(session_id, caller)  # a session that has ended meanwhile says so
            raise


async def _whole(body: bytes) -> AsyncIterator[bytes]:
    yield body
