"""What the files helper does in a directory full of traps: here without its other walls, so that these rules hold alone."""

from __future__ import annotations

import errno
import hashlib
import os
import socket
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from functools import partial
from pathlib import Path

import pytest

from kernels import filewire
from kernels.files_helper.folder import EntryWalk, FileRefused, Reading, delete, problem_of, write
from kernels.filewire import MAX_DEPTH, MAX_ENTRIES, FileEntry, Problem
from tests.kernels.files_helper.swapping import swapping

SECRET = b"what lies outside"
PIB = 1 << 50


@pytest.fixture
def outside(tmp_path: Path) -> Path:
    """A directory beside the work directory, with a secret in it."""
    place = tmp_path / "outside"
    (place / "deep").mkdir(parents=True)
    for file in (place / "secret", place / "deep" / "secret"):
        file.write_bytes(SECRET)
    return place


@pytest.fixture
def work(tmp_path: Path) -> Path:
    place = tmp_path / "work"
    place.mkdir()
    return place


@pytest.fixture
def root(work: Path) -> Iterator[int]:
    """The work directory as the helper holds it."""
    fd = os.open(work, os.O_PATH | os.O_DIRECTORY)
    yield fd
    os.close(fd)


def read(root: int, path: bytes) -> bytes:
    reading = Reading.open(root, path)
    try:
        return b"".join(reading.pieces(0, 2**64 - 1))
    finally:
        reading.close()


def problem(act: Callable[[], object]) -> Problem:
    """Why *act* is refused."""
    try:
        act()
    except FileRefused as refused:
        return refused.problem
    except OSError as error:
        return problem_of(error)
    raise AssertionError("it was carried out")


def names(listing: EntryWalk) -> list[bytes]:
    return [entry.path for entry in listing]


def test_what_is_written_is_read_and_listed_with_its_digest(root: int, work: Path) -> None:
    """Whole, under its own name, with the directories on the way; the mode lets the session's programs read it."""
    body = os.urandom(200_000)
    entry = write(root, b"a/b c/d\n.bin", [body[:70_000], body[70_000:]], 200_000)
    assert (entry.path, entry.kind, entry.size, entry.digest) == (
        b"a/b c/d\n.bin",
        "file",
        200_000,
        hashlib.sha256(body).digest(),
    )
    assert read(root, b"a/b c/d\n.bin") == body
    listed = list(EntryWalk(root, b"", wants_digests=True))
    assert [(e.path, e.kind, e.digest) for e in listed] == [
        (b"a", "directory", b""),
        (b"a/b c", "directory", b""),
        (b"a/b c/d\n.bin", "file", hashlib.sha256(body).digest()),
    ]
    assert names(EntryWalk(root, b"a/b c", wants_digests=False)) == [b"a/b c/d\n.bin"]
    assert (work / "a/b c/d\n.bin").stat().st_mode & 0o777 == 0o644 & ~_umask()


def _umask() -> int:
    now = os.umask(0o022)
    os.umask(now)
    return now


@pytest.mark.parametrize(
    "name", [b"\xc3.txt", "ü-日本-\u202e.txt".encode(), b"-rf", b"a'\"`;\r\n\x1b", b"x" * 255, b"CON", b"...", b" "]
)
def test_any_name_of_linux_comes_back_right(root: int, work: Path, name: bytes) -> None:
    """Names are bytes: also those that are no text."""
    write(root, name, [b"1"], 1)
    assert names(EntryWalk(root, b"", wants_digests=False)) == [name]
    assert read(root, name) == b"1"
    assert os.listdir(os.fsencode(work)) == [name]


def test_no_link_is_followed_whatever_is_asked(root: int, work: Path, outside: Path) -> None:
    """Neither at the end of a path nor on the way, neither into the directory nor out of it, nor through /proc."""
    write(root, b"real/file", [b"1"], 1)
    for name, target in (
        ("abs", str(outside / "secret")),
        ("rel", "../outside/secret"),
        ("magic", f"/proc/self/fd/{root}"),
        ("inner", "real/file"),
        ("dir", str(outside)),
        ("innerdir", "real"),
        ("loop", "loop"),
    ):
        os.symlink(target, work / name)
    paths = (b"abs", b"rel", b"magic", b"inner", b"dir", b"dir/secret", b"innerdir/file", b"magic/real/file", b"loop")

    def listed(path: bytes) -> object:
        return names(EntryWalk(root, path, wants_digests=True))

    on_the_way = (Problem.LINK, Problem.NOT_A_DIRECTORY)
    for path in paths:
        assert problem(partial(read, root, path)) is Problem.LINK
        assert problem(partial(write, root, path, [b"2"], 9)) in on_the_way
        assert problem(partial(write, root, path + b"/new", [b"2"], 9)) in on_the_way
    for path in (b"dir", b"innerdir", b"magic"):
        assert problem(partial(listed, path)) in on_the_way
    assert [entry.kind for entry in EntryWalk(root, b"", wants_digests=True)].count("link") == 7
    assert (outside / "secret").read_bytes() == SECRET
    assert sorted(os.listdir(outside)) == ["deep", "secret"]


def test_deleting_a_link_leaves_what_it_points_to(root: int, work: Path, outside: Path) -> None:
    """Also a link among what goes with a directory."""
    os.symlink(outside, work / "link")
    (work / "d").mkdir()
    os.symlink(outside, work / "d" / "link")
    assert delete(root, b"link", is_recursive=True) == 1
    assert delete(root, b"d", is_recursive=True) == 2
    assert os.listdir(work) == []
    assert (outside / "deep" / "secret").read_bytes() == SECRET


def test_what_is_no_file_is_refused_without_waiting(root: int, work: Path) -> None:
    """A FIFO with nobody at its other end, a socket, a directory: an answer at once, nothing is opened for long."""
    os.mkfifo(work / "fifo")
    (work / "dir").mkdir()
    with ExitStack() as stack:
        listener = stack.enter_context(socket.socket(socket.AF_UNIX))
        here = os.open(".", os.O_PATH)
        stack.callback(os.close, here)
        stack.callback(os.fchdir, os.open(".", os.O_RDONLY))
        os.chdir(work)
        listener.bind("socket")
    wanted = {b"fifo": Problem.NOT_A_FILE, b"socket": Problem.NOT_A_FILE, b"dir": Problem.DIRECTORY}
    for name, why in wanted.items():
        assert problem(partial(read, root, name)) is why
        assert problem(partial(write, root, name, [b"1"], 1)) is why
    kinds = {entry.path: entry.kind for entry in EntryWalk(root, b"", wants_digests=True)}
    assert kinds == {b"fifo": "other", b"socket": "other", b"dir": "directory"}


@pytest.mark.skipif(os.geteuid() != 0, reason="only root makes devices")
def test_a_device_is_refused(root: int, work: Path) -> None:
    """None can be made in a kernel; should one be there, it is not read."""
    os.mknod(work / "zero", 0o666 | 0o020000, os.makedev(1, 5))
    assert problem(lambda: read(root, b"zero")) in (Problem.NOT_A_FILE, Problem.DENIED)


def test_a_refused_upload_changes_nothing(root: int, work: Path) -> None:
    """Too large, or broken off: the old file stays, no part of the new one and no directory made for it is left."""
    write(root, b"kept", [b"old"], 9)

    def breaks() -> Iterator[bytes]:
        yield b"12"
        raise OSError(errno.EIO, "gone")

    assert problem(lambda: write(root, b"kept", [b"12", b"3456"], 5)) is Problem.TOO_LARGE
    assert problem(lambda: write(root, b"new/deep/er", breaks(), 5)) is Problem.OTHER
    assert problem(lambda: write(root, b"kept/below", [b"1"], 5)) is Problem.NOT_A_DIRECTORY
    assert os.listdir(work) == ["kept"]
    assert read(root, b"kept") == b"old"


def test_a_sparse_file_costs_nothing(root: int, work: Path) -> None:
    """A file of a pebibyte, where the file system can say so, is listed without a digest and is not read to be listed."""
    size = PIB
    with (work / "sparse").open("wb") as file:
        while True:
            try:
                file.truncate(size)
                break
            except OSError:
                size //= 2
    (entry,) = EntryWalk(root, b"", wants_digests=True)
    assert (entry.size, entry.digest) == (size, b"")
    assert size >= 1 << 40


@pytest.mark.parametrize(
    ("start", "count", "part"),
    [(0, 0, b""), (0, 3, b"012"), (7, 2**64 - 1, b"789"), (9, 1, b"9"), (10, 1, b""), (2**64 - 1, 2**64 - 1, b"")],
)
def test_a_part_of_a_file_is_read(root: int, start: int, count: int, part: bytes) -> None:
    """No byte beyond its end, whatever the numbers are."""
    write(root, b"f", [b"0123456789"], 10)
    reading = Reading.open(root, b"f")
    assert b"".join(reading.pieces(start, count)) == part
    reading.close()


@pytest.mark.parametrize("modified_ns", [2**40 * 10**9, -(2**40) * 10**9, 2**63, 2**63 - 1])
def test_a_file_of_any_time_can_be_told(modified_ns: int) -> None:
    """The nearest time that the protocol has stands for one beyond it: code can set times that last longer than it."""
    told = filewire.parse_entry(filewire.pack_entry(FileEntry(b"f", "file", 1, modified_ns)))
    assert told.modified_ns == min(max(modified_ns, -(2**63)), 2**63 - 1)


def test_a_file_cut_short_while_it_is_read_is_told(root: int, work: Path) -> None:
    """Fewer bytes than promised are an error, more are not sent."""
    write(root, b"f", [bytes(200_000)], 200_000)
    reading = Reading.open(root, b"f")
    pieces = reading.pieces(0, 200_000)
    got = len(next(pieces))
    os.truncate(work / "f", 70_000)
    assert problem(lambda: list(pieces)) is Problem.CHANGED
    reading.close()
    assert got < 200_000
    reading = Reading.open(root, b"f")
    with (work / "f").open("ab") as file:
        file.write(b"more")
    assert sum(map(len, reading.pieces(0, 2**63))) == 70_000
    reading.close()


def test_a_listing_is_bounded_in_number(root: int, work: Path) -> None:
    """Ten thousand entries, and then it says that some are missing."""
    (work / "d").mkdir()
    for at in range(MAX_ENTRIES + 50):
        (work / "d" / f"{at:05}").touch()
    listing = EntryWalk(root, b"", wants_digests=False)
    assert len(names(listing)) == MAX_ENTRIES
    assert listing.is_cut
    exactly = EntryWalk(root, b"d", wants_digests=False)
    for at in range(MAX_ENTRIES, MAX_ENTRIES + 50):
        (work / "d" / f"{at:05}").unlink()
    assert len(names(exactly)) == MAX_ENTRIES
    assert not exactly.is_cut
    assert delete(root, b"d", is_recursive=True) == MAX_ENTRIES + 1


def test_a_deep_tree_is_listed_in_part_and_deleted_whole(root: int, work: Path) -> None:
    """A thousand directories in each other: neither a stack nor a path nor the descriptors run out."""
    here = os.open(work, os.O_RDONLY)
    for _ in range(1000):
        os.mkdir("d" * 20, dir_fd=here)
        below = os.open("d" * 20, os.O_RDONLY, dir_fd=here)
        os.close(here)
        here = below
    os.close(here)
    listing = EntryWalk(root, b"", wants_digests=True)
    assert len(names(listing)) == MAX_DEPTH
    assert listing.is_cut
    assert problem(lambda: delete(root, b"d" * 20, is_recursive=False)) is Problem.NOT_EMPTY
    assert delete(root, b"d" * 20, is_recursive=True) == 1000
    assert os.listdir(work) == []


@contextmanager
def as_nobody() -> Iterator[None]:
    """Without root's right to read what is closed to all."""
    own = os.geteuid()
    if own == 0:
        os.seteuid(65_534)
    try:
        yield
    finally:
        os.seteuid(own)


def test_what_its_owner_has_closed_is_denied(root: int, work: Path) -> None:
    """The permissions of files hold for the helper as for the kernel's own code."""
    write(root, b"closed", [b"1"], 1)
    (work / "closed").chmod(0)
    with as_nobody():
        assert problem(lambda: read(root, b"closed")) is Problem.DENIED


def test_no_race_reaches_outside(root: int, work: Path, outside: Path) -> None:
    """A directory that turns into a link and back, thousands of times: no byte comes from outside and none goes there."""
    (work / "d").mkdir()
    (work / "d" / "secret").write_bytes(b"inside")
    os.symlink(outside, work / "trap")
    outcomes: dict[object, int] = {}
    with swapping(work / "d", work / "trap"):
        for at in range(3000):
            for act in (
                lambda: read(root, b"d/secret"),
                lambda: next(entry.digest for entry in EntryWalk(root, b"d", wants_digests=True)),
                lambda: write(root, b"d/new", [b"x"], 1).path,
            ):
                outcome = _outcome(act)
                outcomes[outcome] = outcomes.get(outcome, 0) + 1
                assert outcome not in (SECRET, hashlib.sha256(SECRET).digest()), f"round {at}"
    assert outcomes[b"inside"] > 0, "the reader must have met the directory too"
    assert any(isinstance(outcome, Problem) for outcome in outcomes), "and the link"
    assert sorted(os.listdir(outside)) == ["deep", "secret"]
    assert (outside / "secret").read_bytes() == SECRET


def _outcome(act: Callable[[], object]) -> object:
    try:
        return act()
    except FileRefused as refused:
        return refused.problem
    except OSError as error:
        return problem_of(error)


def test_a_listing_goes_as_deep_as_it_is_asked_to(root: int, work: Path) -> None:
    """What is below was not asked for, so nothing is missing; a link shows what it says, and nothing else shows anything."""
    write(root, b"a/b/c/f", [b"1"], 1)
    os.symlink("/etc/passwd", work / "link")
    levels = {1: [b"a", b"link"], 2: [b"a", b"a/b", b"link"], 4: [b"a", b"a/b", b"a/b/c", b"a/b/c/f", b"link"]}
    for depth, wanted in levels.items():
        listing = EntryWalk(root, b"", wants_digests=True, depth=depth)
        entries = list(listing)
        assert [entry.path for entry in entries] == wanted
        assert not listing.is_cut
        assert {entry.path: entry.target for entry in entries if entry.target} == {b"link": b"/etc/passwd"}
        assert all(entry.is_own for entry in entries)
    assert names(EntryWalk(root, b"a/b", wants_digests=False, depth=1)) == [b"a/b/c"]


def test_what_links_say_counts_against_the_bound_of_a_listing(root: int, work: Path) -> None:
    """Thousands of long ones are listed in part, and it says so."""
    for at in range(1100):
        os.symlink("x" * 4000, work / str(at))
    listing = EntryWalk(root, b"", wants_digests=False)
    assert sum(len(entry.target) for entry in listing) <= 4 * 1024 * 1024
    assert listing.is_cut
