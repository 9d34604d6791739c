"""A session's files without a kernel: one folder in memory, and what was asked of it."""

from __future__ import annotations

import asyncio
import gzip
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace

from gateway.core.errors import GatewayError, NotFound
from gateway.core.files import MAX_DEPTH, FileChanged, FileEntry, Listing, MadeDirectory, Path
from gateway.core.request import Caller
from gateway.web.services import FileContents


@dataclass
class FakeContents:
    """A file; *fails* comes instead of its second half, and it is not closed before *lasts*."""

    entry: FileEntry
    body: bytes
    fails: GatewayError | None = None
    lasts: asyncio.Event | None = None

    async def pieces(self, part: range | None = None) -> AsyncIterator[bytes]:
        body = self.body if part is None else self.body[part.start : part.stop]
        half = len(body) // 2
        yield body[:half]
        if self.fails is not None:
            raise self.fails
        yield body[half:]
        if self.lasts is not None:
            await self.lasts.wait()

    async def packed(self) -> FakePacked:
        small = gzip.compress(self.body)
        is_gzip = len(small) < len(self.body)
        return FakePacked(
            is_gzip, FakeContents(self.entry, small, self.fails, self.lasts).pieces() if is_gzip else self.pieces()
        )


@dataclass
class FakePacked:
    """The bytes to send."""

    is_gzip: bool
    pieces: AsyncIterator[bytes]


@dataclass
class FakeFiles:
    """Files of the session *there*; *refusal* is raised at the first piece of an upload, *fails* in a download."""

    held: dict[Path, bytes] = field(default_factory=dict)
    asked: list[tuple[object, ...]] = field(default_factory=list)
    refusal: GatewayError | None = None
    fails: GatewayError | None = None
    lasts: asyncio.Event | None = None
    is_cut: bool = False
    changes: list[FileChanged | GatewayError | None] = field(default_factory=list)
    modified_ns: int = 1_700_000_000_000_000_000

    async def list(
        self,
        session_id: str,
        caller: Caller,
        under: Path = b"",
        *,
        wants_digests: bool = True,
        depth: int = MAX_DEPTH,
    ) -> Listing:
        self._check(session_id)
        self.asked.append(("list", under, wants_digests, depth))
        return Listing(tuple(self._entry(path) for path in self.held), self.is_cut)

    @asynccontextmanager
    async def read(self, session_id: str, caller: Caller, path: Path) -> AsyncIterator[FileContents]:
        self._check(session_id)
        if path not in self.held:
            raise NotFound("There is no such file.")
        yield FakeContents(self._entry(path), self.held[path], self.fails, self.lasts)

    async def write(
        self, session_id: str, caller: Caller, path: Path, pieces: AsyncIterator[bytes], *, is_gzip: bool = False
    ) -> FileEntry:
        self._check(session_id)
        body = b""
        async for piece in pieces:
            if self.refusal is not None:
                raise self.refusal
            body += piece
        self.held[path] = gzip.decompress(body) if is_gzip else body
        return self._entry(path)

    async def write_all(self, session_id: str, caller: Caller, files: Sequence[tuple[Path, bytes]]) -> Sequence[FileEntry]:
        self._check(session_id)
        self.held.update(files)
        return [self._entry(path) for path, _ in files]

    @asynccontextmanager
    async def watch(
        self, session_id: str, caller: Caller, under: Path = b"", depth: int = MAX_DEPTH
    ) -> AsyncIterator[AsyncIterator[FileChanged | None]]:
        self._check(session_id)
        self.asked.append(("watch", under, depth))
        yield self._told()

    async def _told(self) -> AsyncIterator[FileChanged | None]:
        for change in self.changes:
            if isinstance(change, GatewayError):
                raise change
            yield change

    async def stat(self, session_id: str, caller: Caller, path: Path, *, wants_digest: bool = False) -> FileEntry:
        self._check(session_id)
        self.asked.append(("stat", path, wants_digest))
        return self._found(path)

    async def make_directory(self, session_id: str, caller: Caller, path: Path) -> MadeDirectory:
        self._check(session_id)
        self.asked.append(("make", path))
        return MadeDirectory(FileEntry(path, "directory", 0, self.modified_ns, mode=0o755), is_new=True)

    async def move(
        self, session_id: str, caller: Caller, source: Path, target: Path, *, replaces: bool = False
    ) -> FileEntry:
        self._check(session_id)
        self.asked.append(("move", source, target, replaces))
        self._found(source)
        self.held[target] = self.held.pop(source)
        return self._entry(target)

    async def set_mode(self, session_id: str, caller: Caller, path: Path, mode: int) -> FileEntry:
        self._check(session_id)
        self.asked.append(("mode", path, mode))
        return replace(self._found(path), mode=mode)

    async def delete(
        self, session_id: str, caller: Caller, path: Path, *, is_recursive: bool, may_be_missing: bool = False
    ) -> int:
        self._check(session_id)
        self.asked.append(("delete", path, is_recursive, may_be_missing))
        return 1

    def _found(self, path: Path) -> FileEntry:
        if path not in self.held:
            raise NotFound("There is no such file.")
        return self._entry(path)

    def _entry(self, path: Path) -> FileEntry:
        return FileEntry(path, "file", len(self.held[path]), self.modified_ns, bytes(32))

    @staticmethod
    def _check(session_id: str) -> None:
        if session_id != "there":
            raise NotFound("There is no such session.")
