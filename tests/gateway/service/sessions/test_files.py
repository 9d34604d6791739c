"""Files of sessions above the helper: whose they are, what is said when the kernel is gone, and the limits by number."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any

import pytest

from gateway.core.errors import BadRequest, Gone, NotFound, TooLarge, TooManyRequests, Unavailable
from gateway.core.files import FileEntry, MadeDirectory
from gateway.core.request import Caller
from gateway.kernel.files import Full
from gateway.service.sessions.files import MAX_WATCHES, Files
from kernels.contract import Policy

ME = Caller("k1", "me")
SMALL = Caller("k2", "small", policy=Policy(work_bytes=77))


class Sessions:
    """One session whose kernel is *k*, until it has ended."""

    has_ended = False
    activities = 0

    def kernel_id(self, session_id: str, caller: Caller) -> str:
        if session_id != "s":
            raise NotFound("no")
        if self.has_ended:
            raise Gone("culled")
        return "k"

    def note_activity(self, session_id: str, caller: Caller) -> None:
        self.kernel_id(session_id, caller)
        self.activities += 1


class Contents:
    def __init__(self, size: int) -> None:
        self.entry = FileEntry(b"f", "file", size, 0)


class Folder:
    """Answers what a test asks for."""

    def __init__(self, size: int) -> None:
        self.size = size
        self.written: list[bytes] = []

    async def read(self, _path: bytes) -> Contents:
        return Contents(self.size)

    async def list(self, _under: bytes, *, wants_digests: bool, depth: int) -> str:
        return f"a list {depth}" if wants_digests else ""

    async def delete(self, path: bytes, *, is_recursive: bool) -> int:
        if path == b"none":
            raise NotFound("There is no such file.")
        return int(is_recursive)

    async def watch(self, under: bytes, depth: int) -> str:
        return f"a watch of {under!r} {depth}"

    async def stat(self, path: bytes, *, wants_digest: bool) -> FileEntry:
        return FileEntry(path, "file", int(wants_digest), 0)

    async def make_directory(self, path: bytes) -> MadeDirectory:
        if path == b"full":
            raise Full("full")
        return MadeDirectory(FileEntry(path, "directory", 0, 0), is_new=True)

    async def move(self, source: bytes, target: bytes, *, replaces: bool) -> FileEntry:
        return FileEntry(target, "file", int(replaces), 0)

    async def set_mode(self, path: bytes, mode: int) -> FileEntry:
        return FileEntry(path, "file", 0, 0, mode=mode)

    async def write(self, path: bytes, pieces: AsyncIterator[bytes], most_bytes: int, *, is_gzip: bool) -> FileEntry:
        body = b"".join([piece async for piece in pieces])
        if body == b"full":
            raise Full("full")
        assert most_bytes == 100
        self.written.append(body)
        return FileEntry(path, "file", len(body), 0)


def files(sessions: Sessions, folder: Folder, *, error: Exception | None = None, ends: bool = False) -> Files:
    """Files of *sessions* in *folder*; opening it raises *error*, and the session may end meanwhile."""

    @asynccontextmanager
    async def opening(kernel_id: str) -> AsyncIterator[Any]:
        assert kernel_id == "k"
        sessions.has_ended = ends
        if error is not None:
            raise error
        yield folder

    return Files(sessions.kernel_id, opening, sessions.note_activity, file_bytes=100, work_bytes=1000)


async def pieces(body: bytes) -> AsyncIterator[bytes]:
    yield body


async def test_a_session_that_is_not_there_has_no_files() -> None:
    """Nothing is opened for it."""
    with pytest.raises(NotFound):
        await files(Sessions(), Folder(0)).write("other", ME, b"f", pieces(b"1"))


async def test_a_session_that_ends_meanwhile_says_so() -> None:
    """The end of its kernel is not the news then."""
    with pytest.raises(Gone):
        await files(Sessions(), Folder(0), error=Unavailable("ended"), ends=True).write("s", ME, b"f", pieces(b"1"))
    with pytest.raises(Unavailable):
        await files(Sessions(), Folder(0), error=Unavailable("ended")).write("s", ME, b"f", pieces(b"1"))


async def test_limits_are_told_by_number() -> None:
    """Of the file, and of this caller's work directory."""
    async with files(Sessions(), Folder(100)).read("s", ME, b"f") as contents:
        assert contents.entry.size == 100
    with pytest.raises(TooLarge, match="101 bytes: at most 100"):
        async with files(Sessions(), Folder(101)).read("s", ME, b"f"):
            pass
    for caller, number in ((ME, "1000"), (SMALL, "77")):
        with pytest.raises(TooLarge, match=f"limit is {number} bytes"):
            await files(Sessions(), Folder(0)).write("s", caller, b"f", pieces(b"full"))
        with pytest.raises(TooLarge, match=f"limit is {number} bytes"):
            await files(Sessions(), Folder(0)).make_directory("s", caller, b"full")


async def test_several_files_are_put_in_their_order() -> None:
    """After an error those before it are there."""
    folder = Folder(0)
    given = [(b"a", b"1"), (b"b", b"2"), (b"c", b"full"), (b"d", b"4")]
    assert [entry.path for entry in await files(Sessions(), folder).write_all("s", ME, given[:2])] == [b"a", b"b"]
    with pytest.raises(TooLarge):
        await files(Sessions(), folder).write_all("s", ME, given)
    assert folder.written == [b"1", b"2", b"1", b"2"]


async def test_a_list_of_files_is_no_activity() -> None:
    """An open page asks for it again and again; what is done with a file is activity, and is counted once."""
    sessions = Sessions()
    mine = files(sessions, Folder(1))
    assert str(await mine.list("s", ME)) == "a list 40"
    assert str(await mine.list("s", ME, depth=1)) == "a list 1"
    assert (await mine.stat("s", ME, b"f", wants_digest=True)).size == 1
    assert sessions.activities == 0
    async with mine.read("s", ME, b"f"):
        assert sessions.activities == 1
    await mine.write("s", ME, b"f", pieces(b"1"))
    assert sessions.activities == 2
    assert await mine.delete("s", ME, b"f", is_recursive=True) == 1
    assert sessions.activities == 3
    assert (await mine.make_directory("s", ME, b"d")).is_new
    assert (await mine.move("s", ME, b"f", b"g", replaces=True)).size == 1
    assert (await mine.set_mode("s", ME, b"f", 0o600)).mode == 0o600
    assert sessions.activities == 6


async def test_a_session_has_few_watches_at_once() -> None:
    """One more is refused, until another has ended, however it did; watching is no activity."""
    sessions = Sessions()
    mine = files(sessions, Folder(1))
    async with AsyncExitStack() as stack:
        for _ in range(MAX_WATCHES):
            await stack.enter_async_context(mine.watch("s", ME))
        with pytest.raises(TooManyRequests):
            async with mine.watch("s", ME):
                pass
    for _ in range(MAX_WATCHES + 1):
        with pytest.raises(NotFound):
            async with mine.watch("other", ME):
                pass
    async with mine.watch("s", ME, b"d", 1) as changes:
        assert str(changes) == "a watch of b'd' 1"
    assert sessions.activities == 0


async def test_deleting_nothing_succeeds_where_it_is_asked_to() -> None:
    """A session that is not there is an error all the same; so is a move into itself, before anything is opened."""
    mine = files(Sessions(), Folder(1))
    assert await mine.delete("s", ME, b"none", is_recursive=False, may_be_missing=True) == 0
    for session_id, may_be_missing in (("s", False), ("other", True)):
        with pytest.raises(NotFound):
            await mine.delete(session_id, ME, b"none", is_recursive=False, may_be_missing=may_be_missing)
    with pytest.raises(BadRequest):
        await mine.move("s", ME, b"d", b"d/e")
