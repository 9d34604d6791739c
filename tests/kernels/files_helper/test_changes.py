"""Directories made, names moved and modes set by the files helper, in a directory full of traps."""

from __future__ import annotations

import os
import socket
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import pytest

from kernels.files_helper.changes import make_directory, move, set_mode
from kernels.files_helper.folder import FileRefused, look, problem_of, write
from kernels.filewire import Problem
from tests.kernels.files_helper.swapping import swapping

SECRET = b"what lies outside"


@pytest.fixture
def outside(tmp_path: Path) -> Path:
    """A directory beside the work directory, with a secret in it."""
    place = tmp_path / "outside"
    place.mkdir()
    (place / "secret").write_bytes(SECRET)
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


def problem(act: Callable[[], object]) -> Problem:
    """Why *act* is refused."""
    try:
        act()
    except FileRefused as refused:
        return refused.problem
    except OSError as error:
        return problem_of(error)
    raise AssertionError("it was carried out")


def tree(work: Path) -> dict[str, bytes | str | None]:
    """All that is in *work*: the bytes of files, the targets of links, None for directories."""
    found: dict[str, bytes | str | None] = {}
    for path in sorted(work.rglob("*")):
        name = str(path.relative_to(work))
        found[name] = os.readlink(path) if path.is_symlink() else path.read_bytes() if path.is_file() else None
    return found


def test_a_directory_is_made_with_those_on_the_way(root: int, work: Path) -> None:
    """Once more makes nothing, and is fine."""
    entry, count = make_directory(root, b"a/b\n/\xff")
    assert (entry.path, entry.kind, entry.mode, entry.is_own, count) == (b"a/b\n/\xff", "directory", 0o755, True, 3)
    assert make_directory(root, b"a/b\n/\xff")[1] == 0
    assert make_directory(root, b"a/b\n/c")[1] == 1


def test_a_directory_that_can_not_be_made_leaves_nothing(root: int, work: Path, outside: Path) -> None:
    """Below a file, a link or something too long; a file is not taken for a directory."""
    write(root, b"f", [b"1"], 1)
    os.symlink(outside, work / "link")
    before = tree(work)
    for path in (b"f", b"f/x", b"link", b"link/x"):
        assert problem(partial(make_directory, root, path)) in (Problem.NOT_A_DIRECTORY, Problem.LINK)
    os.mkfifo(work / "n")
    assert problem(partial(make_directory, root, b"n/x")) is Problem.NOT_A_DIRECTORY
    (work / "n").unlink()
    assert tree(work) == before
    assert os.listdir(outside) == ["secret"]


def test_a_name_is_looked_at_as_it_is(root: int, work: Path, outside: Path) -> None:
    """Its mode, and of a link what it says; nothing is followed, and what links say may be anything."""
    write(root, b"f", [b"123"], 3)
    (work / "f").chmod(0o640)
    target = b"x" * 4000 + b"\n\xff"
    os.symlink(outside / "secret", work / "out")
    os.symlink(target, os.fsencode(work / "odd"))
    found = look(root, b"f", wants_digest=True)
    assert (found.kind, found.size, found.mode, len(found.digest), found.target) == ("file", 3, 0o640, 32, b"")
    assert found.changed_ns >= found.modified_ns > 0
    link = look(root, b"out", wants_digest=True)
    assert (link.kind, link.digest, link.target) == ("link", b"", os.fsencode(outside / "secret"))
    assert look(root, b"odd").target == target
    assert problem(partial(look, root, b"out/x")) in (Problem.LINK, Problem.NOT_A_DIRECTORY)
    assert problem(partial(look, root, b"none")) is Problem.MISSING


def test_anything_moves_and_nothing_is_replaced_unasked(root: int, work: Path, outside: Path) -> None:
    """Files, trees and links themselves; the new path's directories are made."""
    write(root, b"f", [b"1"], 1)
    write(root, b"d/in", [b"2"], 1)
    os.symlink(outside, work / "link")
    assert move(root, b"f", b"new/deep/f\n", replaces=False).path == b"new/deep/f\n"
    assert move(root, b"d", b"e", replaces=False).kind == "directory"
    assert move(root, b"link", b"new/link", replaces=True).target == os.fsencode(outside)
    assert tree(work) == {
        "e": None,
        "e/in": b"2",
        "new": None,
        "new/deep": None,
        "new/deep/f\n": b"1",
        "new/link": str(outside),
    }
    write(root, b"g", [b"3"], 1)
    before = tree(work)
    for target in (b"e", b"e/in", b"new/link", b"g"):
        assert problem(partial(move, root, b"g", target, replaces=False)) is Problem.EXISTS
    assert tree(work) == before
    assert move(root, b"g", b"e/in", replaces=True).size == 1
    assert tree(work)["e/in"] == b"3"


def test_only_a_file_is_ever_replaced(root: int, work: Path, outside: Path) -> None:
    """No link, no directory (also an empty one) and no socket, whatever moves there; a refusal leaves all as it was."""
    write(root, b"f", [b"1"], 1)
    (work / "empty").mkdir()
    os.symlink(outside / "secret", work / "link")
    here = os.open(".", os.O_PATH)
    os.chdir(work)
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind("socket")
    os.fchdir(here)
    os.close(here)
    wanted = {b"empty": Problem.DIRECTORY, b"link": Problem.LINK, b"socket": Problem.NOT_A_FILE}
    names = sorted(os.listdir(work))
    for target, why in wanted.items():
        assert problem(partial(move, root, b"f", target, replaces=True)) is why
    assert problem(partial(move, root, b"none", b"made/for/it", replaces=True)) is Problem.MISSING
    assert problem(partial(move, root, b"empty", b"f", replaces=True)) is Problem.NOT_A_DIRECTORY
    assert problem(partial(move, root, b"f", b"link/f", replaces=True)) in (Problem.LINK, Problem.NOT_A_DIRECTORY)
    assert sorted(os.listdir(work)) == names
    assert (outside / "secret").read_bytes() == SECRET


def test_a_directory_does_not_move_into_itself(root: int, work: Path) -> None:
    """What was made for it goes again."""
    (work / "d").mkdir()
    assert problem(partial(move, root, b"d", b"d/x/y", replaces=False)) is Problem.NAME
    assert tree(work) == {"d": None}


def test_a_mode_is_set_on_the_thing_itself(root: int, work: Path, outside: Path) -> None:
    """Of files and directories; no bits that make a program run as its owner; never through a link."""
    write(root, b"f", [b"1"], 1)
    (work / "d").mkdir()
    os.symlink(outside / "secret", work / "link")
    os.mkfifo(work / "fifo")
    before = (outside / "secret").stat().st_mode
    assert set_mode(root, b"f", 0o7751).mode == 0o751
    assert set_mode(root, b"d", 0o700).mode == 0o700
    assert (work / "f").stat().st_mode & 0o7777 == 0o751
    assert problem(partial(set_mode, root, b"link", 0o777)) is Problem.LINK
    assert problem(partial(set_mode, root, b"fifo", 0o777)) is Problem.NOT_A_FILE
    assert problem(partial(set_mode, root, b"none", 0o777)) is Problem.MISSING
    assert (outside / "secret").stat().st_mode == before


def test_no_race_moves_or_changes_anything_outside(root: int, work: Path, outside: Path) -> None:
    """A directory and a link to one outside that change places all the time: both were met, and nothing happened there."""
    (work / "d").mkdir()
    (work / "d" / "secret").write_bytes(b"inside")
    os.symlink(outside, work / "trap")
    write(root, b"f", [b"1"], 1)
    before = (outside / "secret").stat()
    seen: set[object] = set()
    with swapping(work / "d", work / "trap"):
        while not {"done", "refused"} <= seen:
            for act in (
                lambda: set_mode(root, b"d/secret", 0o700),
                lambda: make_directory(root, b"d/made"),
                lambda: move(root, b"f", b"d/f", replaces=True),
                lambda: move(root, b"d/f", b"f", replaces=True),
            ):
                try:
                    act()
                    seen.add("done")
                except (FileRefused, OSError):
                    seen.add("refused")
    after = (outside / "secret").stat()
    assert os.listdir(outside) == ["secret"]
    assert (after.st_mode, after.st_ctime_ns) == (before.st_mode, before.st_ctime_ns)
