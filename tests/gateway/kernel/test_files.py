"""The gateway's end of a files helper, against peers that say what they like."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator, Awaitable, Callable

import pytest

from gateway.core.errors import BadRequest, Busy, Conflict, Forbidden, GatewayError, NotFound, TooLarge, Unavailable
from gateway.core.files import FileChanged, Listing, MadeDirectory
from gateway.kernel import files
from gateway.kernel.files import FolderClient, Full, open_folder
from kernels import filewire as wire
from kernels.filewire import MAX_ENTRIES, FileEntry, Problem

READY = wire.frame(wire.READY)
PLAIN, GZIP = (wire.frame(wire.PACKING, wire.pack_packing(is_gzip=is_gzip)) for is_gzip in (False, True))
FILE = FileEntry(b"a/\xff", "file", 3, 17, bytes(32))
Act = Callable[[FolderClient], Awaitable[object]]


async def pieces(*given: bytes) -> AsyncIterator[bytes]:
    for piece in given:
        yield piece


async def with_peer(said: bytes, act: Act, *, closes: bool = True) -> object:
    """What *act* answers when the helper has said *said*, and then hangs up."""
    ours, theirs = socket.socketpair()
    theirs.setblocking(False)
    loop = asyncio.get_running_loop()
    speaking = asyncio.create_task(loop.sock_sendall(theirs, said))
    speaking.add_done_callback(lambda _: theirs.shutdown(socket.SHUT_WR) if closes else None)
    try:
        async with open_folder(ours) as folder:
            return await act(folder)
    finally:
        speaking.cancel()
        await asyncio.gather(speaking, return_exceptions=True)
        theirs.close()


async def read_all(folder: FolderClient) -> bytes:
    contents = await folder.read(b"a")
    return b"".join([piece async for piece in contents.pieces()])


async def read_middle(folder: FolderClient) -> bytes:
    contents = await folder.read(b"a")
    return b"".join([piece async for piece in contents.pieces(range(1, 3))])


async def read_packed(folder: FolderClient) -> tuple[bool, bytes]:
    contents = await folder.read(b"a")
    packed = await contents.packed()
    return packed.is_gzip, b"".join([piece async for piece in packed.pieces])


async def list_all(folder: FolderClient) -> object:
    return await folder.list(b"", wants_digests=True)


async def write_one(folder: FolderClient) -> object:
    return await folder.write(b"a", pieces(b"x" * 200_000), 200_000)


async def delete_one(folder: FolderClient) -> object:
    return await folder.delete(b"a", is_recursive=True)


async def stat_one(folder: FolderClient) -> object:
    return await folder.stat(b"a", wants_digest=True)


async def make_one(folder: FolderClient) -> object:
    return await folder.make_directory(b"a")


async def move_one(folder: FolderClient) -> object:
    return await folder.move(b"a", b"b", replaces=False)


async def set_one(folder: FolderClient) -> object:
    return await folder.set_mode(b"a", 0o600)


async def test_what_the_helper_says_is_understood() -> None:
    """A listing, a file, an upload and a deletion."""
    entry, end = wire.frame(wire.ENTRY, wire.pack_entry(FILE)), wire.frame(wire.END, wire.pack_end(1, is_cut=True))
    listing = await with_peer(READY + entry + end, list_all)
    assert listing == Listing((FILE,), is_cut=True)
    assert (
        await with_peer(READY + entry + PLAIN + wire.frame(wire.DATA, b"12") + wire.frame(wire.DATA, b"3") + end, read_all)
        == b"123"
    )
    assert await with_peer(READY + entry + PLAIN + wire.frame(wire.DATA, b"23") + end, read_middle) == b"23"
    with pytest.raises(Unavailable):
        await with_peer(READY + entry + PLAIN + wire.frame(wire.DATA, b"123") + end, read_middle)
    for packing, is_gzip in ((PLAIN, False), (GZIP, True)):
        assert await with_peer(READY + entry + packing + wire.frame(wire.DATA, b"123") + end, read_packed) == (
            is_gzip,
            b"123",
        )
    assert await with_peer(READY + entry, write_one) == FILE
    assert await with_peer(READY + end, delete_one) == 1
    for act in (stat_one, move_one, set_one):
        assert await with_peer(READY + entry, act) == FILE
    for count in (0, 2):
        made = await with_peer(READY + entry + wire.frame(wire.END, wire.pack_end(count)), make_one)
        assert made == MadeDirectory(FILE, is_new=bool(count))


@pytest.mark.parametrize(
    ("problem", "kind"),
    [
        (Problem.MISSING, NotFound),
        (Problem.LINK, Conflict),
        (Problem.DIRECTORY, Conflict),
        (Problem.NOT_A_FILE, Conflict),
        (Problem.NOT_EMPTY, Conflict),
        (Problem.EXISTS, Conflict),
        (Problem.NOT_GZIP, BadRequest),
        (Problem.FULL, Full),
        (Problem.TOO_LARGE, TooLarge),
        (Problem.DENIED, Forbidden),
        (Problem.NAME, BadRequest),
        (Problem.BUSY, Busy),
        (Problem.GONE, Unavailable),
    ],
)
async def test_each_problem_is_an_error_with_a_sentence(problem: Problem, kind: type[GatewayError]) -> None:
    """Whatever was asked."""
    for act in (list_all, read_all, write_one, delete_one, stat_one, make_one, move_one, set_one):
        with pytest.raises(kind) as raised:
            await with_peer(READY + wire.failed(problem), act)
        assert raised.value.message.endswith(".")


def test_there_is_a_sentence_for_every_problem() -> None:
    """A new one must not become an internal error."""
    assert set(files._MESSAGES) == set(Problem)


ENTRY = wire.frame(wire.ENTRY, wire.pack_entry(FILE))
NONSENSE = [
    b"",
    b"h",
    READY,
    b"GET / HTTP/1.0\r\n\r\n",
    wire.frame(b"?"),
    READY + wire.HEADER.pack(wire.ENTRY, 2**31),
    READY + wire.frame(wire.ENTRY, b"\xff" * 30),
    READY + wire.frame(wire.ENTRY, wire.pack_entry(FILE)[:-3] + b"../"),
    READY + wire.frame(wire.DATA, b"x"),
    READY + wire.frame(wire.END, b""),
    READY + ENTRY + PLAIN + wire.frame(wire.DATA, b"1234") + wire.frame(wire.END, wire.pack_end()),
    READY + ENTRY + PLAIN + wire.frame(wire.DATA, b"12") + wire.frame(wire.END, wire.pack_end()),
    READY + ENTRY + PLAIN + wire.frame(wire.DATA),
    READY + ENTRY + GZIP + wire.frame(wire.DATA, b"x" * 5000) + wire.frame(wire.END, wire.pack_end()),
    READY + ENTRY + wire.frame(wire.PACKING, b"\2") + wire.frame(wire.DATA, b"123") + wire.frame(wire.END, wire.pack_end()),
    READY + ENTRY + wire.frame(wire.PACKING) + wire.frame(wire.END, wire.pack_end()),
    READY + wire.frame(wire.FAILED),
    READY + wire.failed(Problem.OTHER) * 3,
]


@pytest.mark.parametrize("said", NONSENSE, ids=range(len(NONSENSE)))
@pytest.mark.parametrize("act", [list_all, read_all, read_packed, delete_one, make_one])
async def test_nonsense_is_an_error_of_ours_and_nothing_worse(said: bytes, act: Act) -> None:
    """A helper that lies or dies harms its own session's request only."""
    with pytest.raises((Unavailable, Conflict)):
        await with_peer(said, act)


async def test_a_watch_tells_until_the_helper_ends() -> None:
    """Changes, nothing for a while, and that there is more than it sees; nonsense ends it as the helper's end does."""
    change, cut = (
        wire.frame(wire.CHANGE, wire.pack_change("created", FILE)),
        wire.frame(wire.END, wire.pack_end(is_cut=True)),
    )
    gap, tick = wire.frame(wire.GAP), wire.frame(wire.TICK)
    for last in (b"", wire.frame(wire.DATA, b"1"), wire.frame(wire.CHANGE, b"\0x"), wire.frame(wire.CHANGE)):
        told: list[FileChanged | None] = []

        async def watch(folder: FolderClient, told: list[FileChanged | None] = told) -> None:
            async for found in await folder.watch(b"", 1):
                told.append(found)

        with pytest.raises(Unavailable):
            await with_peer(READY + cut + change + tick + gap + last, watch)
        more = FileChanged("changed", None)
        assert told == [more, FileChanged("created", FILE), None, more]
    with pytest.raises(NotFound):
        await with_peer(READY + wire.failed(Problem.MISSING), watch)


async def test_gzip_that_was_not_asked_for_is_not_passed_on() -> None:
    """The client would take it for the file."""
    with pytest.raises(Unavailable):
        await with_peer(
            READY + ENTRY + GZIP + wire.frame(wire.DATA, b"123") + wire.frame(wire.END, wire.pack_end()), read_all
        )


async def test_a_listing_without_end_is_not_kept() -> None:
    """More entries than agreed end the conversation."""
    with pytest.raises(Unavailable):
        await with_peer(READY + ENTRY * (MAX_ENTRIES + 1), list_all, closes=False)


async def test_a_silent_helper_is_not_waited_for_long(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each step has its time."""
    monkeypatch.setattr(files, "STEP_S", 0.05)
    for act in (list_all, read_all, delete_one):
        with pytest.raises(Unavailable):
            await with_peer(READY, act, closes=False)
    with pytest.raises(Unavailable):
        await with_peer(b"", list_all, closes=False)


async def test_an_upload_stops_as_soon_as_it_is_refused() -> None:
    """The rest of a large body is not asked for."""
    asked = 0

    async def endless() -> AsyncIterator[bytes]:
        nonlocal asked
        while True:
            asked += 1
            yield b"x"
            await asyncio.sleep(0)

    with pytest.raises(Full):
        await with_peer(READY + wire.failed(Problem.FULL), lambda folder: folder.write(b"a", endless(), 2**40))
    assert asked < 1000
